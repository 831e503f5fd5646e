// What one instruction set supplies: passes over rows. Everything that decides (keys, heaps, the prune loop) is built
// on these once, in common code. The arithmetic is the contract of src/kernels/kernels.ts.
#pragma once

#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "codes.h"

// Beside the compiler flags, for the compilers that these pragmas reach: nothing may be fused, or kept wider.
#if defined(_MSC_VER) && !defined(__clang__)
#  pragma fp_contract(off)
#elif defined(__clang__)
#  pragma STDC FP_CONTRACT OFF
#endif
static_assert(FLT_EVAL_METHOD == 0, "x87 arithmetic would change the bits");

namespace funnelvec {

enum Metric : uint32_t { kCosine = 0, kDot = 1, kEuclid = 2 };
enum RowType : uint32_t { kFloat32 = 0, kFloat16 = 1 };
constexpr int kRowTypes = 2;

// What a pass sums up for each row.
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

struct KernelTable {
  const char* name;
  void (*pass[kSumKinds][kRowTypes])(const RowPass&);
  // Are these n values all finite?
  bool (*finite[kRowTypes])(const void* values, size_t n);
  CodeTable codes;
};

#if defined(__x86_64__) || defined(_M_X64)
extern const KernelTable kAvx512VnniKernels;
extern const KernelTable kAvx512Kernels;
extern const KernelTable kAvx2Kernels;
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
extern const KernelTable kNeonKernels;
#endif
extern const KernelTable kScalarKernels;

}  // namespace funnelvec
