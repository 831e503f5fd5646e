// AVX2, FMA, F16C: lanes 0-3 and 4-7.
#include <immintrin.h>

#include "../kernels.h"

namespace {

struct V {
  // 8 registers of sums hide the latency; 16 would spill.
  static constexpr int kRowsTwoSums = 2;
  static constexpr int kRowsOneSum = 4;
  __m256d lo, hi;

  static inline V zero() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
  static inline V load(const double* p) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
  inline void store(double* p) const {
    _mm256_storeu_pd(p, lo);
    _mm256_storeu_pd(p + 4, hi);
  }
  static inline V widen(const float* p) {
    return {_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
  }
  static inline V widen(const uint16_t* p) {
    const __m256 x = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
  }
  static inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
  static inline V subtract(V a, V b) { return {_mm256_sub_pd(a.lo, b.lo), _mm256_sub_pd(a.hi, b.hi)}; }
  // The product is exact, so that fusing changes nothing.
  static inline V addProduct(V acc, V a, V b) {
    return {_mm256_fmadd_pd(a.lo, b.lo, acc.lo), _mm256_fmadd_pd(a.hi, b.hi, acc.hi)};
  }
  static inline V addSquare(V acc, V e) {
    return {_mm256_add_pd(acc.lo, _mm256_mul_pd(e.lo, e.lo)), _mm256_add_pd(acc.hi, _mm256_mul_pd(e.hi, e.hi))};
  }
  inline double reduce() const {
    const __m256d halves = _mm256_add_pd(lo, hi);
    const __m128d quarters = _mm_add_pd(_mm256_castpd256_pd128(halves), _mm256_extractf128_pd(halves, 1));
    return _mm_cvtsd_f64(_mm_add_sd(quarters, _mm_unpackhi_pd(quarters, quarters)));
  }
};

}  // namespace

#include "../kernels-inl.h"

namespace funnelvec {
extern const KernelTable kAvx2Kernels;
const KernelTable kAvx2Kernels = makeTable("avx2");
}  // namespace funnelvec
