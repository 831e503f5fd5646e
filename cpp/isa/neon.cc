// AArch64 Advanced SIMD: four registers of two lanes.
#include <arm_neon.h>
#include <string.h>

#include "instruction-set.h"

namespace {

struct F64x8 {
  static constexpr int kRowsAtOnceTwoSums = 2;
  static constexpr int kRowsAtOnceOneSum = 4;
  float64x2_t v[4];

  static inline F64x8 zero() {
    const float64x2_t z = vdupq_n_f64(0);
    return {{z, z, z, z}};
  }
  static constexpr int kPanelRows = 3, kPanelColumns = 1;
  static inline F64x8 broadcast(double x) {
    const float64x2_t b = vdupq_n_f64(x);
    return {{b, b, b, b}};
  }
  static inline F64x8 load(const double* p) {
    return {{vld1q_f64(p), vld1q_f64(p + 2), vld1q_f64(p + 4), vld1q_f64(p + 6)}};
  }
  inline void store(double* p) const {
    for (int i = 0; i < 4; ++i) vst1q_f64(p + 2 * i, v[i]);
  }
  static inline F64x8 widen(float32x4_t a, float32x4_t b) {
    return {{vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a), vcvt_f64_f32(vget_low_f32(b)), vcvt_high_f64_f32(b)}};
  }
  static inline F64x8 widen(const float* p) { return widen(vld1q_f32(p), vld1q_f32(p + 4)); }
  static inline F64x8 widen(const uint16_t* p) {
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
  static inline F64x8 subtract(F64x8 a, F64x8 b) {
    F64x8 e;
    for (int i = 0; i < 4; ++i) e.v[i] = vsubq_f64(a.v[i], b.v[i]);
    return e;
  }
  // The product is exact, so that fusing changes nothing.
  static inline F64x8 addProduct(F64x8 acc, F64x8 a, F64x8 b) {
    for (int i = 0; i < 4; ++i) acc.v[i] = vfmaq_f64(acc.v[i], a.v[i], b.v[i]);
    return acc;
  }
  static inline F64x8 addSquare(F64x8 acc, F64x8 e) {
    for (int i = 0; i < 4; ++i) acc.v[i] = vaddq_f64(acc.v[i], vmulq_f64(e.v[i], e.v[i]));
    return acc;
  }
  static inline F64x8 fromInts(int32x4_t a, int32x4_t b) {
    return {{vcvtq_f64_s64(vmovl_s32(vget_low_s32(a))), vcvtq_f64_s64(vmovl_high_s32(a)),
             vcvtq_f64_s64(vmovl_s32(vget_low_s32(b))), vcvtq_f64_s64(vmovl_high_s32(b))}};
  }
  static inline F64x8 fromInts(const int32_t* p) { return fromInts(vld1q_s32(p), vld1q_s32(p + 4)); }
  static inline F64x8 fromBytes(const uint8_t* p) {
    const uint16x8_t x = vmovl_u8(vld1_u8(p));
    return fromInts(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(x))), vreinterpretq_s32_u32(vmovl_high_u16(x)));
  }
  static inline F64x8 add(F64x8 a, F64x8 b) {
    for (int i = 0; i < 4; ++i) a.v[i] = vaddq_f64(a.v[i], b.v[i]);
    return a;
  }
  static inline F64x8 multiply(F64x8 a, F64x8 b) {
    for (int i = 0; i < 4; ++i) a.v[i] = vmulq_f64(a.v[i], b.v[i]);
    return a;
  }
  static inline uint32_t atLeast(F64x8 a, F64x8 b) {
    uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) {
      const uint64x2_t ge = vcgeq_f64(a.v[i], b.v[i]);
      bits |= static_cast<uint32_t>((vgetq_lane_u64(ge, 0) & 1) | (vgetq_lane_u64(ge, 1) & 2)) << (2 * i);
    }
    return bits;
  }
  static inline F64x8 clampFloor(F64x8 a, F64x8 low, F64x8 high) {
    for (int i = 0; i < 4; ++i) a.v[i] = vminq_f64(vmaxq_f64(vrndmq_f64(a.v[i]), low.v[i]), high.v[i]);
    return a;
  }
  // Stores whole numbers that fit.
  inline void storeInts(int32_t* p) const {
    for (int i = 0; i < 4; ++i) vst1_s32(p + 2 * i, vmovn_s64(vcvtq_s64_f64(v[i])));
  }
  inline double reduce() const {
    const float64x2_t u = vaddq_f64(vaddq_f64(v[0], v[2]), vaddq_f64(v[1], v[3]));
    return vgetq_lane_f64(u, 0) + vgetq_lane_f64(u, 1);
  }
};

// Ahead of a pass over a bit plane: far enough for memory to answer.
constexpr size_t kAheadBits = 2048;

// A line of a head plane: four rows a register. Products of 7-bit queries stay far from 16 bits, so they are added as
// they come: the four of a row meet when a run ends.
struct CodeLine : funnelvec::SumsIn16Bits {
  struct Line {
    uint8x16_t v[4];
  };
  struct Run {
    int16x8_t v[8];
  };
  struct Sums {
    int32x4_t v[4];
  };

