// The code kernels, once, for every instruction set: included behind kernels-inl.h by isa/*.cc, which also define `I`,
// a 64-byte line of codes and its sums. The rules of kernels-inl.h hold.

namespace {

using funnelvec::BitVisit;
using funnelvec::Bound;
using funnelvec::CodeTable;
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
using funnelvec::RowQuery;
using funnelvec::RowVisit;
using funnelvec::SiftTask;
using funnelvec::SurvivorsTask;
using funnelvec::TopDotsTask;

// Products of 4-bit codes and 7-bit queries are summed in 16 bits: 16 pairs of 2 · 15 · 64, or 8 of 2 · 15 · 127. In 32
// bits they have room, but an instruction that takes four cycles to add: sums of their own for each half of a line, and
// for two blocks at a time, keep it busy.
#ifdef FUNNELVEC_VNNI
constexpr size_t kWideRun = 1024, kNarrowRun = 1024;
constexpr bool kHalves = true;
constexpr size_t kBlocks = 2;
#else
constexpr size_t kWideRun = 8, kNarrowRun = 4;
constexpr bool kHalves = false;
constexpr size_t kBlocks = 1;
#endif

// Far enough for memory to answer before the line is wanted. Blocks that follow each other are asked for in their
// order, whatever order they are read in: two streams in turns take memory twice as long.
constexpr size_t kAheadLines = 64 * kBlocks;

// Blocks of rows, side by side.
template <bool kWide, size_t N>
inline void headBlocks(const uint8_t* const* blocks, size_t groups, const HeadQuery& q, int32_t* dots) {
  typename I::Sums low[N], high[N];
  for (size_t n = 0; n < N; ++n) low[n] = high[n] = I::none();
  size_t g = 0;
  while (g < groups) {
    const size_t run = kWide ? kWideRun : kNarrowRun;
    const size_t end = groups - g < run ? groups : g + run;
    typename I::Run l[N][2], h[N][2];
    for (size_t n = 0; n < N; ++n) l[n][0] = l[n][1] = h[n][0] = h[n][1] = I::start();
    for (; g < end; ++g) {
      const int8_t* ql = q.low + g * kGroupDims;
      const int8_t* qh = q.high + (kWide ? g * kGroupDims : 0);
      FUNNELVEC_UNROLL
      for (size_t n = 0; n < N; ++n) {
        constexpr size_t second = kHalves ? 1 : 0;
        const uint8_t* p = blocks[n] + g * kLineBytes;
        V::prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(blocks[0]) +
                                                  (kAheadLines + N * g + n) * kLineBytes));
        const typename I::Line line = I::load(p);
        const typename I::Line lows = I::lowHalves(line), highs = I::highHalves(line);
        l[n][0] = I::addProducts(l[n][0], lows, ql);
        if (kWide) h[n][0] = I::addProducts(h[n][0], lows, qh);
        l[n][second] = I::addProducts(l[n][second], highs, ql + 4);
        if (kWide) h[n][second] = I::addProducts(h[n][second], highs, qh + 4);
      }
    }
    for (size_t n = 0; n < N; ++n) {
      for (size_t half = 0; half < (kHalves ? 2 : 1); ++half) {
        low[n] = I::add(low[n], l[n][half]);
        if (kWide) high[n] = I::add(high[n], h[n][half]);
      }
    }
  }
  for (size_t n = 0; n < N; ++n) I::store(dots + n * kBlockRows, kWide ? I::combine(high[n], low[n]) : low[n]);
}

template <bool kWide>
void headDotsOf(const HeadVisit& visit, const HeadQuery& query, int32_t* dots) {
  const size_t blockBytes = visit.groups * kLineBytes;
  size_t b = 0;
  for (; b + kBlocks <= visit.count; b += kBlocks) {
    const uint8_t* blocks[kBlocks];
    for (size_t n = 0; n < kBlocks; ++n) blocks[n] = visit.plane + visit.blocks[b + n] * blockBytes;
    headBlocks<kWide, kBlocks>(blocks, visit.groups, query, dots + b * kBlockRows);
  }
  for (; b < visit.count; ++b) {
    const uint8_t* block = visit.plane + visit.blocks[b] * blockBytes;
    headBlocks<kWide, 1>(&block, visit.groups, query, dots + b * kBlockRows);
  }
}

void headDots(const HeadVisit& visit, const HeadQuery& query, int32_t* dots) {
  if (query.high) {
    headDotsOf<true>(visit, query, dots);
  } else {
    headDotsOf<false>(visit, query, dots);
  }
}

