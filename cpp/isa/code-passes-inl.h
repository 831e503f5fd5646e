// The code passes, written once for every instruction set. An isa/*.cc file includes this behind row-passes-inl.h,
// whose rules hold, and defines `CodeLine`, a 64-byte line of codes and its sums (README.md).

namespace {

using funnelvec::BitVisit;
using funnelvec::Bound;
using funnelvec::CodePasses;
using funnelvec::EncodeBitsTask;
using funnelvec::EncodeHeadTask;
using funnelvec::EncodeRowsTask;
using funnelvec::HeadQuery;
using funnelvec::HeadVisit;
using funnelvec::kBitLineBytes;
using funnelvec::kBlockRows;
using funnelvec::kGroupDims;
using funnelvec::kLineBytes;
using funnelvec::kProjectColumns;
using funnelvec::kProjectRows;
using funnelvec::ProjectPanel;
using funnelvec::PruneRowsTask;
using funnelvec::PruneVisitTask;
using funnelvec::RowQuery;
using funnelvec::RowVisit;
using funnelvec::TopDotsTask;

// Far enough for memory to answer before the line is wanted. The blocks that the visit has there are asked for, since
// one of lists leaves the stream every thirty blocks: in their order, whatever order they are read in, for two streams
// in turns take memory twice as long.
constexpr size_t kBlocks = CodeLine::kBlocksAtOnce;
constexpr size_t kAheadLines = 64 * kBlocks;

// The two blocks of a visit that are asked for while others are read; the second as if it lay behind the first. Bounds
// want queries of two planes and read all blocks, or most, one behind the other: these ask for what lies ahead in
// memory.
template <bool kWide>
struct NextBlocks {
  uintptr_t first, second;
  uintptr_t at(const uint8_t*, size_t line, size_t groups) const {
    return (line < groups ? first : second) + line * kLineBytes;
  }
};
template <>
struct NextBlocks<true> {
  uintptr_t at(const uint8_t* block, size_t line, size_t) const {
    return reinterpret_cast<uintptr_t>(block) + (kAheadLines + line) * kLineBytes;
  }
};

// Blocks of rows, side by side. They are found here: an array of them in memory is filled by slow 64-bit products of
// vectors, which took a sixth of the scan.
template <bool kWide, size_t N>
inline void headBlocks(const HeadVisit& visit, size_t b, NextBlocks<kWide> next, const HeadQuery& q, int32_t* dots) {
  const size_t groups = visit.groups;
  const uint8_t* blocks[N];
  FUNNELVEC_UNROLL
  for (size_t n = 0; n < N; ++n) blocks[n] = visit.plane + visit.blocks[b + n] * groups * kLineBytes;
  typename CodeLine::Sums low[N], high[N];
  for (size_t n = 0; n < N; ++n) low[n] = high[n] = CodeLine::zeroSums();
  size_t g = 0;
  while (g < groups) {
    const size_t run = kWide ? CodeLine::kWideRun : CodeLine::kNarrowRun;
    const size_t end = groups - g < run ? groups : g + run;
    typename CodeLine::Run l[N][2], h[N][2];
    for (size_t n = 0; n < N; ++n) l[n][0] = l[n][1] = h[n][0] = h[n][1] = CodeLine::zeroRun();
    for (; g < end; ++g) {
      const int8_t* ql = q.low + g * kGroupDims;
      const int8_t* qh = q.high + (kWide ? g * kGroupDims : 0);
      const uintptr_t ahead = next.at(blocks[0], N * g, groups);
      FUNNELVEC_UNROLL
      for (size_t n = 0; n < N; ++n) {
        constexpr size_t second = CodeLine::kSumsPerHalf ? 1 : 0;
        const uint8_t* p = blocks[n] + g * kLineBytes;
        F64x8::prefetch(reinterpret_cast<const void*>(ahead + n * kLineBytes));
        const typename CodeLine::Line line = CodeLine::load(p);
        const typename CodeLine::Line lows = CodeLine::lowHalves(line), highs = CodeLine::highHalves(line);
        l[n][0] = CodeLine::addProducts(l[n][0], lows, ql);
        if (kWide) h[n][0] = CodeLine::addProducts(h[n][0], lows, qh);
        l[n][second] = CodeLine::addProducts(l[n][second], highs, ql + 4);
        if (kWide) h[n][second] = CodeLine::addProducts(h[n][second], highs, qh + 4);
      }
    }
    for (size_t n = 0; n < N; ++n) {
      for (size_t half = 0; half < (CodeLine::kSumsPerHalf ? 2 : 1); ++half) {
        low[n] = CodeLine::addRun(low[n], l[n][half]);
        if (kWide) high[n] = CodeLine::addRun(high[n], h[n][half]);
      }
    }
  }
  for (size_t n = 0; n < N; ++n)
    CodeLine::store(dots + n * kBlockRows, kWide ? CodeLine::joinPlanes(high[n], low[n]) : low[n]);
}

template <bool kWide>
inline NextBlocks<kWide> nextOf(const HeadVisit& visit, size_t b, size_t far, size_t blockBytes) {
  if constexpr (kWide) {
    return {};
  } else {
    const auto at = [&](size_t i) {  // behind the last one it once more
      return reinterpret_cast<uintptr_t>(visit.plane) +
             visit.blocks[i < visit.count ? i : visit.count - 1] * blockBytes;
    };
    return {at(b + far), at(b + far + 1) - blockBytes};
  }
}

template <bool kWide>
void headDotsOf(const HeadVisit& visit, const HeadQuery& query, int32_t* dots) {
  const size_t blockBytes = visit.groups * kLineBytes;
  // In blocks; a plane may have no group.
  const size_t far = visit.groups == 0 || visit.groups * kBlocks > kAheadLines ? kBlocks : kAheadLines / visit.groups;
  size_t b = 0;
  for (; b + kBlocks <= visit.count; b += kBlocks) {
    const auto next = nextOf<kWide>(visit, b, far, blockBytes);
    headBlocks<kWide, kBlocks>(visit, b, next, query, dots + b * kBlockRows);
  }
  for (; b < visit.count; ++b) {
    headBlocks<kWide, 1>(visit, b, nextOf<kWide>(visit, b, far, blockBytes), query, dots + b * kBlockRows);
  }
}

void headDots(const HeadVisit& visit, const HeadQuery& query, int32_t* dots) {
  if (query.high) {
    headDotsOf<true>(visit, query, dots);
  } else {
    headDotsOf<false>(visit, query, dots);
  }
}

// A group adds two entries of at most 60 each, so that this many groups fit 16 bits.
constexpr size_t kBitRun = 512;

void bitDots(const BitVisit& v, int32_t* dots) {
  const size_t blockBytes = v.groups * kBitLineBytes;
  for (size_t b = 0; b < v.count; ++b, dots += kBlockRows) {
    const uint8_t* p = v.plane + v.blocks[b] * blockBytes;
    for (size_t r = 0; r < kBlockRows; ++r) dots[r] = v.least;
    for (size_t g = 0; g < v.groups; g += kBitRun) {
      const size_t n = v.groups - g < kBitRun ? v.groups - g : kBitRun;
      const size_t at = g * kBitLineBytes;
      CodeLine::addBits(p + at, n, v.low + at, v.high + at, dots);
    }
  }
}

// Listed rows lie anywhere: the lines of a later one are asked for while an earlier one is read.
constexpr size_t kAheadRows = 24;

template <int kBits, class Dot>
inline void visitRows(const RowVisit& v, int32_t* dots, Dot dot) {
  const uint8_t* plane = v.plane;
  const size_t bytes = v.dims * kBits / 8;
  const size_t fetched = bytes < 256 ? bytes : 256;
  for (size_t k = 0; k < v.count; ++k) {
    if (k + kAheadRows < v.count) {
      const uint8_t* next = plane + v.rows[k + kAheadRows] * v.stride;
      for (size_t i = 0; i < fetched; i += kLineBytes) F64x8::prefetch(next + i);
    }
    dots[k] = dot(plane + v.rows[k] * v.stride);
  }
}

template <int kBits, class Query>
inline int32_t rowDot(const uint8_t* row, const Query& query, size_t dims) {
  if (kBits == 4) return CodeLine::dot4(row, query, dims);
  return CodeLine::dot8(reinterpret_cast<const int8_t*>(row), query, dims);
}

// By a template of the line, so that a line without dot products of split queries compiles.
template <int kBits, class Line = CodeLine>
void rowDots(const RowVisit& visit, const RowQuery& q, int32_t* dots) {
  const size_t dims = visit.dims;
  if constexpr (Line::kSplitsRowQueries) {
    if (q.low) return visitRows<kBits>(visit, dots, [&](const uint8_t* row) { return rowDot<kBits>(row, q, dims); });
  }
  const int16_t* values = q.values;
  visitRows<kBits>(visit, dots, [=](const uint8_t* row) { return rowDot<kBits>(row, values, dims); });
}

size_t nextAbove(const TopDotsTask& task, size_t from, size_t to, size_t step, int32_t least, uint32_t& takes) {
  for (size_t b = from; b < to; b += step) {
    takes = CodeLine::maskAbove(task.dots + b * kBlockRows, least) & task.mask[task.blocks[b]];
    if (takes) return b;
  }
  return to;
}

inline double boundOf(const Bound& b, size_t row, double estimate) {
  const double v = ((estimate + b.error[row] * b.errorScale) + b.tail[row] * b.tailScale) + b.constant;
  if (b.metric == 0) return v;
  const double norm = static_cast<double>(b.norms[row]);
  return b.metric == 1 ? norm * v : norm * (b.twoQuery * v - norm);
}

inline size_t ones(uint32_t bits) {
  bits -= (bits >> 1) & 0x5555u;
  bits = (bits & 0x3333u) + ((bits >> 2) & 0x3333u);
  bits = (bits + (bits >> 4)) & 0x0f0fu;
  return (bits + (bits >> 8)) & 31u;
}

// Whether bounds reach the threshold: a bit for each row of half a block.
template <uint32_t kMetric>
inline uint32_t boundsReach(const PruneVisitTask& t, const int32_t* dots, size_t row) {
  const Bound& b = t.bound;
  F64x8 v = F64x8::multiply(F64x8::fromInts(dots), F64x8::broadcast(t.scale));
  v = F64x8::add(v, F64x8::multiply(F64x8::fromBytes(b.error + row), F64x8::broadcast(b.errorScale)));
  v = F64x8::add(v, F64x8::multiply(F64x8::fromBytes(b.tail + row), F64x8::broadcast(b.tailScale)));
  v = F64x8::add(v, F64x8::broadcast(b.constant));
  if (kMetric != 0) {
    const F64x8 norm = F64x8::widen(b.norms + row);
    if (kMetric == 2) v = F64x8::subtract(F64x8::multiply(F64x8::broadcast(b.twoQuery), v), norm);
    v = F64x8::multiply(norm, v);
  }
  return F64x8::atLeast(v, F64x8::broadcast(b.threshold));
}

template <uint32_t kMetric>
size_t pruneVisitBy(const PruneVisitTask& task) {
  const PruneVisitTask t = task;
  size_t n = 0;
  for (size_t b = 0; b < t.count; ++b) {
    const size_t base = t.blocks[b] * kBlockRows;
    const int32_t* dots = t.dots + b * kBlockRows;
    uint32_t stay = boundsReach<kMetric>(t, dots, base) | boundsReach<kMetric>(t, dots + 8, base + 8) << 8;
    stay &= t.mask[t.blocks[b]];
    if (stay == 0) continue;
    // Never beyond the room of what was visited: n is at most 16 b.
    CodeLine::compact(stay, static_cast<uint32_t>(base), dots, t.rows + n, t.kept + n);
    n += ones(stay);
  }
  return n;
}

size_t pruneVisit(const PruneVisitTask& t) {
  return t.bound.metric == 0 ? pruneVisitBy<0>(t) : t.bound.metric == 1 ? pruneVisitBy<1>(t) : pruneVisitBy<2>(t);
}

size_t pruneRows(const PruneRowsTask& t) {
  const Bound bound = t.bound;
  size_t n = 0;
  for (size_t i = 0; i < t.count; ++i) {
    const uint32_t row = t.rows[i];
    const double estimate = t.estimates[i] + t.dots[i] * t.scale;
    const bool stays = boundOf(bound, row, estimate) >= bound.threshold;
    t.rows[n] = row;
    t.estimates[n] = estimate;
    n += stays;
  }
  return n;
}

// Rows × columns of sums in registers: as many as hide the latency and still fit.
template <int R, int C>
inline void panelTile(const ProjectPanel& p, size_t row, size_t column) {
  F64x8 sums[R][C];
  FUNNELVEC_UNROLL
  for (int r = 0; r < R; ++r) {
    FUNNELVEC_UNROLL
    for (int c = 0; c < C; ++c) sums[r][c] = F64x8::zero();
  }
  const double* x = p.rows + row;
  const double* b = p.basis + column;
  for (size_t j = 0; j < p.dim; ++j, x += kProjectRows, b += kProjectColumns) {
    F64x8 columns[C];
    FUNNELVEC_UNROLL
    for (int c = 0; c < C; ++c) columns[c] = F64x8::load(b + c * kLanes);
    FUNNELVEC_UNROLL
    for (int r = 0; r < R; ++r) {
      const F64x8 value = F64x8::broadcast(x[r]);
      FUNNELVEC_UNROLL
      for (int c = 0; c < C; ++c) sums[r][c] = F64x8::addProduct(sums[r][c], value, columns[c]);
    }
  }
  FUNNELVEC_UNROLL
  for (int r = 0; r < R; ++r) {
    FUNNELVEC_UNROLL
    for (int c = 0; c < C; ++c) sums[r][c].store(p.out + (row + r) * kProjectColumns + column + c * kLanes);
  }
}

void projectPanel(const ProjectPanel& p) {
  constexpr int R = F64x8::kPanelRows, C = F64x8::kPanelColumns;
  for (size_t row = 0; row < kProjectRows; row += R) {
    for (size_t column = 0; column < kProjectColumns; column += C * kLanes) panelTile<R, C>(p, row, column);
  }
}

// Eight dims of a row: their codes as whole numbers, and what they leave of the values.
struct Octet {
  F64x8 values, base, step, codes;

