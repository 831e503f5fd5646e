// AArch64 Advanced SIMD: four registers of two lanes.
#include <arm_neon.h>

#include "../kernels.h"

namespace {

struct V {
  static constexpr int kRowsTwoSums = 2;
  static constexpr int kRowsOneSum = 4;
  float64x2_t v[4];

  static inline V zero() {
    const float64x2_t z = vdupq_n_f64(0);
    return {{z, z, z, z}};
  }
  static inline V load(const double* p) {
    return {{vld1q_f64(p), vld1q_f64(p + 2), vld1q_f64(p + 4), vld1q_f64(p + 6)}};
  }
  inline void store(double* p) const {
    for (int i = 0; i < 4; ++i) vst1q_f64(p + 2 * i, v[i]);
  }
  static inline V widen(float32x4_t a, float32x4_t b) {
    return {{vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a), vcvt_f64_f32(vget_low_f32(b)), vcvt_high_f64_f32(b)}};
  }
  static inline V widen(const float* p) { return widen(vld1q_f32(p), vld1q_f32(p + 4)); }
  static inline V widen(const uint16_t* p) {
    const uint16x8_t bits = vld1q_u16(p);
    return widen(vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(bits))),
                 vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(bits))));
  }
  static inline void prefetch(const void* p) {
#if defined(__GNUC__)
    __builtin_prefetch(p);
#else
    (void)p;
#endif
  }
  static inline V subtract(V a, V b) {
    V e;
    for (int i = 0; i < 4; ++i) e.v[i] = vsubq_f64(a.v[i], b.v[i]);
    return e;
  }
  // The product is exact, so that fusing changes nothing.
  static inline V addProduct(V acc, V a, V b) {
    for (int i = 0; i < 4; ++i) acc.v[i] = vfmaq_f64(acc.v[i], a.v[i], b.v[i]);
    return acc;
  }
  static inline V addSquare(V acc, V e) {
    for (int i = 0; i < 4; ++i) acc.v[i] = vaddq_f64(acc.v[i], vmulq_f64(e.v[i], e.v[i]));
    return acc;
  }
  inline double reduce() const {
    const float64x2_t u = vaddq_f64(vaddq_f64(v[0], v[2]), vaddq_f64(v[1], v[3]));
    return vgetq_lane_f64(u, 0) + vgetq_lane_f64(u, 1);
  }
};

}  // namespace

#include "../kernels-inl.h"

namespace funnelvec {
extern const KernelTable kNeonKernels;
const KernelTable kNeonKernels = makeTable("neon");
}  // namespace funnelvec
