// Threads that share the work of one kernel call. They wait for more of it for a moment, as calls of one search follow
// each other, and sleep then.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace funnelvec {

// How many threads kernels may use that are called from this thread; 1 at first.
void setTeam(uint32_t threads);
uint32_t team();

// Runs work(context, 0 .. parts - 1), each once, in any order, on this thread and on those of the team that are awake.
// Returns when all have run. `work` must not throw. At most 4,095 parts.
void inTeam(size_t parts, void (*work)(void* context, size_t part), void* context);

constexpr size_t kMostRanges = 2 * 64;

// The same for ranges of [0, n), in multiples of `step`: work(from, to, part), two for each thread of the team. One
// range where this thread works alone or n is below `least`. Returns how many.
template <class Work>
size_t inRanges(size_t n, size_t least, size_t step, Work work) {
  const size_t pieces = 2 * team();
  if (pieces < 4 || n == 0 || n < least) {
    work(size_t{0}, n, size_t{0});
    return 1;
  }
  struct Context {
    Work* work;
    size_t n, size;
    std::atomic<bool> failed;
  };
  const size_t size = ((n + pieces - 1) / pieces + step - 1) / step * step;
  Context context = {&work, n, size, {false}};
  const size_t parts = (n + size - 1) / size;
  inTeam(
      parts,
      [](void* p, size_t part) {
        Context& c = *static_cast<Context*>(p);
        const size_t from = part * c.size;
        try {
          (*c.work)(from, c.n - from < c.size ? c.n : from + c.size, part);
        } catch (...) {
          c.failed = true;
        }
      },
      &context);
  if (context.failed) throw std::bad_alloc();
  return parts;
}

}  // namespace funnelvec
