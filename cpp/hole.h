// Room of a file that nobody needs, given back to the file system: the file is as long as before, and reads as zeros
// there. Linux only.
#pragma once

#ifdef __linux__
#  include <cstddef>
#  include <cstdint>

#  include "arguments.h"

namespace funnelvec {

struct HoleTask {
  int fd;
  size_t pageSize;
  uint64_t first;  // page
  uint64_t pages;
};
FUNNELVEC_ARGUMENTS(HoleTask, t.fd, t.pageSize, t.first, t.pages)

// Returns 0, or the number of the system's error: EOPNOTSUPP where a file system has no holes.
int punchHole(const HoleTask& task);

}  // namespace funnelvec
#endif
