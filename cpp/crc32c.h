// CRC-32C (Castagnoli), the checksum of the embedded index's files.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arguments.h"

namespace funnelvec {

// The checksum of `n` bytes behind those whose checksum is `seed`.
uint32_t crc32c(const void* bytes, size_t n, uint32_t seed);

struct ChecksumTask {
  const uint8_t* bytes;
  uint32_t seed;
  double from, to;  // whole numbers that may exceed 32 bits
};
FUNNELVEC_ARGUMENTS(ChecksumTask, t.bytes, t.seed, t.from, t.to)

}  // namespace funnelvec
