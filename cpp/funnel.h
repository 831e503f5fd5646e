// The kernels of the contract, built on one instruction set's row passes. Sizes are the caller's promise; the queries'
// finiteness too. Each returns the flat position of the first NaN or Infinity in the rows, or kAllFinite.
#pragma once

#include "isa/instruction-set.h"

namespace funnelvec {

constexpr int64_t kAllFinite = -1;

// Passed as its values and its dim.
struct Matrix {
  const void* values;
  RowType type;
  size_t count, dim;
};

struct ScoresTask {
  Metric metric;
  const float* query;
  Matrix rows;
  size_t from, to;
  double* keys;  // out: count
};
FUNNELVEC_ARGUMENTS(ScoresTask, t.metric, t.query, t.rows, t.from, t.to, t.keys)

struct NormsTask {
  Matrix rows;
  size_t from, to;
  double* norms;  // out: count
};
FUNNELVEC_ARGUMENTS(NormsTask, t.rows, t.from, t.to, t.norms)

struct FunnelTask {
  Metric metric;
  const float* query;
  Matrix rows;
  const uint32_t* scales;  // ascending, 1..dim
  const uint32_t* keep;    // never increasing, at most count
  size_t stages;           // at least 1
  uint32_t* indices;       // out: keep[stages - 1]
  double* keys;            // out: as many
  bool finite;             // the rows are known to be: dims that no stage reads are not looked at
};
FUNNELVEC_ARGUMENTS(FunnelTask, t.metric, t.query, t.rows, sized(t.scales, t.stages), t.keep, t.finite, t.indices,
                    t.keys)

struct ScanTask {
  Metric metric;
  const float* query;
  Matrix rows;
  size_t to;
  size_t k;
  uint32_t* indices;  // out: min(k, count)
  double* keys;       // out: as many
};
FUNNELVEC_ARGUMENTS(ScanTask, t.metric, t.query, t.rows, t.to, sized(t.indices, t.k), t.keys)

// A list of values in no shape.
struct Values {
  const void* data;
  RowType type;
  size_t length;
};

struct FirstNonFiniteTask {
  Values rows;
};
FUNNELVEC_ARGUMENTS(FirstNonFiniteTask, t.rows)

int64_t scores(const InstructionSet& isa, const ScoresTask& task);
// Scores the listed rows over dims [0, to), or `rows.count` rows from row `begin` on when there is no list. Checks
// nothing. The query has `to` dims.
void scoresOf(const InstructionSet& isa, Metric metric, const float* query, const Matrix& rows, size_t to,
              const uint32_t* order, size_t begin, double* keys);
int64_t norms(const InstructionSet& isa, const NormsTask& task);
int64_t funnel(const InstructionSet& isa, const FunnelTask& task);
int64_t scan(const InstructionSet& isa, const ScanTask& task);
int64_t firstNonFinite(const InstructionSet& isa, const FirstNonFiniteTask& task);

// Their names, as TypeScript has them; funnel and scan also come as batches and as asynchronous work.
#define FUNNELVEC_KERNELS(KERNEL) KERNEL(scores) KERNEL(norms) KERNEL(funnel) KERNEL(scan) KERNEL(firstNonFinite)

}  // namespace funnelvec
