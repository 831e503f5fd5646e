#include "lock.h"

#ifdef _WIN32
namespace funnelvec {
// addon/files.cc does not offer them there.
LockOutcome lockFile(int) { return kUnsupported; }
void unlockFile(int) {}
}  // namespace funnelvec
#else

#  include <sys/file.h>

#  include <cerrno>

namespace funnelvec {

LockOutcome lockFile(int fd) {
  for (;;) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return kTaken;
    if (errno == EWOULDBLOCK) return kHeld;
    if (errno != EINTR) return kUnsupported;
  }
}

void unlockFile(int fd) { (void)flock(fd, LOCK_UN); }

}  // namespace funnelvec

#endif
