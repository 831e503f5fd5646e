#include "topk.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace funnelvec {

TopK::TopK(size_t k) : k_(k) { heap_.reserve(k); }

void TopK::grow(Entry e) {
  heap_.push_back(e);
  std::push_heap(heap_.begin(), heap_.end(), better);
}

// One walk down instead of pop_heap's down and push_heap's up.
void TopK::replaceRoot(Entry e) {
  const size_t n = heap_.size();
  size_t i = 0;
  for (size_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && better(heap_[child], heap_[child + 1])) ++child;
    if (!better(e, heap_[child])) break;
    heap_[i] = heap_[child];
  }
  heap_[i] = e;
}

size_t TopK::drain(uint32_t* indices, double* keys) {
  std::sort_heap(heap_.begin(), heap_.end(), better);
  const size_t n = heap_.size();
  for (size_t i = 0; i < n; ++i) {
    indices[i] = heap_[i].row;
    keys[i] = heap_[i].key;
  }
  heap_.clear();
  return n;
}

namespace {

double median(double a, double b, double c) { return std::max(std::min(a, b), std::min(std::max(a, b), c)); }

}  // namespace

// Quickselect that writes both sides without a branch: survivors of a funnel stage are about half of the rows, the
// worst case for a predictor.
double kthLargest(const double* keys, size_t n, size_t k, double* scratch) {
  const double* from = keys;
  double* to = scratch;
  double* spare = scratch + n;
  for (int rounds = 0; n > 1; ++rounds) {
    if (rounds == 48) {                           // an adversary's order: introselect has a bound
      double* rest = scratch + (from - scratch);  // by now it lies in the scratch memory
      std::nth_element(rest, rest + (k - 1), rest + n, std::greater<double>());
      return rest[k - 1];
    }
    const double pivot = median(from[0], from[n / 2], from[n - 1]);
    size_t above = 0, below = 0;
    for (size_t i = 0; i < n; ++i) {
      const double key = from[i];
      to[above] = key;
      above += key > pivot;
      to[n - 1 - below] = key;
      below += key < pivot;
    }
    if (k <= above) {
      n = above;
      from = to;
    } else if (k <= n - below) {
      return pivot;
    } else {
      k -= n - below;
      from = to + (n - below);
      n = below;
    }
    std::swap(to, spare);
  }
  return from[0];
}

size_t topK(const TopKTask& task) {
  TopK best(std::min(task.k, task.count));
  for (size_t i = 0; i < task.count; ++i) best.push(task.scores[i] + 0.0, static_cast<uint32_t>(i));
  return best.drain(task.indices, task.keys);
}

}  // namespace funnelvec
