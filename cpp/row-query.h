// A query of single rows, with the planes of bytes that an instruction set may ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "isa/instruction-set.h"

namespace funnelvec {

struct SplitRowQuery {
  SplitRowQuery(const InstructionSet& isa, uint32_t bits, const int16_t* values, size_t dims);
  RowQuery query;
  std::vector<int8_t> planes;
};

}  // namespace funnelvec
