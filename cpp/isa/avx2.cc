// AVX2, FMA, F16C: lanes 0-3 and 4-7.
#include <immintrin.h>
#include <string.h>

#include "instruction-set.h"
#include "ymm-dots.h"

namespace {

constexpr funnelvec::CpuFeature kNeeds[] = {funnelvec::kYmmState, funnelvec::kAvx2, funnelvec::kFma, funnelvec::kF16c};

struct F64x8 {
  // 8 registers of sums hide the latency; 16 would spill.
  static constexpr int kRowsAtOnceTwoSums = 2;
  static constexpr int kRowsAtOnceOneSum = 4;
  __m256d lo, hi;

  static inline F64x8 broadcast(double x) { return {_mm256_set1_pd(x), _mm256_set1_pd(x)}; }
  static constexpr int kPanelRows = 3, kPanelColumns = 2;
  static inline F64x8 zero() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
  static inline F64x8 load(const double* p) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
  inline void store(double* p) const {
    _mm256_storeu_pd(p, lo);
    _mm256_storeu_pd(p + 4, hi);
  }
  static inline F64x8 widen(const float* p) {
    return {_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
  }
  static inline F64x8 widen(const uint16_t* p) {
    const __m256 x = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
  }
  static inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
  static inline F64x8 subtract(F64x8 a, F64x8 b) { return {_mm256_sub_pd(a.lo, b.lo), _mm256_sub_pd(a.hi, b.hi)}; }
  // The product is exact, so that fusing changes nothing.
  static inline F64x8 addProduct(F64x8 acc, F64x8 a, F64x8 b) {
    return {_mm256_fmadd_pd(a.lo, b.lo, acc.lo), _mm256_fmadd_pd(a.hi, b.hi, acc.hi)};
  }
  static inline F64x8 addSquare(F64x8 acc, F64x8 e) {
    return {_mm256_add_pd(acc.lo, _mm256_mul_pd(e.lo, e.lo)), _mm256_add_pd(acc.hi, _mm256_mul_pd(e.hi, e.hi))};
  }
  static inline F64x8 fromInts(const int32_t* p) {
    return {_mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 4)))};
  }
  static inline F64x8 fromBytes(const uint8_t* p) {
    const __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return {_mm256_cvtepi32_pd(_mm256_castsi256_si128(x)), _mm256_cvtepi32_pd(_mm256_extracti128_si256(x, 1))};
  }
  static inline F64x8 add(F64x8 a, F64x8 b) { return {_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)}; }
  static inline F64x8 multiply(F64x8 a, F64x8 b) { return {_mm256_mul_pd(a.lo, b.lo), _mm256_mul_pd(a.hi, b.hi)}; }
  static inline uint32_t atLeast(F64x8 a, F64x8 b) {
    return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_cmp_pd(a.lo, b.lo, _CMP_GE_OQ)) |
                                 _mm256_movemask_pd(_mm256_cmp_pd(a.hi, b.hi, _CMP_GE_OQ)) << 4);
  }
  static inline F64x8 clampFloor(F64x8 a, F64x8 low, F64x8 high) {
    return {_mm256_min_pd(_mm256_max_pd(_mm256_floor_pd(a.lo), low.lo), high.lo),
            _mm256_min_pd(_mm256_max_pd(_mm256_floor_pd(a.hi), low.hi), high.hi)};
  }
  // Stores whole numbers that fit.
  inline void storeInts(int32_t* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvttpd_epi32(lo));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 4), _mm256_cvttpd_epi32(hi));
  }
  inline double reduce() const {
    const __m256d halves = _mm256_add_pd(lo, hi);
    const __m128d quarters = _mm_add_pd(_mm256_castpd256_pd128(halves), _mm256_extractf128_pd(halves, 1));
    return _mm_cvtsd_f64(_mm_add_sd(quarters, _mm_unpackhi_pd(quarters, quarters)));
  }
};

// By eight bits: the places of those that are set, first to last.
struct Places {
  uint8_t of[256][8];
  constexpr Places() : of() {
    for (int bits = 0; bits < 256; ++bits) {
      int n = 0;
      for (int r = 0; r < 8; ++r) {
        if ((bits >> r) & 1) of[bits][n++] = static_cast<uint8_t>(r);
      }
    }
  }
};
constexpr Places kPlaces;

// Ahead of a pass over a bit plane: far enough for memory to answer.
constexpr size_t kAheadBits = 2048;

// A line of a head plane: rows 0-7 and 8-15, four codes each.
struct CodeLine : YmmDots, funnelvec::SumsIn16Bits {
  struct Line {
    __m256i a, b;
  };
  using Run = Line;   // 16-bit sums, two a row
  using Sums = Line;  // 32-bit sums, one a row

