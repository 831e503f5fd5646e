// Kernels over coded rows: what one instruction set supplies, and the tasks built on it. The contract, with the layouts
// of the planes, is src/kernels/codes.ts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace funnelvec {

constexpr size_t kBlockRows = 16;
constexpr size_t kGroupDims = 8;  // dims of a head block's line
constexpr size_t kLineBytes = 64;

// A head query split into signed bytes: value = 128 high + low, or, when all fit a byte, low alone.
struct HeadQuery {
  const int8_t* low;
  const int8_t* high;  // null: one plane
};

// A query of single rows.
struct RowQuery {
  const int16_t* values;
  // In planes of signed bytes, value = 128 high + low, each followed by zeros up to a whole line; null unless the table
  // asks for them and every value fits. Of 4-bit codes the dims whose codes are low halves come first, and from `half`
  // on those of the high ones.
  const int8_t *low, *high;
  size_t half;
  int32_t sum128;  // 128 times the sum of all values, modulo 2³²
};

// A visit of blocks of a head plane.
struct HeadVisit {
  const uint8_t* plane;
  size_t groups;  // dims / 8
  const uint32_t* blocks;
  size_t count;
};

// A visit of blocks of a bit plane, and the sums of the query by four bits of a group's line: for each group 16 entries
// for the low halves, in `low`, and for the high ones, in `high`. They are counted from the least sum, so that none is
// negative or above 60; `least` is what was taken off in all.
struct BitVisit {
  const uint8_t* plane;
  size_t groups;
  const uint32_t* blocks;
  size_t count;
  const uint8_t *low, *high;
  int32_t least;
};
constexpr size_t kBitLineBytes = 16;

// A visit of listed rows of a fine plane or an int8 plane.
struct RowVisit {
  const void* plane;
  size_t stride, dims;  // bytes, and a multiple of 8
  const uint32_t* rows;
  size_t count;
};

struct Bound {
  uint32_t metric;
  const uint8_t* error;
  double errorScale;
  const uint8_t* tail;
  double tailScale;
  double constant;
  const float* norms;
  double twoQuery;
  double threshold;
};

struct SurvivorsTask {
  const int32_t* dots;
  double scale;
  const uint32_t* blocks;
  size_t count;
  const uint16_t* mask;
  Bound bound;
  uint32_t* rows;
  int32_t* kept;
  double* estimates;
};

struct SiftTask {
  uint32_t* rows;
  size_t count;
  double* estimates;
  const int32_t* dots;
  double scale;
  Bound bound;
};

struct ProjectTask {
  const float* rows;
  size_t count, dim;
  const float* basis;
  size_t width;
  double* out;
};

struct NearestTask {
  const float* rows;
  const uint32_t* places;
  size_t count, dim;
  const float* basis;
  size_t width;
  const double* offsets;
  const uint32_t* names;
  double* best;
  uint32_t* found;
};

struct EncodeTask {
  const double* values;
  size_t count, stride, offset, dims;
  const double *base, *step, *inverse;
  size_t first;
};

struct EncodeHeadTask {
  EncodeTask in;
  uint8_t *head, *fine;
  double *coarseError, *fineError;
};

struct EncodeRowsTask {
  EncodeTask in;
  int8_t* plane;
  double* error;
};

struct EncodeBitsTask {
  EncodeTask in;
  uint8_t* plane;
};

// One panel of a projection: columns of the basis in float64, and the rows beside it.
struct ProjectPanel {
  const double* rows;   // dim × kProjectRows, dim-major, zero-padded
  const double* basis;  // dim × kProjectColumns, dim-major, zero-padded
  size_t dim;
  double* out;  // kProjectRows × kProjectColumns
};
constexpr size_t kProjectRows = 6;
constexpr size_t kProjectColumns = 32;

struct TopDotsTask {
  const int32_t* dots;
  const uint32_t* blocks;
  size_t count;
  const uint16_t* mask;
  size_t k;
  uint32_t* rows;
  int32_t* best;
};

struct CodeTable {
  void (*headDots)(const HeadVisit&, const HeadQuery&, int32_t* dots);
  void (*bitDots)(const BitVisit&, int32_t* dots);
  void (*rowDots8)(const RowVisit&, const RowQuery&, int32_t* dots);
  void (*rowDots4)(const RowVisit&, const RowQuery&, int32_t* dots);
  bool splitsRowQueries;
  // Of every step-th block from `from` on the first with a row of the mask whose dot product is above `least`, and
  // `takes`, these rows; `to` if there is none.
  size_t (*nextAbove)(const TopDotsTask& task, size_t from, size_t to, size_t step, int32_t least, uint32_t& takes);
  size_t (*survivors)(const SurvivorsTask&);
  size_t (*sift)(const SiftTask&);
  void (*projectPanel)(const ProjectPanel&);
  void (*encodeHead)(const EncodeHeadTask&);
  void (*encodeRows)(const EncodeRowsTask&);
  void (*encodeBits)(const EncodeBitsTask&);
};

struct KernelTable;

struct HeadDotsTask {
  const uint8_t* plane;
  size_t dims;
  const uint32_t* blocks;
  size_t count;
  const int16_t* query;
  size_t queries;
  int32_t* dots;
};

struct BitDotsTask {
  const uint8_t* plane;
  size_t dims;
  const uint32_t* blocks;
  size_t count;
  const int16_t* query;
  int32_t* dots;
};

struct RowDotsTask {
  RowVisit visit;
  uint32_t bits;  // 4 or 8
  const int16_t* query;
  int32_t* dots;
};

struct ScoresAtTask {
  uint32_t metric;
  const float* query;
  const void* const* chunks;
  uint32_t type;
  size_t chunkRows, stride, dim;
  const uint32_t* rows;
  size_t count;
  double* keys;
};

struct GatherBitsTask {
  const uint16_t* bits;
  // Of `bits`.
  size_t size;
  const uint32_t* ordinals;
  size_t rows;
  const uint16_t* alive;
  const uint32_t* blocks;
  size_t count;
  uint16_t* mask;
};

void headDots(const KernelTable& table, const HeadDotsTask& task);
void bitDots(const KernelTable& table, const BitDotsTask& task);
void rowDots(const KernelTable& table, const RowDotsTask& task);
size_t survivors(const KernelTable& table, const SurvivorsTask& task);
size_t sift(const KernelTable& table, const SiftTask& task);
size_t topDots(const KernelTable& table, const TopDotsTask& task);
void project(const KernelTable& table, const ProjectTask& task);
void nearest(const KernelTable& table, const NearestTask& task);
void scoresAt(const KernelTable& table, const ScoresAtTask& task);
void gatherBits(const GatherBitsTask& task);

}  // namespace funnelvec
