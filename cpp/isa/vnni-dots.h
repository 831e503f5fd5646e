// Dot products of single rows by the instructions of VNNI: codes as unsigned bytes, the query as two planes of signed
// ones. Sums wrap around in 32 bits, as the total does not. For avx512vnni.cc alone.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "instruction-set.h"

namespace {

using funnelvec::RowQuery;

struct VnniDots {
  static inline __m512i bytes(const void* p, size_t left) {
    if (left >= 64) return _mm512_loadu_si512(p);
    return _mm512_maskz_loadu_epi8((uint64_t{1} << left) - 1, p);
  }
  static inline int32_t total(__m512i high, __m512i low) {
    return _mm512_reduce_add_epi32(_mm512_add_epi32(_mm512_slli_epi32(high, 7), low));
  }
  static inline __m512i add(__m512i sums, __m512i codes, const int8_t* q) {
    return _mm512_dpbusd_epi32(sums, codes, _mm512_loadu_si512(q));
  }
  // Codes move up by 128, which the query's sum takes back.
  static inline int32_t dot8(const int8_t* row, const RowQuery& q, size_t dims) {
    const __m512i sign = _mm512_set1_epi8(-128);
    __m512i low = _mm512_setzero_si512(), high = low;
    for (size_t i = 0; i < dims; i += 64) {
      const __m512i codes = _mm512_xor_si512(bytes(row + i, dims - i), sign);
      low = add(low, codes, q.low + i);
      high = add(high, codes, q.high + i);
    }
    return total(high, low) - q.sum128;
  }
  // The planes of the query hold the dims of low halves, then those of high ones.
  static inline int32_t dot4(const uint8_t* row, const RowQuery& q, size_t dims) {
    const __m512i m = _mm512_set1_epi8(15);
    const size_t n = dims / 2;
    __m512i low = _mm512_setzero_si512(), high = low, low2 = low, high2 = low;
    for (size_t i = 0; i < n; i += 64) {
      const __m512i x = bytes(row + i, n - i);
      const __m512i first = _mm512_and_si512(x, m), second = _mm512_and_si512(_mm512_srli_epi16(x, 4), m);
      low = add(low, first, q.low + i);
      high = add(high, first, q.high + i);
      low2 = add(low2, second, q.low + q.half + i);
      high2 = add(high2, second, q.high + q.half + i);
    }
    return total(_mm512_add_epi32(high, high2), _mm512_add_epi32(low, low2));
  }
};

}  // namespace