// Two entries a group, of at most 60 each: so many groups fit 16 bits.
constexpr size_t kBitRun = 512;

void bitDots(const BitVisit& v, int32_t* dots) {
  const size_t blockBytes = v.groups * kBitLineBytes;
  for (size_t b = 0; b < v.count; ++b, dots += kBlockRows) {
    const uint8_t* p = v.plane + v.blocks[b] * blockBytes;
    for (size_t r = 0; r < kBlockRows; ++r) dots[r] = v.least;
    for (size_t g = 0; g < v.groups; g += kBitRun) {
      const size_t n = v.groups - g < kBitRun ? v.groups - g : kBitRun;
      const size_t at = g * kBitLineBytes;
      I::addBits(p + at, n, v.low + at, v.high + at, dots);
    }
  }
}

// Listed rows lie anywhere: the lines of a later one are asked for while an earlier one is read.
constexpr size_t kAheadRows = 24;

template <int kBits, class Dot>
inline void visitRows(const RowVisit& v, int32_t* dots, Dot dot) {
  const uint8_t* plane = static_cast<const uint8_t*>(v.plane);
  const size_t bytes = v.dims * kBits / 8;
  const size_t fetched = bytes < 256 ? bytes : 256;
  for (size_t k = 0; k < v.count; ++k) {
    if (k + kAheadRows < v.count) {
      const uint8_t* next = plane + v.rows[k + kAheadRows] * v.stride;
      for (size_t i = 0; i < fetched; i += kLineBytes) V::prefetch(next + i);
    }
    dots[k] = dot(plane + v.rows[k] * v.stride);
  }
}

template <int kBits, class Query>
inline int32_t rowDot(const uint8_t* row, const Query& query, size_t dims) {
  if (kBits == 4) return I::dot4(row, query, dims);
  return I::dot8(reinterpret_cast<const int8_t*>(row), query, dims);
}

template <int kBits>
void rowDots(const RowVisit& visit, const RowQuery& q, int32_t* dots) {
  const size_t dims = visit.dims;
#ifdef FUNNELVEC_VNNI
  if (q.low) return visitRows<kBits>(visit, dots, [&](const uint8_t* row) { return rowDot<kBits>(row, q, dims); });
#endif
  const int16_t* values = q.values;
  visitRows<kBits>(visit, dots, [=](const uint8_t* row) { return rowDot<kBits>(row, values, dims); });
}

