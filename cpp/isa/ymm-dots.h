// Dot products of single rows in 256 bits: AVX2's, and AVX-512's too, since rows are short. Included by isa/*.cc alone,
// whose rules hold: internal linkage, no C++ library.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace {

struct YmmDots {
  static inline int32_t total(__m256i s) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1));
    return _mm_cvtsi128_si32(x);
  }
  static inline __m256i products(__m128i codes, const int16_t* q) {
    return _mm256_madd_epi16(_mm256_cvtepi8_epi16(codes), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q)));
  }
  static inline int32_t dot8(const int8_t* row, const int16_t* q, size_t dims) {
    __m256i a = _mm256_setzero_si256(), b = a;
    size_t i = 0;
    for (; i + 32 <= dims; i += 32) {
      a = _mm256_add_epi32(a, products(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i)), q + i));
      b = _mm256_add_epi32(b, products(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i + 16)), q + i + 16));
    }
    if (i + 16 <= dims) {
      a = _mm256_add_epi32(a, products(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i)), q + i));
      i += 16;
    }
    int32_t rest = 0;
    for (; i < dims; ++i) rest += row[i] * q[i];
    return total(_mm256_add_epi32(a, b)) + rest;
  }
  static inline int32_t dot4(const uint8_t* row, const int16_t* q, size_t dims) {
    const __m128i m = _mm_set1_epi8(15);
    __m256i a = _mm256_setzero_si256(), b = a;
    size_t i = 0;
    for (; i + 32 <= dims; i += 32) {
      const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i / 2));
      const __m128i low = _mm_and_si128(x, m), high = _mm_and_si128(_mm_srli_epi16(x, 4), m);
      a = _mm256_add_epi32(a, products(_mm_unpacklo_epi32(low, high), q + i));
      b = _mm256_add_epi32(b, products(_mm_unpackhi_epi32(low, high), q + i + 16));
    }
    int32_t rest = 0;
    for (; i < dims; i += 8) {
      for (size_t t = 0; t < 4; ++t) {
        const int x = row[i / 2 + t];
        rest += (x & 15) * q[i + t] + (x >> 4) * q[i + 4 + t];
      }
    }
    return total(_mm256_add_epi32(a, b)) + rest;
  }
};

}  // namespace
