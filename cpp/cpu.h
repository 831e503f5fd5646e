// The instruction sets that run on this processor.
#pragma once

#include <vector>

#include "isa/instruction-set.h"

namespace funnelvec {

// Returns the sets that are compiled for this architecture, best first.
std::vector<const InstructionSet*> allSets();
// Returns the sets whose features the processor has and whose registers the operating system saves across context
// switches, best first; scalar is last.
std::vector<const InstructionSet*> supportedSets();

}  // namespace funnelvec