  template <class In>
  inline Octet(const In& in, const double* row, size_t i, F64x8 low, F64x8 high)
      : values(F64x8::load(row + i)), base(F64x8::load(in.base + i)), step(F64x8::load(in.step + i)) {
    const F64x8 t = F64x8::multiply(F64x8::subtract(values, base), F64x8::load(in.inverse + i));
    codes = F64x8::clampFloor(F64x8::add(t, F64x8::broadcast(0.5)), low, high);
  }
  inline F64x8 residual(F64x8 code) const {
    return F64x8::subtract(values, F64x8::add(base, F64x8::multiply(step, code)));
  }
};

void encodeHead(const EncodeHeadTask& t) {
  const auto& in = t.in;
  const F64x8 low = F64x8::zero(), high = F64x8::broadcast(255), half = F64x8::broadcast(7.5);
  for (size_t k = 0; k < in.count; ++k) {
    const double* values = in.values + k * in.stride + in.offset;
    const size_t row = in.first + k;
    uint8_t* head = t.head + (row / kBlockRows) * in.dims * 8 + 4 * (row % kBlockRows);
    uint8_t* fine = t.fine + row * (in.dims / 2);
    F64x8 coarse = F64x8::zero(), whole = F64x8::zero();
    for (size_t i = 0; i < in.dims; i += 8) {
      const Octet octet(in, values, i, low, high);
      int32_t codes[8], highs[8];
      octet.codes.storeInts(codes);
      for (int j = 0; j < 8; ++j) highs[j] = codes[j] & 0xf0;
      coarse = F64x8::addSquare(coarse, octet.residual(F64x8::add(F64x8::fromInts(highs), half)));
      whole = F64x8::addSquare(whole, octet.residual(octet.codes));
      for (size_t j = 0; j < 4; ++j) {
        head[i / 8 * kLineBytes + j] = static_cast<uint8_t>((codes[j] >> 4) | highs[4 + j]);
        fine[i / 2 + j] = static_cast<uint8_t>((codes[j] & 15) | (codes[4 + j] << 4));
      }
    }
    t.coarseError[k] = coarse.reduce();
    t.fineError[k] = whole.reduce();
  }
}

void encodeRows(const EncodeRowsTask& t) {
  const auto& in = t.in;
  const F64x8 low = F64x8::broadcast(-127), high = F64x8::broadcast(127);
  for (size_t k = 0; k < in.count; ++k) {
    const double* values = in.values + k * in.stride + in.offset;
    uint8_t* out = t.plane + (in.first + k) * in.dims;
    F64x8 lanes = F64x8::zero();
    for (size_t i = 0; i < in.dims; i += 8) {
      const Octet octet(in, values, i, low, high);
      int32_t codes[8];
      octet.codes.storeInts(codes);
      for (int j = 0; j < 8; ++j) out[i + j] = static_cast<uint8_t>(codes[j]);
      lanes = F64x8::addSquare(lanes, octet.residual(octet.codes));
    }
    t.error[k] = lanes.reduce();
  }
}

void encodeBits(const EncodeBitsTask& t) {
  const auto& in = t.in;
  for (size_t k = 0; k < in.count; ++k) {
    const double* values = in.values + k * in.stride + in.offset;
    const size_t row = in.first + k;
    uint8_t* out = t.plane + (row / kBlockRows) * in.dims * 2 + row % kBlockRows;
    for (size_t g = 0; g < in.dims; g += 8, out += kBitLineBytes) {
      uint32_t bits = 0;
      for (size_t j = 0; j < 8; ++j) {
        bits |= static_cast<uint32_t>((values[g + j] - in.base[g + j]) * in.inverse[g + j] + 0.5 >= 1) << j;
      }
      *out = static_cast<uint8_t>(bits);
    }
  }
}

constexpr CodePasses makeCodePasses() {
  return {headDots,   bitDots,    rowDots<8>, rowDots<4>,   CodeLine::kSplitsRowQueries,
          nextAbove,  pruneVisit, pruneRows,  projectPanel, encodeHead,
          encodeRows, encodeBits};
}

}  // namespace
