#include "codes.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "funnel.h"
#include "isa/instruction-set.h"
#include "row-query.h"
#include "team.h"

namespace funnelvec {
namespace {

// Bytes of a plane from which a team is worth waking: less work is done before the others have heard of it.
constexpr size_t kTeamBytes = 96 * 1024;

// Bytes of blocks that stay in a core's own cache while several queries pass over them.
constexpr size_t kTileBytes = 32 * 1024;

// A dot product and its place in the visit, as one number: larger is better, and earlier among equals.
inline uint64_t ranked(int32_t dot, size_t visit) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(dot) ^ 0x80000000u) << 32) |
         (0xffffffffu - static_cast<uint32_t>(visit));
}

inline int32_t dotOf(uint64_t one) { return static_cast<int32_t>(static_cast<uint32_t>(one >> 32) ^ 0x80000000u); }

// Rows that a projection holds in float64 at a time.
constexpr size_t kProjectTile = 240;

// Whether rows follow each other: then they are one stream, which a pass fetches in another way than rows from
// anywhere.
bool consecutive(const std::vector<uint32_t>& rows) {
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i] != rows[0] + i) return false;
  }
  return true;
}

// Whether a query fits two planes of signed bytes.
bool fitsTwoBytes(const int16_t* query, size_t dims) {
  for (size_t i = 0; i < dims; ++i) {
    if (query[i] < -8191 || query[i] > 8191) return false;
  }
  return true;
}

// Every step-th block of a visit.
struct Blocks {
  size_t from, to, step;
};

// Returns, in no order, at least the k best rows of these blocks that exceed the bar, or all of them when fewer do.
// Without a bar every row counts.
std::vector<uint64_t> bestOf(const InstructionSet& isa, const TopDotsTask& task, Blocks in, size_t k,
                             const int32_t* bar) {
  // A bar lets some two or three times as many through as are wanted: then they are selected once, at the end.
  const size_t room = k + (bar ? 2 : 1) * std::max<size_t>(k, 64);
  std::vector<uint64_t> found(room + kBlockRows);
  size_t n = 0;
  bool barred = bar != nullptr;
  int32_t least = barred ? *bar : INT32_MIN;  // of no meaning before k are found
  for (size_t b = in.from; b < in.to; b += in.step) {
    uint32_t takes = task.mask[task.blocks[b]];
    if (barred && (b = isa.codes.nextAbove(task, b, in.to, in.step, least, takes)) >= in.to) break;
    const int32_t* dots = task.dots + b * kBlockRows;
    // Without a branch: which rows of a block are taken cannot be foretold.
    for (size_t r = 0; r < kBlockRows; ++r, takes >>= 1) {
      found[n] = ranked(dots[r], b * kBlockRows + r);
      n += takes & 1;
    }
    if (n + kBlockRows > room) {
      std::nth_element(found.begin(), found.begin() + (k - 1), found.begin() + n, std::greater<uint64_t>());
      n = k;
      least = dotOf(found[k - 1]);
      barred = true;
    }
  }
  found.resize(n);
  return found;
}

// A sample of every eighth block sets a bar that somewhat more rows exceed than are wanted: 2.3 times as many when 64
// are wanted, 1.4 times for 512. Where rows that are alike lie together, fewer may exceed it: then a second visit goes
// without a bar.
constexpr size_t kSampleStep = 8;
constexpr size_t kSampledFrom = 32;  // times as many rows as are wanted

// Returns at least the k best rows of blocks [from, to), in no order.
std::vector<uint64_t> topOf(const InstructionSet& isa, const TopDotsTask& task, size_t from, size_t to) {
  const Blocks all{from, to, 1};
  const size_t k = std::min(task.k, (to - from) * kBlockRows);
  if ((to - from) * kBlockRows >= kSampledFrom * k) {
    const size_t share = k / kSampleStep;
    const size_t rank = share + 3 * static_cast<size_t>(std::sqrt(share)) + 4;
    std::vector<uint64_t> sample = bestOf(isa, task, {from, to, kSampleStep}, rank, nullptr);
    if (sample.size() >= rank) {
      std::nth_element(sample.begin(), sample.begin() + (rank - 1), sample.end(), std::greater<uint64_t>());
      const int32_t bar = dotOf(sample[rank - 1]);
      if (bar > INT32_MIN) {
        const int32_t below = bar - 1;
        std::vector<uint64_t> found = bestOf(isa, task, all, k, &below);
        if (found.size() >= k) return found;
      }
    }
  }
  return bestOf(isa, task, all, k, nullptr);
}

