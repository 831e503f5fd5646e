#include "pages.h"

#ifdef __linux__
#  include <sys/mman.h>
#  include <unistd.h>

#  ifdef __GLIBC__
#    include <malloc.h>

#    include <atomic>
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

void trimMemory(const TrimTask& t) {
  static std::atomic<bool> trimming{false};
  if (trimming.exchange(true)) return;
  try {
    std::thread([keep = t.keep] {
      (void)malloc_trim(keep);
      trimming = false;
    }).detach();
  } catch (const std::system_error&) {
    trimming = false;
  }
}

#  endif

}  // namespace funnelvec

#endif
