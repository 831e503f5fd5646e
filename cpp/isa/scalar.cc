// Plain C++: runs anywhere, and is what the SIMD levels are compared with in native code.
#include <string.h>

#include "../kernels.h"

namespace {

// Every binary16 value is exact in binary32. Rebuilt by shifting the fields and scaling the subnormals.
inline float halfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 31u;
  const uint32_t fraction = half & 1023u;
  uint32_t bits;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    memcpy(&bits, &magnitude, sizeof bits);
  } else {
    bits = ((exponent == 31u ? 255u : exponent + 112u) << 23) | (fraction << 13);
  }
  bits |= sign;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

struct V {
  static constexpr int kRowsTwoSums = 1;
  static constexpr int kRowsOneSum = 1;
  double v[8];

  static inline V zero() { return {{}}; }
  static inline V load(const double* p) {
    V x;
    for (int j = 0; j < 8; ++j) x.v[j] = p[j];
    return x;
  }
  inline void store(double* p) const {
    for (int j = 0; j < 8; ++j) p[j] = v[j];
  }
  static inline V widen(const float* p) {
    V x;
    for (int j = 0; j < 8; ++j) x.v[j] = static_cast<double>(p[j]);
    return x;
  }
  static inline V widen(const uint16_t* p) {
    V x;
    for (int j = 0; j < 8; ++j) x.v[j] = static_cast<double>(halfToFloat(p[j]));
    return x;
  }
  static inline void prefetch(const void*) {}
  static inline V subtract(V a, V b) {
    for (int j = 0; j < 8; ++j) a.v[j] -= b.v[j];
    return a;
  }
  static inline V addProduct(V acc, V a, V b) {
    for (int j = 0; j < 8; ++j) acc.v[j] += a.v[j] * b.v[j];
    return acc;
  }
  static inline V addSquare(V acc, V e) {
    for (int j = 0; j < 8; ++j) acc.v[j] += e.v[j] * e.v[j];
    return acc;
  }
  inline double reduce() const { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }
};

}  // namespace

#include "../kernels-inl.h"

namespace funnelvec {
extern const KernelTable kScalarKernels;
const KernelTable kScalarKernels = makeTable("scalar");
}  // namespace funnelvec
