// The row passes, written once for every instruction set. An isa/*.cc file defines `F64x8`, eight float64 lanes, in an
// anonymous namespace (README.md) and includes this file behind it. Nothing here may come from std:: and nothing may
// have external linkage, or the linker could keep a copy that the CPU cannot run. (memcpy is C's, and becomes a load.)

#include <string.h>

// Loops over R rows must vanish, or their arrays stay in memory instead of registers (three times slower).
#if defined(__GNUC__)
#  define FUNNELVEC_UNROLL _Pragma("GCC unroll 8")
#else
#  define FUNNELVEC_UNROLL
#endif

namespace {

using funnelvec::CpuFeature;
using funnelvec::InstructionSet;
using funnelvec::kLanes;
using funnelvec::kLanesPerRow;
using funnelvec::kProducts;
using funnelvec::kProductsAndSquares;
using funnelvec::kSquaredDifferences;
using funnelvec::kSquares;
using funnelvec::RowPass;

// Lanes [lo, hi) of the octet at p, zeros elsewhere. Zeros change no sum: a lane is never -0.
template <class T>
inline F64x8 widenPart(const T* p, size_t lo, size_t hi) {
  T octet[kLanes] = {};
  for (size_t j = lo; j < hi; ++j) octet[j] = p[j];
  return F64x8::widen(octet);
}

inline F64x8 loadPart(const double* p, size_t lo, size_t hi) {
  double octet[kLanes] = {};
  for (size_t j = lo; j < hi; ++j) octet[j] = p[j];
  return F64x8::load(octet);
}

template <class T>
inline const T* rowAt(const RowPass& p, size_t visit) {
  const size_t row = p.order ? p.order[visit] : p.first + visit;
  return static_cast<const T*>(p.rows) + row * p.dim;
}

// Fetches ahead while the octets of R rows are added, a line for each row at every step. Gathered rows are too short
// and too far apart for the hardware to see the next ones coming. Whole rows of a scan are one stream, but R at a time
// they are read in an order that the hardware does not follow either: fetched line by line, they come two to three
// times faster. Addresses, because the end of the stream lies beyond the matrix, where a prefetch does nothing.
template <class T, int R>
struct Ahead {
  static constexpr size_t kBytes = 8192;
  uintptr_t next[R];
  size_t step;

  inline Ahead(const RowPass& p, size_t visit) {
    const bool stream = !p.order && p.from == 0 && p.to == p.dim;
    const size_t group = R * p.dim * sizeof(T);
    const uintptr_t distance = group > kBytes ? group : kBytes;
    step = stream ? R * sizeof(T) : sizeof(T);
    FUNNELVEC_UNROLL
    for (int r = 0; r < R; ++r) {
      const size_t row = visit + R + r < p.count ? visit + R + r : visit + r;
      next[r] = stream ? address(p, visit) + distance + 2 * kLanes * sizeof(T) * r : address(p, row);
    }
  }

  static inline uintptr_t address(const RowPass& p, size_t visit) {
    return reinterpret_cast<uintptr_t>(rowAt<T>(p, visit));
  }

  inline void fetch(size_t i) const {
    FUNNELVEC_UNROLL
    for (int r = 0; r < R; ++r) F64x8::prefetch(reinterpret_cast<const void*>(next[r] + i * step));
  }
};

// The lanes of R rows at a time: enough independent sums to hide the latency of an addition.
template <unsigned kSums, int R>
struct RowLanes {
  F64x8 a[R], b[R];

