#include "hole.h"

#ifdef __linux__
#  include <fcntl.h>

#  include <cerrno>

namespace funnelvec {

int punchHole(const HoleTask& t) {
  const auto from = static_cast<off_t>(t.first * t.pageSize);
  const auto bytes = static_cast<off_t>(t.pages * t.pageSize);
  while (fallocate(t.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, bytes) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace funnelvec

#endif
