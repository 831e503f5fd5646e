// A table of each row's nearest rows: how it is made of head codes, and the walk over it.
#include <algorithm>
#include <cstring>
#include <vector>

#include "codes.h"
#include "isa/instruction-set.h"
#include "row-query.h"

namespace funnelvec {
namespace {

// As in src/kernels/codes-walk.ts.
constexpr size_t kWalkStep = 4;

// Places ahead whose neighbours, and rows of neighbours ahead whose codes are asked for.
constexpr size_t kAheadPlaces = 12;

inline void prefetch(const void* p) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(p);
#else
  (void)p;
#endif
}

// A row number of three bytes, the lowest first, or of four as in memory; no byte behind it is read.
template <size_t Bytes>
inline uint32_t numberAt(const uint8_t* p) {
  static_assert(Bytes == 3 || Bytes == 4, "row numbers have three bytes or four");
  if (Bytes == 3) return p[0] | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16;
  uint32_t number;
  std::memcpy(&number, p, sizeof number);
  return number;
}

struct Place {
  double key;
  uint32_t row;
  int32_t dot;
  bool walked;
};

class Walk {
 public:
  Walk(const InstructionSet& isa, const WalkTask& task)
      : isa_(isa), t_(task), query_(isa, 4, task.query, task.dims), places_(task.size + 1) {
    for (; taken_ < t_.found; ++taken_) {
      const int32_t dot = t_.best[taken_];
      places_[taken_] = {keyOf(t_.rows[taken_], dot), t_.rows[taken_], dot, false};
    }
    dots_.resize(kWalkStep * t_.degree);
  }

  size_t run() {
    for (size_t b = 0; b < t_.count; ++b) t_.marks[t_.blocks[b]] = t_.mask[t_.blocks[b]];
    for (size_t i = 0; i < std::min(taken_, kAheadPlaces); ++i) prefetchNeighbours(places_[i].row);
    uint32_t* const met = t_.met + 1;
    size_t known = 0, first = 0;  // places before the first are walked
    while (known + kWalkStep * t_.degree <= t_.room) {
      while (first < taken_ && places_[first].walked) ++first;
      if (first == taken_) break;
      size_t n = known, at = first;
      for (size_t steps = 0; at < taken_ && steps < kWalkStep; ++at) {
        if (places_[at].walked) continue;
        places_[at].walked = true;
        ++steps;
        n = gather(places_[at].row, n);
      }
      for (size_t i = at; i < std::min(taken_, at + kAheadPlaces); ++i) prefetchNeighbours(places_[i].row);
      isa_.codes.rowDots4({t_.plane, t_.dims / 2, t_.dims, met + known, n - known}, query_.query, dots_.data());
      for (size_t i = known; i < n; ++i) first = std::min(first, offer(met[i], dots_[i - known]));
      known = n;
    }
    for (size_t i = 0; i < taken_; ++i) {
      t_.rows[i] = places_[i].row;
      t_.best[i] = places_[i].dot;
    }
    for (size_t b = 0; b < t_.count; ++b) t_.marks[t_.blocks[b]] = 0;
    for (size_t i = 0; i < known; ++i) t_.marks[met[i] / kBlockRows] = 0;
    t_.met[0] = static_cast<uint32_t>(known);
    return taken_;
  }

 private:
  double keyOf(uint32_t row, int32_t dot) const {
    if (t_.metric == kCosine) return dot;
    const double v = dot * t_.scale + t_.constant;
    const double norm = t_.norms[row];
    return t_.metric == kDot ? norm * v : norm * (t_.twoQuery * v - norm);
  }

  void prefetchNeighbours(uint32_t row) const {
    const size_t bytes = t_.idBytes * t_.degree;
    const uint8_t* at = t_.table + row * bytes;
    prefetch(at);
    prefetch(at + bytes - 1);
  }

  // Writes the new ones among a row's neighbours behind the first n that were met. Returns how many there are then.
  size_t gather(uint32_t row, size_t n) { return t_.idBytes == 3 ? gatherBy<3>(row, n) : gatherBy<4>(row, n); }

  template <size_t Bytes>
  size_t gatherBy(uint32_t row, size_t n) {
    const uint8_t* of = t_.table + size_t{row} * t_.degree * Bytes;
    for (size_t i = 0; i < t_.degree; ++i) {
      const uint32_t other = numberAt<Bytes>(of + i * Bytes);
      uint16_t& marks = t_.marks[other / kBlockRows];
      const uint32_t bit = 1u << (other % kBlockRows);
      if (marks & bit) continue;
      marks = static_cast<uint16_t>(marks | bit);
      prefetch(t_.plane + size_t{other} * (t_.dims / 2));
      t_.met[1 + n++] = other;
    }
    return n;
  }

