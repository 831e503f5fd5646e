// The kernels of the contract, built on one instruction set's row passes. Sizes are the caller's promise; the queries'
// finiteness too. Each returns the flat position of the first NaN or Infinity in the rows, or kAllFinite.
#pragma once

#include "kernels.h"

namespace funnelvec {

constexpr int64_t kAllFinite = -1;

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

struct NormsTask {
  Matrix rows;
  size_t from, to;
  double* norms;  // out: count
};

struct FunnelTask {
  Metric metric;
  const float* query;
  Matrix rows;
  const uint32_t* scales;  // ascending, 1..dim
  const uint32_t* keep;    // never increasing, at most count
  size_t stages;           // at least 1
  uint32_t* indices;       // out: keep[stages - 1]
  double* keys;            // out: as many
};

struct ScanTask {
  Metric metric;
  const float* query;
  Matrix rows;
  size_t to;
  size_t k;
  uint32_t* indices;  // out: min(k, count)
  double* keys;       // out: as many
};

int64_t scores(const KernelTable& table, const ScoresTask& task);
// As scores over dims [0, to), of the listed rows only, or where there is no list,
// of `rows.count` from row `begin` on; nothing is checked. The query has `to` dims.
void scoresOf(const KernelTable& table, Metric metric, const float* query, const Matrix& rows, size_t to,
              const uint32_t* order, size_t begin, double* keys);
int64_t norms(const KernelTable& table, const NormsTask& task);
int64_t funnel(const KernelTable& table, const FunnelTask& task);
int64_t scan(const KernelTable& table, const ScanTask& task);
int64_t firstNonFinite(const KernelTable& table, const Matrix& rows, size_t from, size_t to);

}  // namespace funnelvec