// Runs work over ranges. Each leaves some entries at the begin of its own range, which has `width` places for each of
// `count`; this closes the gaps and returns how many entries are left.
template <class B, class Run>
size_t inRangesWithGaps(size_t count, size_t least, size_t unit, size_t width, uint32_t* a, B* b, Run run) {
  size_t found[kMostRanges], starts[kMostRanges];
  const size_t parts = inRanges(count, least, unit, [&](size_t from, size_t to, size_t part) {
    starts[part] = from * width;
    found[part] = run(from, to);
  });
  size_t n = found[0];
  for (size_t part = 1; part < parts; ++part) {
    std::copy_n(a + starts[part], found[part], a + n);
    std::copy_n(b + starts[part], found[part], b + n);
    n += found[part];
  }
  return n;
}

// Rows times the columns of a basis.
struct Product {
  const float* rows;
  const uint32_t* places;  // of the rows, or null: all in order
  size_t count, dim;
  const float* basis;
  size_t width;
};

// Calls take(row, rows, column, columns, sums) for panels of the product: of each row, columns in their order.
template <class Take>
void inPanels(const InstructionSet& isa, const Product& p, Take take) {
  const size_t dim = p.dim;
  const size_t most = std::min(p.count, kProjectTile);
  std::unique_ptr<double[]> basis(new double[dim * kProjectColumns]);
  std::unique_ptr<double[]> rows(new double[dim * (most + kProjectRows)]);
  double sums[kProjectRows * kProjectColumns];
  for (size_t start = 0; start < p.count; start += most) {
    const size_t count = std::min(most, p.count - start);
    for (size_t first = 0; first < count; first += kProjectRows) {
      double* to = rows.get() + first * dim;
      for (size_t r = 0; r < kProjectRows; ++r) {
        const size_t row = start + first + r;
        const bool real = first + r < count;
        const float* from = real ? p.rows + (p.places ? p.places[row] : row) * dim : nullptr;
        for (size_t j = 0; j < dim; ++j) to[j * kProjectRows + r] = real ? static_cast<double>(from[j]) : 0.0;
      }
    }
    for (size_t column = 0; column < p.width; column += kProjectColumns) {
      const size_t columns = std::min(kProjectColumns, p.width - column);
      for (size_t j = 0; j < dim; ++j) {
        double* to = basis.get() + j * kProjectColumns;
        for (size_t c = 0; c < columns; ++c) to[c] = static_cast<double>(p.basis[j * p.width + column + c]);
        std::fill(to + columns, to + kProjectColumns, 0.0);
      }
      for (size_t first = 0; first < count; first += kProjectRows) {
        isa.codes.projectPanel({rows.get() + first * dim, basis.get(), dim, sums});
        take(start + first, std::min(kProjectRows, count - first), column, columns, sums);
      }
    }
  }
}

}  // namespace

void headDots(const InstructionSet& isa, const HeadDotsTask& task) {
  const size_t groups = task.dims / kGroupDims;
  std::vector<int8_t> planes(2 * task.dims * task.queries);
  std::vector<HeadQuery> queries(task.queries);
  for (size_t t = 0; t < task.queries; ++t) {
    const int16_t* q = task.query + t * task.dims;
    int8_t* low = planes.data() + 2 * t * task.dims;
    int8_t* high = low + task.dims;
    int largest = 0;
    for (size_t i = 0; i < task.dims; ++i) largest = std::max(largest, q[i] < 0 ? -q[i] : q[i]);
    const bool narrow = largest <= 127;
    for (size_t i = 0; i < task.dims; ++i) {
      const int l = narrow ? q[i] : ((q[i] + 64) & 127) - 64;
      low[i] = static_cast<int8_t>(l);
      high[i] = static_cast<int8_t>((q[i] - l) / 128);
    }
    queries[t] = {low, narrow ? nullptr : high};
  }
  const size_t tile = task.queries == 1 ? task.count : std::max<size_t>(1, kTileBytes / (groups * kLineBytes));
  const size_t least = kTeamBytes / (task.dims * kBlockRows / 2 * std::max<size_t>(1, task.queries));
  inRanges(task.count, least, 1, [&](size_t from, size_t to, size_t) {
    for (size_t b = from; b < to; b += tile) {
      const HeadVisit visit{task.plane, groups, task.blocks + b, std::min(tile, to - b)};
      for (size_t t = 0; t < task.queries; ++t) {
        isa.codes.headDots(visit, queries[t], task.dots + (t * task.count + b) * kBlockRows);
      }
    }
  });
}