size_t nextAbove(const TopDotsTask& task, size_t from, size_t to, size_t step, int32_t least, uint32_t& takes) {
  for (size_t b = from; b < to; b += step) {
    takes = I::above(task.dots + b * kBlockRows, least) & task.mask[task.blocks[b]];
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

// One bit a row of half a block.
template <uint32_t kMetric>
inline uint32_t boundsReach(const SurvivorsTask& t, const int32_t* dots, size_t row) {
  const Bound& b = t.bound;
  V v = V::multiply(V::ofInts(dots), V::broadcast(t.scale));
  v = V::add(v, V::multiply(V::ofBytes(b.error + row), V::broadcast(b.errorScale)));
  v = V::add(v, V::multiply(V::ofBytes(b.tail + row), V::broadcast(b.tailScale)));
  v = V::add(v, V::broadcast(b.constant));
  if (kMetric != 0) {
    const V norm = V::widen(b.norms + row);
    if (kMetric == 2) v = V::subtract(V::multiply(V::broadcast(b.twoQuery), v), norm);
    v = V::multiply(norm, v);
  }
  return V::atLeast(v, V::broadcast(b.threshold));
}

template <uint32_t kMetric>
size_t survivorsBy(const SurvivorsTask& task) {
  const SurvivorsTask t = task;
  size_t n = 0;
  for (size_t b = 0; b < t.count; ++b) {
    const size_t base = t.blocks[b] * kBlockRows;
    const int32_t* dots = t.dots + b * kBlockRows;
    uint32_t stay = boundsReach<kMetric>(t, dots, base) | boundsReach<kMetric>(t, dots + 8, base + 8) << 8;
    stay &= t.mask[t.blocks[b]];
    if (stay == 0) continue;
    // Never beyond the room of what was visited: n is at most 16 b.
    I::compact(stay, static_cast<uint32_t>(base), dots, t.rows + n, t.kept + n);
    n += ones(stay);
  }
  return n;
}

size_t survivors(const SurvivorsTask& t) {
  return t.bound.metric == 0 ? survivorsBy<0>(t) : t.bound.metric == 1 ? survivorsBy<1>(t) : survivorsBy<2>(t);
}

size_t sift(const SiftTask& t) {
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
  V sums[R][C];
  FUNNELVEC_UNROLL
  for (int r = 0; r < R; ++r) {
    FUNNELVEC_UNROLL
    for (int c = 0; c < C; ++c) sums[r][c] = V::zero();
  }
  const double* x = p.rows + row;
  const double* b = p.basis + column;
  for (size_t j = 0; j < p.dim; ++j, x += kProjectRows, b += kProjectColumns) {
    V columns[C];
    FUNNELVEC_UNROLL
    for (int c = 0; c < C; ++c) columns[c] = V::load(b + c * kLanes);
    FUNNELVEC_UNROLL
    for (int r = 0; r < R; ++r) {
      const V value = V::broadcast(x[r]);
      FUNNELVEC_UNROLL
      for (int c = 0; c < C; ++c) sums[r][c] = V::addProduct(sums[r][c], value, columns[c]);
    }
  }
  FUNNELVEC_UNROLL
  for (int r = 0; r < R; ++r) {
    FUNNELVEC_UNROLL
    for (int c = 0; c < C; ++c) sums[r][c].store(p.out + (row + r) * kProjectColumns + column + c * kLanes);
  }
}

void projectPanel(const ProjectPanel& p) {
  constexpr int R = V::kPanelRows, C = V::kPanelColumns;
  for (size_t row = 0; row < kProjectRows; row += R) {
    for (size_t column = 0; column < kProjectColumns; column += C * kLanes) panelTile<R, C>(p, row, column);
  }
}

// Eight dims of a row: their codes as whole numbers, and what they leave of the values.
struct Octet {
  V values, base, step, codes;

  template <class In>
  inline Octet(const In& in, const double* row, size_t i, V low, V high)
      : values(V::load(row + i)), base(V::load(in.base + i)), step(V::load(in.step + i)) {
    const V t = V::multiply(V::subtract(values, base), V::load(in.inverse + i));
    codes = V::clampFloor(V::add(t, V::broadcast(0.5)), low, high);
  }
  inline V residual(V code) const { return V::subtract(values, V::add(base, V::multiply(step, code))); }
};

void encodeHead(const EncodeHeadTask& t) {
  const auto& in = t.in;
  const V low = V::zero(), high = V::broadcast(255), half = V::broadcast(7.5);
  for (size_t k = 0; k < in.count; ++k) {
    const double* values = in.values + k * in.stride + in.offset;
    const size_t row = in.first + k;
    uint8_t* head = t.head + (row / kBlockRows) * in.dims * 8 + 4 * (row % kBlockRows);
    uint8_t* fine = t.fine + row * (in.dims / 2);
    V coarse = V::zero(), whole = V::zero();
    for (size_t i = 0; i < in.dims; i += 8) {
      const Octet octet(in, values, i, low, high);
      int32_t codes[8], highs[8];
      octet.codes.storeInts(codes);
      for (int j = 0; j < 8; ++j) highs[j] = codes[j] & 0xf0;
      coarse = V::addSquare(coarse, octet.residual(V::add(V::ofInts(highs), half)));
      whole = V::addSquare(whole, octet.residual(octet.codes));
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
  const V low = V::broadcast(-127), high = V::broadcast(127);
  for (size_t k = 0; k < in.count; ++k) {
    const double* values = in.values + k * in.stride + in.offset;
    int8_t* out = t.plane + (in.first + k) * in.dims;
    V lanes = V::zero();
    for (size_t i = 0; i < in.dims; i += 8) {
      const Octet octet(in, values, i, low, high);
      int32_t codes[8];
      octet.codes.storeInts(codes);
      for (int j = 0; j < 8; ++j) out[i + j] = static_cast<int8_t>(codes[j]);
      lanes = V::addSquare(lanes, octet.residual(octet.codes));
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

constexpr CodeTable makeCodeTable() {
#ifdef FUNNELVEC_VNNI
  constexpr bool kSplits = true;
#else
  constexpr bool kSplits = false;
#endif
  return {headDots,  bitDots, rowDots<8>,   rowDots<4>, kSplits,    nextAbove,
          survivors, sift,    projectPanel, encodeHead, encodeRows, encodeBits};
}

}  // namespace
