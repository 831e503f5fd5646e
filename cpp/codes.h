// Kernels over coded rows: their tasks, and the functions that run them on the passes of an instruction set. The
// contract, with the layouts of the planes, is src/kernels/codes.ts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arguments.h"

namespace funnelvec {

constexpr size_t kBlockRows = 16;

enum Metric : uint32_t { kCosine = 0, kDot = 1, kEuclid = 2 };
enum RowType : uint32_t { kFloat32 = 0, kFloat16 = 1 };

struct Bound {
  Metric metric;
  const uint8_t* error;
  double errorScale;
  const uint8_t* tail;
  double tailScale;
  double constant;
  const float* norms;
  double twoQuery;
  double threshold;
};
FUNNELVEC_ARGUMENTS(Bound, t.metric, t.error, t.errorScale, t.tail, t.tailScale, t.constant, t.norms, t.twoQuery,
                    t.threshold)

struct PruneVisitTask {
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
FUNNELVEC_ARGUMENTS(PruneVisitTask, t.dots, t.scale, t.blocks, t.count, t.mask, t.rows, t.kept, t.estimates, t.bound)

struct PruneRowsTask {
  uint32_t* rows;
  size_t count;
  double* estimates;
  const int32_t* dots;
  double scale;
  Bound bound;
};
FUNNELVEC_ARGUMENTS(PruneRowsTask, t.rows, t.count, t.estimates, t.dots, t.scale, t.bound)

struct ProjectTask {
  const float* rows;
  size_t count, dim;
  const float* basis;
  size_t width;
  double* out;
};
FUNNELVEC_ARGUMENTS(ProjectTask, t.rows, t.count, t.dim, t.basis, t.width, t.out)

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
FUNNELVEC_ARGUMENTS(NearestTask, t.rows, t.places, t.count, t.dim, t.basis, t.width, t.offsets, t.names, t.best,
                    t.found)

struct EncodeTask {
  const double* values;
  size_t count, stride, offset, dims;
  const double *base, *step, *inverse;
  size_t first;
};
FUNNELVEC_ARGUMENTS(EncodeTask, t.values, t.count, t.stride, t.offset, t.dims, t.base, t.step, t.inverse, t.first)

struct EncodeHeadTask {
  EncodeTask in;
  uint8_t *head, *fine;
  double *coarseError, *fineError;
};
FUNNELVEC_ARGUMENTS(EncodeHeadTask, t.in, t.head, t.fine, t.coarseError, t.fineError)

struct EncodeRowsTask {
  EncodeTask in;
  uint8_t* plane;  // signed bytes
  double* error;
};
FUNNELVEC_ARGUMENTS(EncodeRowsTask, t.in, t.plane, t.error)

struct EncodeBitsTask {
  EncodeTask in;
  uint8_t* plane;
};
FUNNELVEC_ARGUMENTS(EncodeBitsTask, t.in, t.plane)

struct TopDotsTask {
  const int32_t* dots;
  const uint32_t* blocks;
  size_t count;
  const uint16_t* mask;
  size_t k;
  uint32_t* rows;
  int32_t* best;
};
FUNNELVEC_ARGUMENTS(TopDotsTask, t.dots, t.blocks, t.count, t.mask, t.k, t.rows, t.best)

struct InstructionSet;

struct HeadDotsTask {
  const uint8_t* plane;
  size_t dims;
  const uint32_t* blocks;
  size_t count;
  const int16_t* query;
  size_t queries;
  int32_t* dots;
};
FUNNELVEC_ARGUMENTS(HeadDotsTask, t.plane, t.dims, t.blocks, t.count, t.query, t.queries, t.dots)

struct BitDotsTask {
  const uint8_t* plane;
  size_t dims;
  const uint32_t* blocks;
  size_t count;
  const int16_t* query;
  int32_t* dots;
};
FUNNELVEC_ARGUMENTS(BitDotsTask, t.plane, t.dims, t.blocks, t.count, t.query, t.dots)

struct RowDotsTask {
  const uint8_t* plane;
  uint32_t bits;  // 4 or 8
  size_t stride, dims;
  const uint32_t* rows;
  size_t count;
  const int16_t* query;
  int32_t* dots;
};
FUNNELVEC_ARGUMENTS(RowDotsTask, t.plane, t.bits, t.stride, t.dims, t.rows, t.count, t.query, t.dots)

// Parts of a matrix, all of one type.
struct Chunks {
  const void* const* data;
  RowType type;
};

struct ScoresAtTask {
  Metric metric;
  const float* query;
  Chunks chunks;
  size_t chunkRows, stride, dim;
  const uint32_t* rows;
  size_t count;
  double* keys;
};
FUNNELVEC_ARGUMENTS(ScoresAtTask, t.metric, t.query, t.chunks, t.chunkRows, t.stride, t.dim, t.rows, t.count, t.keys)

struct GatherBitsTask {
  const uint16_t* bits;
  size_t size;  // length of `bits`
  const uint32_t* ordinals;
  size_t rows;  // length of `ordinals`
  const uint16_t* alive;
  const uint32_t* blocks;
  size_t count;
  uint16_t* mask;
};
FUNNELVEC_ARGUMENTS(GatherBitsTask, sized(t.bits, t.size), sized(t.ordinals, t.rows), t.alive, t.blocks, t.count,
                    t.mask)

struct NeighboursTask {
  const uint8_t* plane;
  size_t dims;
  const uint32_t *offsets, *lists;
  size_t sought, most;
  const uint16_t* mask;
  const int16_t* weights;
  size_t first, rows, degree;
  uint32_t* table;
};
FUNNELVEC_ARGUMENTS(NeighboursTask, t.plane, t.dims, t.offsets, t.lists, t.sought, t.most, t.mask, t.weights, t.first,
                    t.rows, t.degree, t.table)

struct RelinkTask {
  const uint8_t* plane;
  size_t dims;
  const int16_t* weights;
  const uint32_t* from;
  size_t degree;
  uint16_t* marks;
  size_t size, room;
  uint32_t* met;
  size_t first, rows;
  uint32_t* table;
};
FUNNELVEC_ARGUMENTS(RelinkTask, t.plane, t.dims, t.weights, t.from, t.degree, t.marks, t.size, t.room, t.met, t.first,
                    t.rows, t.table)

struct WalkTask {
  const uint8_t* plane;
  size_t dims;
  const int16_t* query;
  const uint8_t* table;
  size_t idBytes, degree;
  const uint32_t* blocks;
  size_t count;
  const uint16_t* mask;
  uint16_t* marks;
  Metric metric;
  const float* norms;
  double scale, constant, twoQuery;
  size_t size, found;
  uint32_t* rows;
  int32_t* best;
  size_t room;
  uint32_t* met;
};
FUNNELVEC_ARGUMENTS(WalkTask, t.plane, t.dims, t.query, t.table, t.idBytes, t.degree, t.blocks, t.count, t.mask,
                    t.marks, t.metric, t.norms, t.scale, t.constant, t.twoQuery, t.size, t.found, t.rows, t.best,
                    t.room, t.met)

// The kernels. Those that return a count say in src/kernels/codes-scan.ts what it counts.
void headDots(const InstructionSet& isa, const HeadDotsTask& task);
void bitDots(const InstructionSet& isa, const BitDotsTask& task);
void rowDots(const InstructionSet& isa, const RowDotsTask& task);
size_t topDots(const InstructionSet& isa, const TopDotsTask& task);
size_t pruneVisit(const InstructionSet& isa, const PruneVisitTask& task);
size_t pruneRows(const InstructionSet& isa, const PruneRowsTask& task);
void project(const InstructionSet& isa, const ProjectTask& task);
void nearest(const InstructionSet& isa, const NearestTask& task);
void encodeHead(const InstructionSet& isa, const EncodeHeadTask& task);
void encodeRows(const InstructionSet& isa, const EncodeRowsTask& task);
void encodeBits(const InstructionSet& isa, const EncodeBitsTask& task);
void scoresAt(const InstructionSet& isa, const ScoresAtTask& task);
void neighbours(const InstructionSet& isa, const NeighboursTask& task);
void relink(const InstructionSet& isa, const RelinkTask& task);
size_t walk(const InstructionSet& isa, const WalkTask& task);
// No instruction set changes this one.
void gatherBits(const GatherBitsTask& task);

// Their names, as TypeScript has them: those of an instruction set, and those that none changes.
// clang-format off
#define FUNNELVEC_CODE_KERNELS(KERNEL)                                        \
  KERNEL(headDots) KERNEL(bitDots) KERNEL(rowDots) KERNEL(topDots)            \
  KERNEL(pruneVisit) KERNEL(pruneRows) KERNEL(project) KERNEL(nearest)              \
  KERNEL(encodeHead) KERNEL(encodeRows) KERNEL(encodeBits) KERNEL(scoresAt)         \
  KERNEL(neighbours) KERNEL(relink) KERNEL(walk)
#define FUNNELVEC_COMMON_CODE_KERNELS(KERNEL) KERNEL(gatherBits)
// clang-format on

}  // namespace funnelvec