void bitDots(const InstructionSet& isa, const BitDotsTask& task) {
  const size_t groups = task.dims / kGroupDims;
  std::vector<uint8_t> sums(2 * groups * kBitLineBytes);
  int32_t least = 0;
  for (size_t half = 0; half < 2 * groups; ++half) {
    const int16_t* q = task.query + 4 * half;
    uint8_t* to = sums.data() + (half % 2 * groups + half / 2) * kBitLineBytes;
    int lowest = 0;
    for (size_t t = 0; t < 4; ++t) lowest += std::min<int>(0, q[t]);
    for (int bits = 0; bits < 16; ++bits) {
      int sum = -lowest;
      for (int t = 0; t < 4; ++t) sum += (bits >> t & 1) * q[t];
      to[bits] = static_cast<uint8_t>(sum);
    }
    least += lowest;
  }
  const uint8_t* low = sums.data();
  const BitVisit visit{task.plane, groups, task.blocks, task.count, low, low + groups * kBitLineBytes, least};
  isa.codes.bitDots(visit, task.dots);
}

SplitRowQuery::SplitRowQuery(const InstructionSet& isa, uint32_t bits, const int16_t* values, size_t dims)
    : query{values, nullptr, nullptr, 0, 0} {
  if (!isa.codes.splitsRowQueries || !fitsTwoBytes(values, dims)) return;
  const size_t part = bits == 4 ? dims / 2 : dims;
  query.half = (part + kLineBytes - 1) / kLineBytes * kLineBytes;
  const size_t plane = bits == 4 ? 2 * query.half : query.half;
  planes.resize(2 * plane);
  uint32_t sum = 0;
  for (size_t i = 0; i < dims; ++i) {
    const int value = values[i];
    const int low = ((value + 64) & 127) - 64;
    // Dims 8 g + t and 8 g + 4 + t share byte 4 g + t.
    const size_t at = bits == 8 ? i : (i & 4 ? query.half : 0) + i / 8 * 4 + (i & 3);
    planes[at] = static_cast<int8_t>(low);
    planes[plane + at] = static_cast<int8_t>((value - low) / 128);
    sum += static_cast<uint32_t>(value);
  }
  query.low = planes.data();
  query.high = planes.data() + plane;
  query.sum128 = static_cast<int32_t>(sum * 128);
}

void rowDots(const InstructionSet& isa, const RowDotsTask& task) {
  const size_t dims = task.dims;
  const RowQuery whole{task.query, nullptr, nullptr, 0, 0};
  std::optional<SplitRowQuery> split;
  if (task.count > 1) split.emplace(isa, task.bits, task.query, dims);
  const RowQuery& query = split ? split->query : whole;
  const auto dots = task.bits == 8 ? isa.codes.rowDots8 : isa.codes.rowDots4;
  const size_t least = kTeamBytes / 2 / (dims * task.bits / 8);
  inRanges(task.count, least, 16, [&](size_t from, size_t to, size_t) {
    dots({task.plane, task.stride, dims, task.rows + from, to - from}, query, task.dots + from);
  });
}

size_t pruneVisit(const InstructionSet& isa, const PruneVisitTask& task) {
  const size_t n = inRangesWithGaps(task.count, 4096, 1, kBlockRows, task.rows, task.kept, [&](size_t from, size_t to) {
    PruneVisitTask t = task;
    t.dots += from * kBlockRows;
    t.blocks += from;
    t.count = to - from;
    t.rows += from * kBlockRows;
    t.kept += from * kBlockRows;
    return isa.codes.pruneVisit(t);
  });
  for (size_t i = 0; i < n; ++i) task.estimates[i] = task.kept[i] * task.scale;
  return n;
}

size_t pruneRows(const InstructionSet& isa, const PruneRowsTask& task) {
  return inRangesWithGaps(task.count, 8192, 64, 1, task.rows, task.estimates, [&](size_t from, size_t to) {
    PruneRowsTask t = task;
    t.rows += from;
    t.estimates += from;
    t.dots += from;
    t.count = to - from;
    return isa.codes.pruneRows(t);
  });
}

