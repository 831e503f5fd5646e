// Large memory in large pages, so that reads from anywhere in it find their page soon. Linux only.
#pragma once

#ifdef __linux__
#  include <cstddef>
#  include <cstdint>

#  include "arguments.h"

namespace funnelvec {

struct PagesTask {
  uint8_t* memory;
  size_t bytes;
};
FUNNELVEC_ARGUMENTS(PagesTask, sized(t.memory, t.bytes))

// Asks for them, before the memory is written; the kernel may have none left, or be told to give none.
void askLargePages(const PagesTask& task);

}  // namespace funnelvec
#endif
