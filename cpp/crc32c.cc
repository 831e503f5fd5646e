#include "crc32c.h"

#include <cstring>

#if defined(__x86_64__) || defined(_M_X64)
#  include <nmmintrin.h>
#  if defined(_MSC_VER) && !defined(__clang__)
#    include <intrin.h>
#    define FUNNELVEC_SSE42
#  else
#    include <cpuid.h>
#    define FUNNELVEC_SSE42 __attribute__((target("sse4.2")))
#  endif
#elif defined(__ARM_FEATURE_CRC32)
#  include <arm_acle.h>
#endif

namespace funnelvec {
namespace {

struct Table {
  uint32_t of[8][256];
  constexpr Table() : of() {
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0u);
      of[0][i] = crc;
    }
    for (int t = 1; t < 8; ++t) {
      for (uint32_t i = 0; i < 256; ++i) of[t][i] = (of[t - 1][i] >> 8) ^ of[0][of[t - 1][i] & 0xff];
    }
  }
};
constexpr Table kTable;

// Eight bytes a step, by tables. The bytes are put together by hand: any byte order.
uint32_t byTable(const unsigned char* p, size_t n, uint32_t crc) {
  for (; n >= 8; n -= 8, p += 8) {
    const uint32_t low = crc ^ (p[0] | p[1] << 8 | p[2] << 16 | static_cast<uint32_t>(p[3]) << 24);
    crc = kTable.of[7][low & 0xff] ^ kTable.of[6][(low >> 8) & 0xff] ^ kTable.of[5][(low >> 16) & 0xff] ^
          kTable.of[4][low >> 24] ^ kTable.of[3][p[4]] ^ kTable.of[2][p[5]] ^ kTable.of[1][p[6]] ^ kTable.of[0][p[7]];
  }
  for (; n > 0; --n, ++p) crc = (crc >> 8) ^ kTable.of[0][(crc ^ *p) & 0xff];
  return crc;
}

#if defined(FUNNELVEC_SSE42)

bool hasSse42() {
#  if defined(_MSC_VER) && !defined(__clang__)
  int v[4];
  __cpuid(v, 1);
  return (v[2] >> 20) & 1;
#  else
  unsigned a, b, c = 0, d;
  return __get_cpuid(1, &a, &b, &c, &d) && ((c >> 20) & 1);
#  endif
}

FUNNELVEC_SSE42 uint32_t byInstruction(const unsigned char* p, size_t n, uint32_t seed) {
  uint64_t crc = seed;
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t eight;
    std::memcpy(&eight, p, 8);
    crc = _mm_crc32_u64(crc, eight);
  }
  for (; n > 0; --n, ++p) crc = _mm_crc32_u8(static_cast<uint32_t>(crc), *p);
  return static_cast<uint32_t>(crc);
}

uint32_t update(const unsigned char* p, size_t n, uint32_t crc) {
  static const bool fast = hasSse42();
  return fast ? byInstruction(p, n, crc) : byTable(p, n, crc);
}

#elif defined(__ARM_FEATURE_CRC32)

uint32_t update(const unsigned char* p, size_t n, uint32_t crc) {
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t eight;
    std::memcpy(&eight, p, 8);
    crc = __crc32cd(crc, eight);
  }
  for (; n > 0; --n, ++p) crc = __crc32cb(crc, *p);
  return crc;
}

#else

uint32_t update(const unsigned char* p, size_t n, uint32_t crc) { return byTable(p, n, crc); }

#endif

}  // namespace

uint32_t crc32c(const void* bytes, size_t n, uint32_t seed) {
  return ~update(static_cast<const unsigned char*>(bytes), n, ~seed);
}

}  // namespace funnelvec