size_t topDots(const InstructionSet& isa, const TopDotsTask& task) {
  if (task.k == 0 || task.count == 0) return 0;
  std::vector<uint64_t> best[kMostRanges];
  const size_t parts = inRanges(task.count, 8192, 1,
                                [&](size_t from, size_t to, size_t part) { best[part] = topOf(isa, task, from, to); });
  std::vector<uint64_t>& found = best[0];
  for (size_t part = 1; part < parts; ++part) found.insert(found.end(), best[part].begin(), best[part].end());
  const size_t n = std::min(task.k, found.size());
  if (n < found.size()) {
    std::nth_element(found.begin(), found.begin() + (n - 1), found.end(), std::greater<uint64_t>());
  }
  std::sort(found.begin(), found.begin() + n, std::greater<uint64_t>());
  for (size_t i = 0; i < n; ++i) {
    const size_t visit = 0xffffffffu - static_cast<uint32_t>(found[i]);
    task.rows[i] = static_cast<uint32_t>(task.blocks[visit / kBlockRows] * kBlockRows + visit % kBlockRows);
    task.best[i] = task.dots[visit];
  }
  return n;
}

void project(const InstructionSet& isa, const ProjectTask& task) {
  const Product product{task.rows, nullptr, task.count, task.dim, task.basis, task.width};
  inPanels(isa, product, [&](size_t row, size_t rows, size_t column, size_t columns, const double* sums) {
    for (size_t r = 0; r < rows; ++r, sums += kProjectColumns) {
      std::copy(sums, sums + columns, task.out + (row + r) * task.width + column);
    }
  });
}

void nearest(const InstructionSet& isa, const NearestTask& task) {
  const Product product{task.rows, task.places, task.count, task.dim, task.basis, task.width};
  inPanels(isa, product, [&](size_t row, size_t rows, size_t column, size_t columns, const double* sums) {
    for (size_t r = 0; r < rows; ++r, sums += kProjectColumns) {
      const uint32_t place = task.places[row + r];
      double best = task.best[place];
      size_t found = columns;
      for (size_t c = 0; c < columns; ++c) {
        const double value = sums[c] - task.offsets[column + c];
        if (value > best) {
          best = value;
          found = c;
        }
      }
      if (found == columns) continue;
      task.best[place] = best;
      task.found[place] = task.names[column + found];
    }
  });
}

void encodeHead(const InstructionSet& isa, const EncodeHeadTask& task) { isa.codes.encodeHead(task); }

void encodeRows(const InstructionSet& isa, const EncodeRowsTask& task) { isa.codes.encodeRows(task); }

void encodeBits(const InstructionSet& isa, const EncodeBitsTask& task) { isa.codes.encodeBits(task); }

void gatherBits(const GatherBitsTask& task) {
  const uint16_t* const bits = task.bits;
  const size_t size = task.size;
  const auto bitOf = [bits, size](uint32_t ordinal) {
    const size_t word = ordinal >> 4;
    return word < size ? (uint32_t{bits[word]} >> (ordinal & 15)) & 1 : 0;
  };
  for (size_t b = 0; b < task.count; ++b) {
    const size_t block = task.blocks[b], first = block * kBlockRows;
    const uint32_t* ordinals = task.ordinals + first;
    const size_t n = std::min<size_t>(kBlockRows, task.rows - first);
    uint32_t found = 0;
    if (n == kBlockRows) {  // known when compiled: no loop is left
      for (size_t r = 0; r < kBlockRows; ++r) found |= bitOf(ordinals[r]) << r;
    } else {
      for (size_t r = 0; r < n; ++r) found |= bitOf(ordinals[r]) << r;
    }
    task.mask[block] = static_cast<uint16_t>(found & task.alive[block]);
  }
}

void scoresAt(const InstructionSet& isa, const ScoresAtTask& task) {
  // Rows of one chunk at a time, so that a pass sees one matrix.
  size_t done = 0;
  std::vector<uint32_t> order;
  while (done < task.count) {
    const size_t chunk = task.rows[done] / task.chunkRows;
    order.clear();
    size_t end = done;
    for (; end < task.count && task.rows[end] / task.chunkRows == chunk; ++end) {
      order.push_back(static_cast<uint32_t>(task.rows[end] % task.chunkRows));
    }
    const Matrix rows{task.chunks.data[chunk], task.chunks.type, order.size(), task.stride};
    const uint32_t* list = consecutive(order) ? nullptr : order.data();
    const size_t width = task.dim * (task.chunks.type == kFloat32 ? 4 : 2);
    inRanges(order.size(), kTeamBytes / 2 / width, 8, [&](size_t from, size_t to, size_t) {
      const Matrix part{rows.values, rows.type, to - from, rows.dim};
      scoresOf(isa, task.metric, task.query, part, task.dim, list ? list + from : nullptr, order[from],
               task.keys + done + from);
    });
    done = end;
  }
}

}  // namespace funnelvec
