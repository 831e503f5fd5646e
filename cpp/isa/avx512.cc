// AVX-512 F, BW, DQ, VL: the eight lanes are one register.
#include <immintrin.h>

#include "../kernels.h"

namespace {

struct V {
  // 8 sums in flight cover 4 cycles of latency on two ports.
  static constexpr int kRowsTwoSums = 4;
  static constexpr int kRowsOneSum = 8;
  __m512d v;

  static inline V zero() { return {_mm512_setzero_pd()}; }
  static inline V load(const double* p) { return {_mm512_loadu_pd(p)}; }
  inline void store(double* p) const { _mm512_storeu_pd(p, v); }
  static inline V widen(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
  static inline V widen(const uint16_t* p) {
    return {_mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
  static inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
  static inline V subtract(V a, V b) { return {_mm512_sub_pd(a.v, b.v)}; }
  // The product is exact, so that fusing changes nothing.
  static inline V addProduct(V acc, V a, V b) { return {_mm512_fmadd_pd(a.v, b.v, acc.v)}; }
  static inline V addSquare(V acc, V e) { return {_mm512_add_pd(acc.v, _mm512_mul_pd(e.v, e.v))}; }
  inline double reduce() const {
    const __m256d halves = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    const __m128d quarters = _mm_add_pd(_mm256_castpd256_pd128(halves), _mm256_extractf128_pd(halves, 1));
    return _mm_cvtsd_f64(_mm_add_sd(quarters, _mm_unpackhi_pd(quarters, quarters)));
  }
};

}  // namespace

#include "../kernels-inl.h"

namespace funnelvec {
extern const KernelTable kAvx512Kernels;
const KernelTable kAvx512Kernels = makeTable("avx512");
}  // namespace funnelvec
