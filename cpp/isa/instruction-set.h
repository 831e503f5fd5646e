// The contract of an instruction set: the passes over rows and over codes that one `isa/*.cc` file compiles, the
// features of the processor that its compiler flags assume, and the list of all instruction sets. README.md beside this
// file says how such a file is made. Everything that decides (keys, heaps, the prune loop) stands once, in common code
// on top of these passes. The arithmetic is the contract of src/kernels/kernels.ts.
#pragma once

#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "../codes.h"

// Compilers that these pragmas reach must fuse nothing and keep nothing wider, whatever their flags say.
#if defined(_MSC_VER) && !defined(__clang__)
#  pragma fp_contract(off)
#elif defined(__clang__)
#  pragma STDC FP_CONTRACT OFF
#endif
static_assert(FLT_EVAL_METHOD == 0, "x87 arithmetic would change the bits");

namespace funnelvec {

// Features of a processor

// A feature is a set of bits in a register that CPUID fills for a leaf, or in XCR0, where the operating system says
// which registers it saves. ARM64 needs no detection: NEON belongs to the architecture.
enum class CpuRegister { kEbx, kEcx, kXcr0 };
struct CpuFeature {
  const char* name;  // as Linux lists it in /proc/cpuinfo; empty for the state of registers
  CpuRegister in;
  uint32_t leaf;  // 0 for XCR0
  uint32_t bits;  // all of them must be set
};

constexpr CpuFeature kYmmState{"", CpuRegister::kXcr0, 0, 0x06};
constexpr CpuFeature kZmmState{"", CpuRegister::kXcr0, 0, 0xe6};  // mask registers included
constexpr CpuFeature kFma{"fma", CpuRegister::kEcx, 1, 1u << 12};
constexpr CpuFeature kF16c{"f16c", CpuRegister::kEcx, 1, 1u << 29};
constexpr CpuFeature kAvx2{"avx2", CpuRegister::kEbx, 7, 1u << 5};
constexpr CpuFeature kAvx512f{"avx512f", CpuRegister::kEbx, 7, 1u << 16};
constexpr CpuFeature kAvx512dq{"avx512dq", CpuRegister::kEbx, 7, 1u << 17};
constexpr CpuFeature kAvx512bw{"avx512bw", CpuRegister::kEbx, 7, 1u << 30};
constexpr CpuFeature kAvx512vl{"avx512vl", CpuRegister::kEbx, 7, 1u << 31};
constexpr CpuFeature kAvx512vnni{"avx512_vnni", CpuRegister::kEcx, 7, 1u << 11};

// Passes over rows

constexpr int kRowTypes = 2;

// The sum that a pass makes of each row.
enum Sums : uint32_t { kProductsAndSquares = 0, kProducts = 1, kSquaredDifferences = 2, kSquares = 3 };
constexpr int kSumKinds = 4;

// Lanes of one row: eight of the first sum, then eight of the squares where the pass has two.
constexpr size_t kLanes = 8;
constexpr size_t kLanesPerRow = 2 * kLanes;

// One pass: adds dims [from, to) of some rows to their lanes and reduces them.
struct RowPass {
  const double* query;  // widened, zero-padded to a multiple of 8; unused by kSquares
  const void* rows;     // row-major, `dim` elements a row, any alignment
  size_t dim;
  const uint32_t* order;  // the rows to visit; null: first, first + 1, ...
  size_t first;
  size_t count;           // how many rows to visit
  size_t from, to;        // 0 <= from <= to <= dim
  double* lanes;          // null, or kLanesPerRow a slot
  const uint32_t* slots;  // by visit: whose lanes; null: slot = visit
  bool resume;            // start from `lanes` instead of zeros
  double* sums;           // out, by visit: the reduced first sum
  double* squares;        // out, by visit: the reduced squares; only for kProductsAndSquares
};

// Passes over codes

constexpr size_t kGroupDims = 8;  // dims of a head block's line
constexpr size_t kLineBytes = 64;
constexpr size_t kBitLineBytes = 16;

// Blocks of a head plane to visit.
struct HeadVisit {
  const uint8_t* plane;
  size_t groups;  // dims / 8
  const uint32_t* blocks;
  size_t count;
};

// A query of a head plane, split into signed bytes: value = 128 high + low, or low alone when all values fit a byte.
struct HeadQuery {
  const int8_t* low;
  const int8_t* high;  // null: one plane
};

// Blocks of a bit plane to visit, with sums of the query by four bits of a group's line: 16 entries a group for the low
// halves, in `low`, and for the high ones, in `high`. Entries count from the least sum, so that none is negative or
// above 60; `least` is the total that this took off.
struct BitVisit {
  const uint8_t* plane;
  size_t groups;
  const uint32_t* blocks;
  size_t count;
  const uint8_t *low, *high;
  int32_t least;
};

// Listed rows of a fine plane or an int8 plane to visit.
struct RowVisit {
  const uint8_t* plane;
  size_t stride, dims;  // bytes, and a multiple of 8
  const uint32_t* rows;
  size_t count;
};

// A query of single rows.
struct RowQuery {
  const int16_t* values;
  // Planes of signed bytes, value = 128 high + low, each followed by zeros up to a whole line; null unless the
  // instruction set asks for them and every value fits. For 4-bit codes the dims whose codes are low halves come first,
  // and those of the high halves begin at `half`.
  const int8_t *low, *high;
  size_t half;
  int32_t sum128;  // 128 times the sum of all values, modulo 2³²
};

// One panel of a projection: some rows, and some columns of the basis, both in float64.
constexpr size_t kProjectRows = 6;
constexpr size_t kProjectColumns = 32;
struct ProjectPanel {
  const double* rows;   // dim × kProjectRows, dim-major, zero-padded
  const double* basis;  // dim × kProjectColumns, dim-major, zero-padded
  size_t dim;
  double* out;  // kProjectRows × kProjectColumns
};

// How a CodeLine sums products of a head plane, as README.md says; each inherits one of these.
//
// Products of 4-bit codes and 7-bit queries fit 16 bits when a run ends early: 16 pairs of 2 · 15 · 64, or 8 pairs of
// 2 · 15 · 127.
struct SumsIn16Bits {
  static constexpr size_t kWideRun = 8, kNarrowRun = 4;
  static constexpr bool kSumsPerHalf = false;
  static constexpr size_t kBlocksAtOnce = 1;
  static constexpr bool kSplitsRowQueries = false;
};
// In 32 bits they have room, but the instruction takes four cycles to add: sums of their own for each half of a line,
// and two blocks at a time, keep it busy.
struct SumsIn32Bits {
  static constexpr size_t kWideRun = 1024, kNarrowRun = 1024;
  static constexpr bool kSumsPerHalf = true;
  static constexpr size_t kBlocksAtOnce = 2;
  static constexpr bool kSplitsRowQueries = true;
};

struct CodePasses {
  // Dot products of whole blocks: 16 a block, in the order of the visit.
  void (*headDots)(const HeadVisit&, const HeadQuery&, int32_t* dots);
  void (*bitDots)(const BitVisit&, int32_t* dots);
  // Dot products of listed rows of 8-bit and of 4-bit codes.
  void (*rowDots8)(const RowVisit&, const RowQuery&, int32_t* dots);
  void (*rowDots4)(const RowVisit&, const RowQuery&, int32_t* dots);
  bool splitsRowQueries;  // these two read RowQuery's planes of bytes
  // Looks at every step-th block from `from` on. Returns the first that has a row of the mask whose dot product is
  // above `least`, and those rows in `takes`; `to` where no block has.
  size_t (*nextAbove)(const TopDotsTask& task, size_t from, size_t to, size_t step, int32_t least, uint32_t& takes);
  // Return how many rows stay. `pruneVisit` leaves the estimates to its caller.
  size_t (*pruneVisit)(const PruneVisitTask&);
  size_t (*pruneRows)(const PruneRowsTask&);
  void (*projectPanel)(const ProjectPanel&);
  void (*encodeHead)(const EncodeHeadTask&);
  void (*encodeRows)(const EncodeRowsTask&);
  void (*encodeBits)(const EncodeBitsTask&);
};

// The table

struct InstructionSet {
  const char* name;         // as in KernelsName of src/kernels/load.ts
  const CpuFeature* needs;  // everything that the compiler flags of its file permit
  size_t needed;
  void (*pass[kSumKinds][kRowTypes])(const RowPass&);
  // Returns whether these n values are all finite.
  bool (*finite[kRowTypes])(const void* values, size_t n);
  // The same, in four places side by side, as memory is read fastest.
  bool (*finiteFar[kRowTypes])(const void* values, size_t n);
  CodePasses codes;
};

// All instruction sets of this architecture, best first.
#if defined(__x86_64__) || defined(_M_X64)
#  define FUNNELVEC_INSTRUCTION_SETS(SET) SET(kAvx512VnniSet) SET(kAvx512Set) SET(kAvx2Set) SET(kScalarSet)
#elif defined(__aarch64__) || defined(_M_ARM64)
#  define FUNNELVEC_INSTRUCTION_SETS(SET) SET(kNeonSet) SET(kScalarSet)
#else
#  define FUNNELVEC_INSTRUCTION_SETS(SET) SET(kScalarSet)
#endif

#define FUNNELVEC_DECLARE(set) extern const InstructionSet set;
FUNNELVEC_INSTRUCTION_SETS(FUNNELVEC_DECLARE)
#undef FUNNELVEC_DECLARE

}  // namespace funnelvec