  static inline Sums zeroSums() {
    const int32x4_t z = vdupq_n_s32(0);
    return {{z, z, z, z}};
  }
  static inline Run zeroRun() {
    const int16x8_t z = vdupq_n_s16(0);
    return {{z, z, z, z, z, z, z, z}};
  }
  static inline Line load(const uint8_t* p) {
    return {{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}};
  }
  static inline Line lowHalves(Line x) {
    for (int i = 0; i < 4; ++i) x.v[i] = vandq_u8(x.v[i], vdupq_n_u8(15));
    return x;
  }
  static inline Line highHalves(Line x) {
    for (int i = 0; i < 4; ++i) x.v[i] = vshrq_n_u8(x.v[i], 4);
    return x;
  }
  static inline Run addProducts(Run run, Line codes, const int8_t* q) {
    int32_t four;
    memcpy(&four, q, 4);
    const int8x16_t query = vreinterpretq_s8_s32(vdupq_n_s32(four));
    for (int i = 0; i < 4; ++i) {
      const int8x16_t c = vreinterpretq_s8_u8(codes.v[i]);
      run.v[2 * i] = vmlal_s8(run.v[2 * i], vget_low_s8(c), vget_low_s8(query));
      run.v[2 * i + 1] = vmlal_high_s8(run.v[2 * i + 1], c, query);
    }
    return run;
  }
  static inline Sums addRun(Sums sums, Run run) {
    for (int i = 0; i < 4; ++i) {
      const int32x4_t pairs = vpaddlq_s16(run.v[2 * i]), others = vpaddlq_s16(run.v[2 * i + 1]);
      sums.v[i] = vaddq_s32(sums.v[i], vpaddq_s32(pairs, others));
    }
    return sums;
  }
  static inline Sums joinPlanes(Sums high, Sums low) {
    for (int i = 0; i < 4; ++i) low.v[i] = vaddq_s32(vshlq_n_s32(high.v[i], 7), low.v[i]);
    return low;
  }
  static inline void store(int32_t* p, Sums s) {
    for (int i = 0; i < 4; ++i) vst1q_s32(p + 4 * i, s.v[i]);
  }

  // Adds the entries of n groups of a bit plane: `kBitRun` of them fit the 16-bit sums.
  static inline void addBits(const uint8_t* p, size_t n, const uint8_t* low, const uint8_t* high, int32_t* dots) {
    uint16x8_t a = vdupq_n_u16(0), b = a;
    size_t g = 0;
    for (; g + 2 <= n; g += 2, p += 32, low += 32, high += 32) {
      F64x8::prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(p) + kAheadBits));
      const uint8x16_t four = vaddq_u8(entries(p, low, high), entries(p + 16, low + 16, high + 16));
      a = vaddw_u8(a, vget_low_u8(four));
      b = vaddw_high_u8(b, four);
    }
    if (g < n) {
      const uint8x16_t one = entries(p, low, high);
      a = vaddw_u8(a, vget_low_u8(one));
      b = vaddw_high_u8(b, one);
    }
    addTo(dots, vmovl_u16(vget_low_u16(a)));
    addTo(dots + 4, vmovl_high_u16(a));
    addTo(dots + 8, vmovl_u16(vget_low_u16(b)));
    addTo(dots + 12, vmovl_high_u16(b));
  }
  static inline uint8x16_t entries(const uint8_t* p, const uint8_t* low, const uint8_t* high) {
    const uint8x16_t bits = vld1q_u8(p);
    return vaddq_u8(vqtbl1q_u8(vld1q_u8(low), vandq_u8(bits, vdupq_n_u8(15))),
                    vqtbl1q_u8(vld1q_u8(high), vshrq_n_u8(bits, 4)));
  }
  static inline void addTo(int32_t* dots, uint32x4_t sums) {
    vst1q_s32(dots, vaddq_s32(vld1q_s32(dots), vreinterpretq_s32_u32(sums)));
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
    const int32x4_t most =
        vmaxq_s32(vmaxq_s32(vld1q_s32(p), vld1q_s32(p + 4)), vmaxq_s32(vld1q_s32(p + 8), vld1q_s32(p + 12)));
    if (vmaxvq_s32(most) <= least) return 0;
    uint32_t bits = 0;
    for (int r = 0; r < 16; ++r) bits |= static_cast<uint32_t>(p[r] > least) << r;
    return bits;
  }
  static inline int32x4_t products(int32x4_t acc, int8x8_t codes, const int16_t* q) {
    const int16x8_t c = vmovl_s8(codes), x = vld1q_s16(q);
    return vmlal_high_s16(vmlal_s16(acc, vget_low_s16(c), vget_low_s16(x)), c, x);
  }
  static inline int32_t dot8(const int8_t* row, const int16_t* q, size_t dims) {
    int32x4_t a = vdupq_n_s32(0), b = a;
    size_t i = 0;
    for (; i + 16 <= dims; i += 16) {
      const int8x16_t c = vld1q_s8(row + i);
      a = products(a, vget_low_s8(c), q + i);
      b = products(b, vget_high_s8(c), q + i + 8);
    }
    if (i < dims) a = products(a, vld1_s8(row + i), q + i);
    return vaddvq_s32(vaddq_s32(a, b));
  }
  static inline int32_t dot4(const uint8_t* row, const int16_t* q, size_t dims) {
    int32x4_t a = vdupq_n_s32(0);
    for (size_t i = 0; i < dims; i += 8) {
      uint32_t four;
      memcpy(&four, row + i / 2, 4);
      const uint8x8_t x = vreinterpret_u8_u32(vdup_n_u32(four));
      const uint8x8_t low = vand_u8(x, vdup_n_u8(15)), high = vshr_n_u8(x, 4);
      a = products(a, vreinterpret_s8_u32(vzip1_u32(vreinterpret_u32_u8(low), vreinterpret_u32_u8(high))), q + i);
    }
    return vaddvq_s32(a);
  }
};

}  // namespace

#include "row-passes-inl.h"
// Behind it.
#include "code-passes-inl.h"

namespace funnelvec {
extern const InstructionSet kNeonSet;
const InstructionSet kNeonSet = makeInstructionSet("neon", nullptr, makeCodePasses());
}  // namespace funnelvec
