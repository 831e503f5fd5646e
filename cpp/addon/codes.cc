// The kernels of src/kernels/codes.ts as functions of JavaScript.
#include "../codes.h"

#include "../team.h"
#include "bindings.h"
#include "call.h"

namespace funnelvec {
namespace {

// Returns by how many bytes an array begins behind the begin of a cache line.
Napi::Value behindLine(const Napi::CallbackInfo& info) {
  const auto address = reinterpret_cast<uintptr_t>(viewOf(info.Env(), info[0]).data);
  return Napi::Number::New(info.Env(), static_cast<double>(address % kLineBytes));
}

// How many threads the code kernels may use that this thread calls.
Napi::Value team(const Napi::CallbackInfo& info) {
  setTeam(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

}  // namespace

void bindCodeKernels(Napi::Object level, const InstructionSet& isa) {
#define FUNNELVEC_BIND(kernel) bind<kernel>(level, #kernel, &isa);
  FUNNELVEC_CODE_KERNELS(FUNNELVEC_BIND)
#undef FUNNELVEC_BIND
}

void bindCommonCodeKernels(Napi::Object common) {
#define FUNNELVEC_BIND(kernel) bind<kernel>(common, #kernel);
  FUNNELVEC_COMMON_CODE_KERNELS(FUNNELVEC_BIND)
#undef FUNNELVEC_BIND
  bindCall<team>(common, "team");
  bindCall<behindLine>(common, "behindLine");
}

void describeCodeKernels(const Describe& describe) {
#define FUNNELVEC_DESCRIBE(kernel) describe(#kernel, signatureOf<kernel>());
  FUNNELVEC_CODE_KERNELS(FUNNELVEC_DESCRIBE)
  FUNNELVEC_COMMON_CODE_KERNELS(FUNNELVEC_DESCRIBE)
#undef FUNNELVEC_DESCRIBE
}

}  // namespace funnelvec
