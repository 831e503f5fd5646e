// A lock of a whole file that the system drops with the process. Not on Windows, where opening a file can exclude
// others.
#pragma once

namespace funnelvec {

enum LockOutcome { kTaken = 0, kHeld = 1, kUnsupported = 2 };

// Never waits. The lock is of the open file: another descriptor, of this process too, is refused.
LockOutcome lockFile(int fd);
// At once, though a child process that was just forked may still have the descriptor.
void unlockFile(int fd);

}  // namespace funnelvec