  // Returns the place that the row got, or the number of places.
  size_t offer(uint32_t row, int32_t dot) {
    const double key = keyOf(row, dot);
    if (taken_ == t_.size && !(taken_ > 0 && key > places_[taken_ - 1].key)) return taken_;
    Place* const begin = places_.data();
    Place* const end = begin + taken_;
    Place* const at = std::upper_bound(begin, end, key, [](double k, const Place& place) { return k > place.key; });
    std::memmove(static_cast<void*>(at + 1), at, static_cast<size_t>(end - at) * sizeof(Place));
    *at = {key, row, dot, false};
    prefetchNeighbours(row);
    taken_ = std::min(t_.size, taken_ + 1);
    return static_cast<size_t>(at - begin);
  }

  const InstructionSet& isa_;
  const WalkTask& t_;
  const SplitRowQuery query_;
  std::vector<Place> places_;  // and one to move the last one to
  std::vector<int32_t> dots_;
  size_t taken_ = 0;
};

// Writes the first rows that are not the row itself as its neighbours.
void writeOthers(const uint32_t* found, size_t count, uint32_t row, size_t degree, uint32_t* table) {
  uint32_t* out = table + size_t{row} * degree;
  uint32_t* const end = out + degree;
  for (size_t i = 0; i < count && out < end; ++i) {
    if (found[i] != row) *out++ = found[i];
  }
  std::fill(out, end, row);
}

}  // namespace

void neighbours(const InstructionSet& isa, const NeighboursTask& t) {
  const size_t k = t.degree + 1;
  std::vector<int8_t> query(t.dims);
  std::vector<int32_t> dots, best(k);
  std::vector<uint32_t> blocks, rows(k);
  for (size_t i = 0; i < t.rows; ++i) {
    const size_t row = t.first + i, own = row / kBlockRows;
    const uint8_t* codes = t.plane + own * t.dims * 8 + 4 * (row % kBlockRows);
    for (size_t d = 0; d < t.dims; ++d) {
      const uint8_t byte = codes[d / 8 * kLineBytes + (d & 3)];
      query[d] = static_cast<int8_t>(t.weights[16 * d + (d & 4 ? byte >> 4 : byte & 15)]);
    }
    blocks.clear();
    size_t next = 0;  // neighbouring lists may share a block
    for (const uint32_t* list = t.lists + i * t.sought; list < t.lists + (i + 1) * t.sought; ++list) {
      const size_t begin = t.offsets[*list], behind = t.offsets[*list + 1];
      if (begin == behind) continue;
      size_t from = begin / kBlockRows, to = (behind + kBlockRows - 1) / kBlockRows;
      if (to - from > t.most) {
        if (own >= from && own < to) {
          const size_t centred = own < from + t.most / 2 ? from : own - t.most / 2;
          from = std::min(centred, to - t.most);
        }
        to = from + t.most;
      }
      for (size_t block = std::max(next, from); block < to; ++block) blocks.push_back(static_cast<uint32_t>(block));
      next = std::max(next, to);
    }
    dots.resize(blocks.size() * kBlockRows);
    isa.codes.headDots({t.plane, t.dims / kGroupDims, blocks.data(), blocks.size()}, {query.data(), nullptr},
                       dots.data());
    const size_t found = topDots(isa, {dots.data(), blocks.data(), blocks.size(), t.mask, k, rows.data(), best.data()});
    writeOthers(rows.data(), found, static_cast<uint32_t>(row), t.degree, t.table);
  }
}

void relink(const InstructionSet& isa, const RelinkTask& t) {
  std::vector<int16_t> query(t.dims);
  std::vector<uint32_t> rows(t.size);
  std::vector<int32_t> best(t.size);
  for (size_t i = 0; i < t.rows; ++i) {
    const uint32_t row = static_cast<uint32_t>(t.first + i);
    const uint8_t* codes = t.plane + size_t{row} * (t.dims / 2);
    int32_t dot = 0;
    for (size_t d = 0; d < t.dims; ++d) {
      const uint8_t byte = codes[d / 8 * 4 + (d & 3)];
      const int code = d & 4 ? byte >> 4 : byte & 15;
      query[d] = t.weights[16 * d + code];
      dot += query[d] * code;
    }
    rows[0] = row;
    best[0] = dot;
    t.marks[row / kBlockRows] = static_cast<uint16_t>(1u << (row % kBlockRows));
    const uint8_t* from = reinterpret_cast<const uint8_t*>(t.from);
    const WalkTask task{t.plane,
                        t.dims,
                        query.data(),
                        from,
                        sizeof *t.from,
                        t.degree,
                        nullptr,
                        0,
                        nullptr,
                        t.marks,
                        kCosine,
                        nullptr,
                        1,
                        0,
                        0,
                        t.size,
                        1,
                        rows.data(),
                        best.data(),
                        t.room,
                        t.met};
    const size_t found = walk(isa, task);
    t.marks[row / kBlockRows] = 0;
    writeOthers(rows.data(), found, row, t.degree, t.table);
  }
}

size_t walk(const InstructionSet& isa, const WalkTask& task) { return Walk(isa, task).run(); }

}  // namespace funnelvec
