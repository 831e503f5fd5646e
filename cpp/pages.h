// Pages of memory: large ones, so that reads from anywhere find theirs soon, and those that nobody uses. Linux only.
#pragma once

#ifdef __linux__
#  include <cstddef>
#  include <cstdint>
#  include <cstdlib>  // says whether this is glibc

#  include "arguments.h"

namespace funnelvec {

struct PagesTask {
  uint8_t* memory;
  size_t bytes;
};
FUNNELVEC_ARGUMENTS(PagesTask, sized(t.memory, t.bytes))

// Asks for them, before the memory is written; the kernel may have none left, or be told to give none.
void askLargePages(const PagesTask& task);

#  ifdef __GLIBC__

struct TrimTask {
  uint32_t keep;  // free bytes at the end of the heap that stay
};
FUNNELVEC_ARGUMENTS(TrimTask, t.keep)

// Gives the free pages between blocks in use to the system, in a thread of its own; free() does not. Nothing is done
// where no thread starts, while the last call is under way, or soon behind one that took long.
void trimMemory(const TrimTask& task);

#  endif

}  // namespace funnelvec
#endif
