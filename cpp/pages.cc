#include "pages.h"

#ifdef __linux__
#  include <sys/mman.h>
#  include <unistd.h>

#  ifdef __GLIBC__
#    include <malloc.h>

#    include <atomic>
#    include <chrono>
#    include <system_error>
#    include <thread>
#  endif

namespace funnelvec {

void askLargePages(const PagesTask& t) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(t.memory) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(t.memory) + t.bytes) / page * page;
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

#  ifdef __GLIBC__

namespace {

using Clock = std::chrono::steady_clock;

// malloc waits while a trim looks at its heap: seconds, where a program has millions of small blocks. So a trim is not
// followed by another before so many times as long as it took.
constexpr int kPauses = 50;

std::atomic<bool> trimming{false};
Clock::time_point pausedUntil;  // whoever trims may look at it

}  // namespace

void trimMemory(const TrimTask& t) {
  if (trimming.exchange(true)) return;
  const auto began = Clock::now();
  if (began < pausedUntil) {
    trimming = false;
    return;
  }
  try {
    std::thread([keep = t.keep, began] {
      (void)malloc_trim(keep);
      const auto ended = Clock::now();
      pausedUntil = ended + kPauses * (ended - began);
      trimming = false;
    }).detach();
  } catch (const std::system_error&) {
    trimming = false;
  }
}

#  endif

}  // namespace funnelvec

#endif
