#include "pages.h"

#ifdef __linux__
#  include <sys/mman.h>
#  include <unistd.h>

namespace funnelvec {

void askLargePages(const PagesTask& t) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(t.memory) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(t.memory) + t.bytes) / page * page;
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace funnelvec

#endif
