// The functions that the addon exports, by topic.
#pragma once

#include <napi.h>

#include <functional>
#include <string>
#include <vector>

#include "../isa/instruction-set.h"

namespace funnelvec {

// kernels.cc and codes.cc: onto the object of one instruction set.
void bindKernels(Napi::Object level, const InstructionSet& isa);
void bindCodeKernels(Napi::Object level, const InstructionSet& isa);

// Functions that no instruction set changes, onto one object.
void bindCommonKernels(Napi::Object common);
void bindCommonCodeKernels(Napi::Object common);
void bindFiles(Napi::Object common);

// Tells the arguments of every function that is bound by its task.
using Describe = std::function<void(const char* name, const std::vector<std::string>& arguments)>;
void describeKernels(const Describe& describe);
void describeCodeKernels(const Describe& describe);
void describeFiles(const Describe& describe);

}  // namespace funnelvec
