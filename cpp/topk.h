// Selection: a heap for streams of scores, a threshold for sets that are pruned. Order: key descending, row ascending.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "arguments.h"

namespace funnelvec {

struct Entry {
  double key;
  uint32_t row;
};

inline bool better(const Entry& a, const Entry& b) { return a.key > b.key || (a.key == b.key && a.row < b.row); }

// The best k entries pushed so far; the root of the heap is the worst of them. Keys are never NaN.
class TopK {
 public:
  explicit TopK(size_t k);

  void push(double key, uint32_t row) {
    if (heap_.size() < k_) {
      grow({key, row});
    } else if (k_ > 0 && better({key, row}, heap_[0])) {
      replaceRoot({key, row});
    }
  }

  // Empties the heap into the outputs, best first; returns how many.
  size_t drain(uint32_t* indices, double* keys);

 private:
  void grow(Entry e);
  void replaceRoot(Entry e);

  size_t k_;
  std::vector<Entry> heap_;
};

struct TopKTask {
  const double* scores;
  size_t count;
  uint32_t* indices;  // out: min(k, count)
  size_t k;
  double* keys;  // out: as many
};
FUNNELVEC_ARGUMENTS(TopKTask, sized(t.scores, t.count), sized(t.indices, t.k), t.keys)

// The best of a list. Returns how many.
size_t topK(const TopKTask& task);

// The k-th largest of n keys, 1 <= k <= n. `scratch` holds 2n keys.
double kthLargest(const double* keys, size_t n, size_t k, double* scratch);

}  // namespace funnelvec
