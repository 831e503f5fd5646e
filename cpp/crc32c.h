// CRC-32C (Castagnoli), the checksum of the embedded index's files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace funnelvec {

// The checksum of `n` bytes behind those whose checksum is `seed`.
uint32_t crc32c(const void* bytes, size_t n, uint32_t seed);

}  // namespace funnelvec
