#pragma once

#include <vector>

#include "kernels.h"

namespace funnelvec {

// The levels that this CPU has and this operating system keeps across context switches, best first; scalar is last.
std::vector<const KernelTable*> supportedKernels();

}  // namespace funnelvec
