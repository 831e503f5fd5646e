#include "funnel.h"

#include <algorithm>
#include <cfloat>
#include <chrono>
#include <cmath>
#include <memory>
#include <vector>

#include "topk.h"

namespace funnelvec {
namespace {

// Sums of rows that pass through the cache in one go.
constexpr size_t kBlock = 256;
// Lanes of more rows than this would not stay in L2: the next stage then starts over, with the same bits.
constexpr size_t kMaxRowsWithLanes = 4096;

// Uninitialised memory for one call.
template <class T>
std::unique_ptr<T[]> scratch(size_t n) {
  return std::unique_ptr<T[]>(new T[n]);
}

// The query in float64, zero-padded to whole octets.
std::unique_ptr<double[]> widen(const float* query, size_t dim) {
  const size_t padded = (dim + kLanes - 1) / kLanes * kLanes;
  auto wide = scratch<double>(padded);
  for (size_t i = 0; i < dim; ++i) wide[i] = static_cast<double>(query[i]);
  std::fill(wide.get() + dim, wide.get() + padded, 0.0);
  return wide;
}

const unsigned char* at(const Matrix& rows, size_t row, size_t dim) {
  const size_t size = rows.type == kFloat32 ? sizeof(float) : sizeof(uint16_t);
  return static_cast<const unsigned char*>(rows.values) + (row * rows.dim + dim) * size;
}

Sums sumsOf(Metric metric) {
  return metric == kCosine ? kProductsAndSquares : metric == kDot ? kProducts : kSquaredDifferences;
}

// |q| over dims [from, to), as a pass over the query as a single row.
double queryNorm(const InstructionSet& isa, const float* query, size_t dim, size_t from, size_t to) {
  double squares;
  RowPass p{};
  p.rows = query;
  p.dim = dim;
  p.count = 1;
  p.from = from;
  p.to = to;
  p.sums = &squares;
  isa.pass[kSquares][kFloat32](p);
  return std::sqrt(squares);
}

// Where the first value that is not finite stands; n where there is none. A lane that met a NaN or an infinity holds
// one for good. Compares have no order to keep, so the first loop vectorises.
size_t firstBad(const double* values, size_t n) {
  int finite = 1;
  for (size_t i = 0; i < n; ++i) finite &= std::abs(values[i]) <= DBL_MAX;
  if (finite) return n;
  size_t i = 0;
  while (std::abs(values[i]) <= DBL_MAX) ++i;
  return i;
}

// Sums to keys, in place; where the first row that is not finite stands, or n. A sum is never -0, since lanes start at
// +0.
size_t toKeys(Metric metric, double queryNorm, double* sums, const double* squares, size_t n) {
  const size_t bad = firstBad(metric == kCosine ? squares : sums, n);
  if (bad != n) return bad;
  if (metric == kCosine) {
    for (size_t i = 0; i < n; ++i) {
      const double product = queryNorm * std::sqrt(squares[i]);
      // No direction: the sum is 0, and so is the cosine.
      const double cosine = sums[i] / (product == 0 ? 1.0 : product);
      sums[i] = cosine > 1 ? 1.0 : cosine < -1 ? -1.0 : cosine;
    }
  } else if (metric == kEuclid) {
    for (size_t i = 0; i < n; ++i) sums[i] = 0.0 - std::sqrt(sums[i]);
  }
  return n;
}

// The first of these rows, by its place among them, of which not all dims from `dim` on are finite; n where there is
// none.
size_t badFrom(const InstructionSet& isa, const Matrix& rows, const uint32_t* order, size_t n, size_t dim) {
  if (dim == rows.dim) return n;
  for (size_t i = 0; i < n; ++i) {
    if (!isa.finite[rows.type](at(rows, order[i], dim), rows.dim - dim)) return i;
  }
  return n;
}

// The first NaN or Infinity in dims [from, to) of the rows.
int64_t firstBadIn(const InstructionSet& isa, const Matrix& rows, size_t from, size_t to) {
  for (size_t row = 0; row < rows.count; ++row) {
    if (isa.finite[rows.type](at(rows, row, from), to - from)) continue;
    for (size_t i = from; i < to; ++i) {
      if (!isa.finite[rows.type](at(rows, row, i), 1)) return static_cast<int64_t>(row * rows.dim + i);
    }
  }
  return kAllFinite;
}

// Returns what firstBadIn returns, for rows among which `suspect` was seen to hold a NaN or an infinity. Another thread
// may have taken it away since, and an answer that was never written must not pass for one.
int64_t badPosition(const InstructionSet& isa, const Matrix& rows, size_t from, size_t to, size_t suspect) {
  const int64_t found = firstBadIn(isa, rows, from, to);
  return found == kAllFinite ? static_cast<int64_t>(suspect * rows.dim + from) : found;
}

// The rows still in the race, in row order, so that memory is read forwards and the first of equal keys comes first.
struct Survivors {
  size_t n;
  // One piece of memory: to ask for each of its parts took a tenth of a small call.
  std::unique_ptr<double[]> memory;
  double* keys;    // and as many squares
  double* select;  // likewise
  uint32_t *order, *dropped, *slots;
  std::unique_ptr<double[]> lanes;
  bool everybody = true;    // rows 0, 1, ...; `order` is not written yet
  bool slotIsVisit = true;  // lanes lie in visiting order; `slots` is not written yet

