// Sets of rows as bits: row o is bit o & 31 of word o >> 5.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arguments.h"

namespace funnelvec {

// Stretches of a list of rows, from bitmaps of two of its beginnings.
struct StretchTask {
  // Out.
  uint32_t* words;
  size_t size;
  // The first `end` rows of the list, and the first `begin`; at least as many words as `size`, or what is missing is
  // empty.
  const uint32_t* high;
  const uint32_t* low;
  size_t there;
  const uint32_t* rows;
  // The call asks for rows [from, to) of the list.
  size_t begin, from, end, to;
};
FUNNELVEC_ARGUMENTS(StretchTask, sized(t.words, t.size), sized(t.high, t.there), t.low, t.rows, t.begin, t.from, t.end,
                    t.to)

void stretchBits(const StretchTask& task);

}  // namespace funnelvec
