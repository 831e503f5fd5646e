// Plain C++: runs anywhere, and is what the SIMD levels are compared with in native code.
#include <math.h>
#include <string.h>

#include "instruction-set.h"

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

struct F64x8 {
  static constexpr int kRowsAtOnceTwoSums = 1;
  static constexpr int kRowsAtOnceOneSum = 1;
  double v[8];

  static inline F64x8 broadcast(double x) { return {{x, x, x, x, x, x, x, x}}; }
  static constexpr int kPanelRows = 1, kPanelColumns = 2;
  static inline F64x8 zero() { return {{}}; }
  static inline F64x8 load(const double* p) {
    F64x8 x;
    for (int j = 0; j < 8; ++j) x.v[j] = p[j];
    return x;
  }
  inline void store(double* p) const {
    for (int j = 0; j < 8; ++j) p[j] = v[j];
  }
  static inline F64x8 widen(const float* p) {
    F64x8 x;
    for (int j = 0; j < 8; ++j) x.v[j] = static_cast<double>(p[j]);
    return x;
  }
  static inline F64x8 widen(const uint16_t* p) {
    F64x8 x;
    for (int j = 0; j < 8; ++j) x.v[j] = static_cast<double>(halfToFloat(p[j]));
    return x;
  }
  static inline void prefetch(const void*) {}
  static inline F64x8 subtract(F64x8 a, F64x8 b) {
    for (int j = 0; j < 8; ++j) a.v[j] -= b.v[j];
    return a;
  }
  static inline F64x8 addProduct(F64x8 acc, F64x8 a, F64x8 b) {
    for (int j = 0; j < 8; ++j) acc.v[j] += a.v[j] * b.v[j];
    return acc;
  }
  static inline F64x8 addSquare(F64x8 acc, F64x8 e) {
    for (int j = 0; j < 8; ++j) acc.v[j] += e.v[j] * e.v[j];
    return acc;
  }
  static inline F64x8 fromInts(const int32_t* p) {
    F64x8 x;
    for (int j = 0; j < 8; ++j) x.v[j] = p[j];
    return x;
  }
  static inline F64x8 fromBytes(const uint8_t* p) {
    F64x8 x;
    for (int j = 0; j < 8; ++j) x.v[j] = p[j];
    return x;
  }
  static inline F64x8 add(F64x8 a, F64x8 b) {
    for (int j = 0; j < 8; ++j) a.v[j] += b.v[j];
    return a;
  }
  static inline F64x8 multiply(F64x8 a, F64x8 b) {
    for (int j = 0; j < 8; ++j) a.v[j] *= b.v[j];
    return a;
  }
  static inline uint32_t atLeast(F64x8 a, F64x8 b) {
    uint32_t bits = 0;
    for (int j = 0; j < 8; ++j) bits |= static_cast<uint32_t>(a.v[j] >= b.v[j]) << j;
    return bits;
  }
  static inline F64x8 clampFloor(F64x8 a, F64x8 low, F64x8 high) {
    for (int j = 0; j < 8; ++j) {
      const double whole = floor(a.v[j]);
      const double above = whole > low.v[j] ? whole : low.v[j];
      a.v[j] = above < high.v[j] ? above : high.v[j];
    }
    return a;
  }
  // Stores whole numbers that fit.
  inline void storeInts(int32_t* p) const {
    for (int j = 0; j < 8; ++j) p[j] = static_cast<int32_t>(v[j]);
  }
  inline double reduce() const { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }
};

// A line of a head plane.
struct CodeLine : funnelvec::SumsIn16Bits {
  struct Line {
    const uint8_t* p;
    int shift;
  };
  struct Sums {
    int32_t v[16];
  };
  using Run = Sums;

  static inline Sums zeroSums() { return {{}}; }
  static inline Run zeroRun() { return {{}}; }
  static inline Line load(const uint8_t* p) { return {p, 0}; }
  static inline Line lowHalves(Line x) { return x; }
  static inline Line highHalves(Line x) { return {x.p, 4}; }
  static inline Run addProducts(Run run, Line codes, const int8_t* q) {
    for (int r = 0; r < 16; ++r) {
      for (int t = 0; t < 4; ++t) run.v[r] += ((codes.p[4 * r + t] >> codes.shift) & 15) * q[t];
    }
    return run;
  }
  static inline Sums addRun(Sums sums, Run run) {
    for (int r = 0; r < 16; ++r) sums.v[r] += run.v[r];
    return sums;
  }
  static inline Sums joinPlanes(Sums high, Sums low) {
    for (int r = 0; r < 16; ++r) low.v[r] += 128 * high.v[r];
    return low;
  }
  static inline void store(int32_t* p, Sums s) { memcpy(p, s.v, sizeof s.v); }

  // Adds the entries of n groups of a bit plane.
  static inline void addBits(const uint8_t* p, size_t n, const uint8_t* low, const uint8_t* high, int32_t* dots) {
    for (size_t r = 0; r < 16; ++r) {
      int32_t sum = 0;
      for (size_t i = 0; i < 16 * n; i += 16) sum += low[i + (p[i + r] & 15)] + high[i + (p[i + r] >> 4)];
      dots[r] += sum;
    }
  }

  // Row numbers and dot products of the rows whose bit is set, in order; writes 16 of each, whatever follows.
  static inline void compact(uint32_t stay, uint32_t base, const int32_t* dots, uint32_t* rows, int32_t* kept) {
    size_t n = 0;
    for (uint32_t r = 0; r < 16; ++r) {
      rows[n] = base + r;
      kept[n] = dots[r];
      n += (stay >> r) & 1;
    }
  }
  // A bit for each of 16 numbers: is it above?
  static inline uint32_t maskAbove(const int32_t* p, int32_t least) {
    bool any = false;
    for (int r = 0; r < 16; ++r) any |= p[r] > least;
    uint32_t bits = 0;
    for (int r = 0; any && r < 16; ++r) bits |= static_cast<uint32_t>(p[r] > least) << r;
    return bits;
  }
  static inline int32_t dot8(const int8_t* row, const int16_t* q, size_t dims) {
    int32_t sum = 0;
    for (size_t i = 0; i < dims; ++i) sum += row[i] * q[i];
    return sum;
  }
  static inline int32_t dot4(const uint8_t* row, const int16_t* q, size_t dims) {
    int32_t sum = 0;
    for (size_t i = 0; i < dims; i += 8) {
      for (size_t t = 0; t < 4; ++t) {
        const int x = row[i / 2 + t];
        sum += (x & 15) * q[i + t] + (x >> 4) * q[i + 4 + t];
      }
    }
    return sum;
  }
};

}  // namespace

#include "row-passes-inl.h"
// Behind it.
#include "code-passes-inl.h"

namespace funnelvec {
extern const InstructionSet kScalarSet;
const InstructionSet kScalarSet = makeInstructionSet("scalar", nullptr, makeCodePasses());
}  // namespace funnelvec