  inline void add(int r, F64x8 q, F64x8 x) {
    if (kSums == kProductsAndSquares) {
      a[r] = F64x8::addProduct(a[r], q, x);
      b[r] = F64x8::addProduct(b[r], x, x);
    } else if (kSums == kProducts) {
      a[r] = F64x8::addProduct(a[r], q, x);
    } else if (kSums == kSquares) {
      a[r] = F64x8::addProduct(a[r], x, x);
    } else {
      a[r] = F64x8::addSquare(a[r], F64x8::subtract(q, x));
    }
  }
};

template <unsigned kSums, class T, int R>
inline void addOctet(RowLanes<kSums, R>& lanes, const double* query, const T* const (&x)[R], size_t i) {
  const F64x8 q = kSums == kSquares ? F64x8::zero() : F64x8::load(query + i);
  FUNNELVEC_UNROLL
  for (int r = 0; r < R; ++r) lanes.add(r, q, F64x8::widen(x[r] + i));
}

template <unsigned kSums, class T, int R>
inline void passRows(const RowPass& p, size_t visit) {
  constexpr bool two = kSums == kProductsAndSquares;
  constexpr bool usesQuery = kSums != kSquares;
  const T* x[R];
  double* kept[R];
  RowLanes<kSums, R> lanes;
  FUNNELVEC_UNROLL
  for (int r = 0; r < R; ++r) {
    x[r] = rowAt<T>(p, visit + r);
    const size_t slot = p.slots ? p.slots[visit + r] : visit + r;
    kept[r] = p.lanes ? p.lanes + slot * kLanesPerRow : nullptr;
    lanes.a[r] = p.resume ? F64x8::load(kept[r]) : F64x8::zero();
    lanes.b[r] = two && p.resume ? F64x8::load(kept[r] + kLanes) : F64x8::zero();
  }

  const Ahead<T, R> ahead(p, visit);
  size_t i = p.from;
  if (i % kLanes != 0 && i < p.to) {
    const size_t base = i - i % kLanes;
    const size_t hi = p.to - base < kLanes ? p.to - base : kLanes;
    const F64x8 q = usesQuery ? loadPart(p.query + base, i % kLanes, hi) : F64x8::zero();
    FUNNELVEC_UNROLL
    for (int r = 0; r < R; ++r) lanes.add(r, q, widenPart(x[r] + base, i % kLanes, hi));
    i = base + hi;
  }
  for (; i + 2 * kLanes <= p.to; i += 2 * kLanes) {
    ahead.fetch(i);
    addOctet<kSums>(lanes, p.query, x, i);
    addOctet<kSums>(lanes, p.query, x, i + kLanes);
  }
  if (i + kLanes <= p.to) {
    addOctet<kSums>(lanes, p.query, x, i);
    i += kLanes;
  }
  if (i < p.to) {
    const F64x8 q = usesQuery ? loadPart(p.query + i, 0, p.to - i) : F64x8::zero();
    FUNNELVEC_UNROLL
    for (int r = 0; r < R; ++r) lanes.add(r, q, widenPart(x[r] + i, 0, p.to - i));
  }

  FUNNELVEC_UNROLL
  for (int r = 0; r < R; ++r) {
    if (kept[r]) {
      lanes.a[r].store(kept[r]);
      if (two) lanes.b[r].store(kept[r] + kLanes);
    }
    p.sums[visit + r] = lanes.a[r].reduce();
    if (two) p.squares[visit + r] = lanes.b[r].reduce();
  }
}

template <unsigned kSums, class T>
void pass(const RowPass& p) {
  constexpr int R = kSums == kProductsAndSquares ? F64x8::kRowsAtOnceTwoSums : F64x8::kRowsAtOnceOneSum;
  size_t visit = 0;
  for (; visit + R <= p.count; visit += R) passRows<kSums, T, R>(p, visit);
  for (; visit < p.count; ++visit) passRows<kSums, T, 1>(p, visit);
}

// Largest magnitude as an integer: at or above the bits of infinity when anything is not finite.
template <class T, class Bits, Bits kMagnitude, Bits kInfinity>
bool finite(const void* values, size_t n) {
  const unsigned char* p = static_cast<const unsigned char*>(values);
  Bits largest = 0;
  for (size_t i = 0; i < n; ++i) {
    Bits bits;
    memcpy(&bits, p + i * sizeof(T), sizeof(T));
    bits = static_cast<Bits>(bits & kMagnitude);
    largest = bits > largest ? bits : largest;
  }
  return largest < kInfinity;
}

template <class Bits>
inline Bits magnitudeAt(const unsigned char* p, size_t i, Bits magnitude) {
  Bits bits;
  memcpy(&bits, p + i * sizeof(Bits), sizeof(Bits));
  return static_cast<Bits>(bits & magnitude);
}

// The same in four places at once, one line of each at a time.
template <class T, class Bits, Bits kMagnitude, Bits kInfinity>
bool finiteFar(const void* values, size_t n) {
  const unsigned char* a = static_cast<const unsigned char*>(values);
  const size_t part = n / 4;
  const unsigned char *b = a + part * sizeof(T), *c = b + part * sizeof(T), *d = c + part * sizeof(T);
  Bits inA = 0, inB = 0, inC = 0, inD = 0;
  for (size_t i = 0; i < part; ++i) {
    const Bits ofA = magnitudeAt(a, i, kMagnitude), ofB = magnitudeAt(b, i, kMagnitude);
    const Bits ofC = magnitudeAt(c, i, kMagnitude), ofD = magnitudeAt(d, i, kMagnitude);
    inA = ofA > inA ? ofA : inA;
    inB = ofB > inB ? ofB : inB;
    inC = ofC > inC ? ofC : inC;
    inD = ofD > inD ? ofD : inD;
  }
  const bool all = (inA < kInfinity) & (inB < kInfinity) & (inC < kInfinity) & (inD < kInfinity);
  return all && finite<T, Bits, kMagnitude, kInfinity>(a + 4 * part * sizeof(T), n - 4 * part);
}

constexpr InstructionSet makeSet(const char* name, const CpuFeature* needs, size_t needed,
                                 const funnelvec::CodePasses& codes) {
  return {name,
          needs,
          needed,
          {{pass<kProductsAndSquares, float>, pass<kProductsAndSquares, uint16_t>},
           {pass<kProducts, float>, pass<kProducts, uint16_t>},
           {pass<kSquaredDifferences, float>, pass<kSquaredDifferences, uint16_t>},
           {pass<kSquares, float>, pass<kSquares, uint16_t>}},
          {finite<float, uint32_t, 0x7fffffffu, 0x7f800000u>, finite<uint16_t, uint16_t, 0x7fff, 0x7c00>},
          {finiteFar<float, uint32_t, 0x7fffffffu, 0x7f800000u>, finiteFar<uint16_t, uint16_t, 0x7fff, 0x7c00>},
          codes};
}

template <size_t kNeeded>
constexpr InstructionSet makeInstructionSet(const char* name, const CpuFeature (&needs)[kNeeded],
                                            const funnelvec::CodePasses& codes) {
  return makeSet(name, needs, kNeeded, codes);
}

// For a set that every processor of the architecture runs.
constexpr InstructionSet makeInstructionSet(const char* name, decltype(nullptr), const funnelvec::CodePasses& codes) {
  return makeSet(name, nullptr, 0, codes);
}

}  // namespace
