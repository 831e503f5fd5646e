// Vectors of AVX-512 F, BW, DQ and VL, where the eight lanes are one register: for avx512.cc and avx512vnni.cc, whose
// rules hold. Each adds to Avx512Line its own way to sum products.
#pragma once

#include <immintrin.h>
#include <string.h>

#include "instruction-set.h"
#include "ymm-dots.h"

namespace {

struct F64x8 {
  // 8 sums in flight cover 4 cycles of latency on two ports.
  static constexpr int kRowsAtOnceTwoSums = 4;
  static constexpr int kRowsAtOnceOneSum = 8;
  __m512d v;

  static inline F64x8 broadcast(double x) { return {_mm512_set1_pd(x)}; }
  static constexpr int kPanelRows = 6, kPanelColumns = 4;
  static inline F64x8 zero() { return {_mm512_setzero_pd()}; }
  static inline F64x8 load(const double* p) { return {_mm512_loadu_pd(p)}; }
  inline void store(double* p) const { _mm512_storeu_pd(p, v); }
  static inline F64x8 widen(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
  static inline F64x8 widen(const uint16_t* p) {
    return {_mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
  static inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
  static inline F64x8 subtract(F64x8 a, F64x8 b) { return {_mm512_sub_pd(a.v, b.v)}; }
  // The product is exact, so that fusing changes nothing.
  static inline F64x8 addProduct(F64x8 acc, F64x8 a, F64x8 b) { return {_mm512_fmadd_pd(a.v, b.v, acc.v)}; }
  static inline F64x8 addSquare(F64x8 acc, F64x8 e) { return {_mm512_add_pd(acc.v, _mm512_mul_pd(e.v, e.v))}; }
  static inline F64x8 fromInts(const int32_t* p) {
    return {_mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static inline F64x8 fromBytes(const uint8_t* p) {
    return {_mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
  }
  static inline F64x8 add(F64x8 a, F64x8 b) { return {_mm512_add_pd(a.v, b.v)}; }
  static inline F64x8 multiply(F64x8 a, F64x8 b) { return {_mm512_mul_pd(a.v, b.v)}; }
  static inline uint32_t atLeast(F64x8 a, F64x8 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_GE_OQ); }
  static inline F64x8 clampFloor(F64x8 a, F64x8 low, F64x8 high) {
    const __m512d whole = _mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    return {_mm512_min_pd(_mm512_max_pd(whole, low.v), high.v)};
  }
  // Stores whole numbers that fit.
  inline void storeInts(int32_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvttpd_epi32(v));
  }
  inline double reduce() const {
    const __m256d halves = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    const __m128d quarters = _mm_add_pd(_mm256_castpd256_pd128(halves), _mm256_extractf128_pd(halves, 1));
    return _mm_cvtsd_f64(_mm_add_sd(quarters, _mm_unpackhi_pd(quarters, quarters)));
  }
};

// Ahead of a pass over a bit plane: far enough for memory to answer.
constexpr size_t kAheadBits = 2048;

// A line of a head plane: a row's four codes are one 32-bit lane.
struct Avx512Line {
  using Line = __m512i;
  using Run = __m512i;   // sums of products that the instruction set adds up first
  using Sums = __m512i;  // 32-bit sums, one a row

  static inline Sums zeroSums() { return _mm512_setzero_si512(); }
  static inline Run zeroRun() { return zeroSums(); }
  static inline Line load(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static inline Line lowHalves(Line x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
  static inline Line highHalves(Line x) { return lowHalves(_mm512_srli_epi16(x, 4)); }
  // Four dims of the query, for every row.
  static inline __m512i broadcastFour(const int8_t* q) {
    int four;
    memcpy(&four, q, 4);
    return _mm512_set1_epi32(four);
  }
  static inline Sums joinPlanes(Sums high, Sums low) { return _mm512_add_epi32(_mm512_slli_epi32(high, 7), low); }
  static inline void store(int32_t* p, Sums s) { _mm512_storeu_si512(p, s); }

  // Adds the entries of n groups of a bit plane: `kBitRun` of them fit the 16-bit sums. Even rows and odd ones are
  // summed apart, the even ones with 256 times the odd ones on top.
  static inline void addBits(const uint8_t* p, size_t n, const uint8_t* low, const uint8_t* high, int32_t* dots) {
    __m512i both = _mm512_setzero_si512(), odd = both;
    size_t g = 0;
    for (; g + 8 <= n; g += 8) {
      const uint8_t* at = p + 16 * g;
      F64x8::prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(at) + kAheadBits));
      F64x8::prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(at) + kAheadBits + 64));
      const __m512i first = entries(load(at), load(low + 16 * g), load(high + 16 * g));
      const __m512i second = entries(load(at + 64), load(low + 16 * g + 64), load(high + 16 * g + 64));
      const __m512i four = _mm512_add_epi8(first, second);
      both = _mm512_add_epi16(both, four);
      odd = _mm512_add_epi16(odd, _mm512_srli_epi16(four, 8));
    }
    for (; g < n; g += 4) {
      // Beyond the last group entries of 0.
      const __mmask8 there = static_cast<__mmask8>(n - g >= 4 ? 0xff : (1u << (2 * (n - g))) - 1);
      const __m512i one =
          entries(_mm512_maskz_loadu_epi64(there, p + 16 * g), _mm512_maskz_loadu_epi64(there, low + 16 * g),
                  _mm512_maskz_loadu_epi64(there, high + 16 * g));
      both = _mm512_add_epi16(both, one);
      odd = _mm512_add_epi16(odd, _mm512_srli_epi16(one, 8));
    }
    const __m128i evens = fold(_mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8)));
    const __m128i odds = fold(odd);
    const __m256i rows = _mm256_set_m128i(_mm_unpackhi_epi16(evens, odds), _mm_unpacklo_epi16(evens, odds));
    _mm512_storeu_si512(dots, _mm512_add_epi32(_mm512_loadu_si512(dots), _mm512_cvtepu16_epi32(rows)));
  }
  static inline __m512i entries(__m512i bits, __m512i low, __m512i high) {
    const __m512i m = _mm512_set1_epi8(15);
    return _mm512_add_epi8(_mm512_shuffle_epi8(low, _mm512_and_si512(bits, m)),
                           _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(bits, 4), m)));
  }
  // The sum of the four lanes of 128 bits.
  static inline __m128i fold(__m512i x) {
    const __m256i halves = _mm256_add_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  }

  // Row numbers and dot products of the rows whose bit is set, in order; writes 16 of each, whatever follows.
  static inline void compact(uint32_t stay, uint32_t base, const int32_t* dots, uint32_t* rows, int32_t* kept) {
    const __mmask16 mask = static_cast<__mmask16>(stay);
    const __m512i numbers = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(base)),
                                             _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    _mm512_storeu_si512(rows, _mm512_maskz_compress_epi32(mask, numbers));
    _mm512_storeu_si512(kept, _mm512_maskz_compress_epi32(mask, _mm512_loadu_si512(dots)));
  }
  // A bit for each of 16 numbers: is it above?
  static inline uint32_t maskAbove(const int32_t* p, int32_t least) {
    return _mm512_cmpgt_epi32_mask(_mm512_loadu_si512(p), _mm512_set1_epi32(least));
  }
};

}  // namespace