  explicit Survivors(size_t count)
      : n(count),
        memory(scratch<double>(4 * count + (3 * count + 1) / 2)),
        keys(memory.get()),
        select(keys + 2 * count),
        order(reinterpret_cast<uint32_t*>(select + 2 * count)),
        dropped(order + count),
        slots(dropped + count) {}

  // Keeps the best by key; the rest goes to `dropped`. No branch depends on a key: about half of them go.
  void prune(size_t keep) {
    const double threshold = keep == 0 ? HUGE_VAL : kthLargest(keys, n, keep, select);
    size_t ties = keep;
    for (size_t i = 0; i < n; ++i) ties -= keys[i] > threshold;
    size_t kept = 0, lost = 0;
    for (size_t i = 0; i < n; ++i) {
      const uint32_t row = everybody ? static_cast<uint32_t>(i) : order[i];
      const double key = keys[i];
      const bool tie = (key == threshold) & (ties > 0);
      const bool stays = (key > threshold) | tie;
      ties -= tie;
      order[kept] = row;
      keys[kept] = key;
      slots[kept] = slotIsVisit ? static_cast<uint32_t>(i) : slots[i];
      dropped[lost] = row;
      kept += stays;
      lost += !stays;
    }
    n = kept;
    everybody = false;
    slotIsVisit = !lanes;
  }
};

}  // namespace

int64_t firstNonFinite(const InstructionSet& isa, const FirstNonFiniteTask& task) {
  // Rows of at most 4096 values keep the search for the exact place short.
  constexpr size_t kRow = 4096;
  const Values& values = task.rows;
  const Matrix whole{values.data, values.type, values.length / kRow, kRow};
  const int64_t found = firstBadIn(isa, whole, 0, kRow);
  const size_t done = whole.count * kRow;
  if (found != kAllFinite || done == values.length) return found;
  const Matrix rest{at(whole, whole.count, 0), values.type, 1, values.length - done};
  const int64_t last = firstBadIn(isa, rest, 0, rest.dim);
  return last == kAllFinite ? kAllFinite : last + static_cast<int64_t>(done);
}

int64_t scores(const InstructionSet& isa, const ScoresTask& task) {
  const Matrix& rows = task.rows;
  const auto query = widen(task.query, rows.dim);
  const double norm = task.metric == kCosine ? queryNorm(isa, task.query, rows.dim, task.from, task.to) : 0;
  double squares[kBlock];
  RowPass p{};
  p.query = query.get();
  p.rows = rows.values;
  p.dim = rows.dim;
  p.from = task.from;
  p.to = task.to;
  p.squares = squares;
  size_t suspect = rows.count;
  for (p.first = 0; p.first < rows.count; p.first += p.count) {
    p.count = std::min(kBlock, rows.count - p.first);
    p.sums = task.keys + p.first;
    isa.pass[sumsOf(task.metric)][rows.type](p);
    const size_t bad = toKeys(task.metric, norm, p.sums, squares, p.count);
    if (bad != p.count) suspect = std::min(suspect, p.first + bad);
  }
  return suspect == rows.count ? kAllFinite : badPosition(isa, rows, task.from, task.to, suspect);
}

void scoresOf(const InstructionSet& isa, Metric metric, const float* query, const Matrix& rows, size_t to,
              const uint32_t* order, size_t begin, double* keys) {
  const auto wide = widen(query, to);
  const double norm = metric == kCosine ? queryNorm(isa, query, to, 0, to) : 0;
  double squares[kBlock];
  RowPass p{};
  p.query = wide.get();
  p.rows = rows.values;
  p.dim = rows.dim;
  p.to = to;
  p.squares = squares;
  for (size_t first = 0; first < rows.count; first += p.count) {
    p.count = std::min(kBlock, rows.count - first);
    p.order = order == nullptr ? nullptr : order + first;
    p.first = begin + first;
    p.sums = keys + first;
    isa.pass[sumsOf(metric)][rows.type](p);
    toKeys(metric, norm, p.sums, squares, p.count);
  }
}

int64_t norms(const InstructionSet& isa, const NormsTask& task) {
  RowPass p{};
  p.rows = task.rows.values;
  p.dim = task.rows.dim;
  p.count = task.rows.count;
  p.from = task.from;
  p.to = task.to;
  p.sums = task.norms;
  isa.pass[kSquares][task.rows.type](p);
  const size_t bad = firstBad(task.norms, p.count);
  if (bad != p.count) return badPosition(isa, task.rows, task.from, task.to, bad);
  for (size_t i = 0; i < p.count; ++i) task.norms[i] = std::sqrt(task.norms[i]);
  return kAllFinite;
}

// Bytes of rows that are worth a look at where they are, and that stay in a cache once they were read.
constexpr size_t kFewBytes = size_t{1} << 16, kManyBytes = size_t{1} << 19;
// A clock is read in 20 to 40 ns; memory takes 80 and more on top of that, a cache of the core's own none.
constexpr std::chrono::nanoseconds kFar{70};

// Whether rows have to come from memory, by the time that a few of their bytes take. An answer does not depend on it.
bool isFar(const Matrix& rows) {
  const unsigned char* bytes = at(rows, 0, 0);
  const size_t size = static_cast<size_t>(at(rows, rows.count, 0) - bytes);
  if (size < kFewBytes || size > kManyBytes) return false;
  const auto began = std::chrono::steady_clock::now();
  for (size_t part = 1; part < 4; ++part) {
    static_cast<void>(*static_cast<const volatile unsigned char*>(bytes + size / 4 * part));
  }
  return std::chrono::steady_clock::now() - began > kFar;
}

// Score, prune, compact, scale after scale.
int64_t funnel(const InstructionSet& isa, const FunnelTask& task) {
  const Matrix& rows = task.rows;
  const auto query = widen(task.query, rows.dim);
  Survivors alive(rows.count);
  size_t scored = 0;  // dims that the lanes hold
  bool finite = task.finite;
  // Stages read parts of rows, and dims that they leave out come last: from memory that takes longer than all in order.
  if (!finite && isFar(rows)) {
    finite = isa.finiteFar[rows.type](rows.values, rows.count * rows.dim);
    if (!finite) return badPosition(isa, rows, 0, rows.dim, 0);
  }

  for (size_t s = 0; s < task.stages; ++s) {
    const bool last = s + 1 == task.stages;
    // A stage that keeps everybody decides nothing, unless its order is the answer.
    if (task.keep[s] == alive.n && !last) continue;

    const size_t to = task.scales[s];
    if (!last && !alive.lanes && alive.n <= kMaxRowsWithLanes) alive.lanes = scratch<double>(alive.n * kLanesPerRow);
    RowPass p{};
    p.query = query.get();
    p.rows = rows.values;
    p.dim = rows.dim;
    p.order = alive.everybody ? nullptr : alive.order;
    p.count = alive.n;
    p.from = scored;
    p.to = to;
    p.lanes = alive.lanes.get();
    p.slots = alive.slotIsVisit ? nullptr : alive.slots;
    p.resume = scored > 0;
    p.sums = alive.keys;
    p.squares = alive.keys + alive.n;
    isa.pass[sumsOf(task.metric)][rows.type](p);
    if (alive.lanes) scored = to;

    const double norm = task.metric == kCosine ? queryNorm(isa, task.query, rows.dim, 0, to) : 0;
    const size_t before = alive.n;
    const size_t bad = toKeys(task.metric, norm, p.sums, p.squares, before);
    if (bad != before) return badPosition(isa, rows, 0, rows.dim, alive.everybody ? bad : alive.order[bad]);
    alive.prune(task.keep[s]);
    if (finite) continue;
    // Every dim is checked, also those that no stage will read.
    const size_t dropped = before - alive.n;
    const size_t lost = badFrom(isa, rows, alive.dropped, dropped, to);
    if (lost != dropped) return badPosition(isa, rows, 0, rows.dim, alive.dropped[lost]);
    const size_t kept = last ? badFrom(isa, rows, alive.order, alive.n, to) : alive.n;
    if (kept != alive.n) return badPosition(isa, rows, 0, rows.dim, alive.order[kept]);
  }

  std::vector<Entry> best(alive.n);
  for (size_t i = 0; i < alive.n; ++i) best[i] = {alive.keys[i], alive.order[i]};
  std::sort(best.begin(), best.end(), better);
  for (size_t i = 0; i < alive.n; ++i) {
    task.indices[i] = best[i].row;
    task.keys[i] = best[i].key;
  }
  return kAllFinite;
}

int64_t scan(const InstructionSet& isa, const ScanTask& task) {
  const Matrix& rows = task.rows;
  const auto query = widen(task.query, rows.dim);
  const double norm = task.metric == kCosine ? queryNorm(isa, task.query, rows.dim, 0, task.to) : 0;
  double sums[kBlock], squares[kBlock];
  TopK best(std::min(task.k, rows.count));
  RowPass p{};
  p.query = query.get();
  p.rows = rows.values;
  p.dim = rows.dim;
  p.to = task.to;
  p.sums = sums;
  p.squares = squares;
  for (p.first = 0; p.first < rows.count; p.first += p.count) {
    p.count = std::min(kBlock, rows.count - p.first);
    isa.pass[sumsOf(task.metric)][rows.type](p);
    const size_t bad = toKeys(task.metric, norm, sums, squares, p.count);
    if (bad != p.count) return badPosition(isa, rows, 0, task.to, p.first + bad);
    for (size_t i = 0; i < p.count; ++i) best.push(sums[i], static_cast<uint32_t>(p.first + i));
  }
  best.drain(task.indices, task.keys);
  return kAllFinite;
}

}  // namespace funnelvec