  static inline Line zeroSums() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static inline Run zeroRun() { return zeroSums(); }
  static inline Line load(const uint8_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
  }
  static inline Line lowHalves(Line x) {
    const __m256i m = _mm256_set1_epi8(15);
    return {_mm256_and_si256(x.a, m), _mm256_and_si256(x.b, m)};
  }
  static inline Line highHalves(Line x) { return lowHalves({_mm256_srli_epi16(x.a, 4), _mm256_srli_epi16(x.b, 4)}); }
  static inline Run addProducts(Run run, Line codes, const int8_t* q) {
    int four;
    memcpy(&four, q, 4);
    const __m256i query = _mm256_set1_epi32(four);
    return {_mm256_add_epi16(run.a, _mm256_maddubs_epi16(codes.a, query)),
            _mm256_add_epi16(run.b, _mm256_maddubs_epi16(codes.b, query))};
  }
  static inline Sums addRun(Sums sums, Run run) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {_mm256_add_epi32(sums.a, _mm256_madd_epi16(run.a, ones)),
            _mm256_add_epi32(sums.b, _mm256_madd_epi16(run.b, ones))};
  }
  static inline Sums joinPlanes(Sums high, Sums low) {
    return {_mm256_add_epi32(_mm256_slli_epi32(high.a, 7), low.a),
            _mm256_add_epi32(_mm256_slli_epi32(high.b, 7), low.b)};
  }
  static inline void store(int32_t* p, Sums s) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), s.a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), s.b);
  }

  // Adds the entries of n groups of a bit plane: `kBitRun` of them fit the 16-bit sums. Even rows and odd ones are
  // summed apart, the even ones with 256 times the odd ones on top.
  static inline void addBits(const uint8_t* p, size_t n, const uint8_t* low, const uint8_t* high, int32_t* dots) {
    __m256i both = _mm256_setzero_si256(), odd = both;
    size_t g = 0;
    for (; g + 4 <= n; g += 4) {
      F64x8::prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(p + 16 * g) + kAheadBits));
      const __m256i first = entries(load256(p + 16 * g), load256(low + 16 * g), load256(high + 16 * g));
      const __m256i second = entries(load256(p + 16 * g + 32), load256(low + 16 * g + 32), load256(high + 16 * g + 32));
      const __m256i four = _mm256_add_epi8(first, second);
      both = _mm256_add_epi16(both, four);
      odd = _mm256_add_epi16(odd, _mm256_srli_epi16(four, 8));
    }
    for (; g < n; ++g) {
      const __m256i one =
          _mm256_zextsi128_si256(entries(load128(p + 16 * g), load128(low + 16 * g), load128(high + 16 * g)));
      both = _mm256_add_epi16(both, one);
      odd = _mm256_add_epi16(odd, _mm256_srli_epi16(one, 8));
    }
    const __m256i even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
    const __m128i evens = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    const __m128i odds = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
    addTo(dots, _mm_unpacklo_epi16(evens, odds));
    addTo(dots + 8, _mm_unpackhi_epi16(evens, odds));
  }
  static inline __m256i load256(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static inline __m128i load128(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static inline __m256i entries(__m256i bits, __m256i low, __m256i high) {
    const __m256i m = _mm256_set1_epi8(15);
    return _mm256_add_epi8(_mm256_shuffle_epi8(low, _mm256_and_si256(bits, m)),
                           _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bits, 4), m)));
  }
  static inline __m128i entries(__m128i bits, __m128i low, __m128i high) {
    const __m128i m = _mm_set1_epi8(15);
    return _mm_add_epi8(_mm_shuffle_epi8(low, _mm_and_si128(bits, m)),
                        _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(bits, 4), m)));
  }
  static inline void addTo(int32_t* dots, __m128i sums) {
    auto* to = reinterpret_cast<__m256i*>(dots);
    _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), _mm256_cvtepu16_epi32(sums)));
  }

  // Row numbers and dot products of the rows whose bit is set, in order; writes 16 of each, whatever follows.
  static inline void compact(uint32_t stay, uint32_t base, const int32_t* dots, uint32_t* rows, int32_t* kept) {
    const __m256i eight = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    size_t n = 0;
    for (int half = 0; half < 2; ++half) {
      const uint32_t bits = (stay >> (8 * half)) & 0xff;
      const __m256i places = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPlaces.of[bits])));
      const __m256i numbers = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(base) + 8 * half), eight);
      const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(dots + 8 * half));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows + n), _mm256_permutevar8x32_epi32(numbers, places));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(kept + n), _mm256_permutevar8x32_epi32(values, places));
      n += static_cast<size_t>(_mm_popcnt_u32(bits));
    }
  }
  // A bit for each of 16 numbers: is it above?
  static inline uint32_t maskAbove(const int32_t* p, int32_t least) {
    const __m256i x = _mm256_set1_epi32(least);
    const Line d = load(reinterpret_cast<const uint8_t*>(p));
    const int low = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(d.a, x)));
    const int high = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(d.b, x)));
    return static_cast<uint32_t>(low | high << 8);
  }
};

}  // namespace

#include "row-passes-inl.h"
// Behind it.
#include "code-passes-inl.h"

namespace funnelvec {
extern const InstructionSet kAvx2Set;
const InstructionSet kAvx2Set = makeInstructionSet("avx2", kNeeds, makeCodePasses());
}  // namespace funnelvec
