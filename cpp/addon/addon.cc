// The addon's exports. src/kernels/addon.ts loads them for native.ts, codes-native.ts and src/store/files/native.ts.
#include <napi.h>

#include "../cpu.h"
#include "bindings.h"

namespace funnelvec {
namespace {

Napi::Array strings(Napi::Env env, const std::vector<std::string>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) array.Set(static_cast<uint32_t>(i), Napi::String::New(env, values[i]));
  return array;
}

// { headDots: ['u8[] plane', 'size dims', ...], ... }
Napi::Value signatures(const Napi::CallbackInfo& info) {
  Napi::Object all = Napi::Object::New(info.Env());
  const Describe describe = [&](const char* name, const std::vector<std::string>& arguments) {
    all.Set(name, strings(info.Env(), arguments));
  };
  describeKernels(describe);
  describeCodeKernels(describe);
  describeFiles(describe);
  return all;
}

// { avx512: ['avx2', 'fma', ...], ... }: the features that each instruction set of this architecture asks for, best
// first.
Napi::Value needs(const Napi::CallbackInfo& info) {
  Napi::Object all = Napi::Object::New(info.Env());
  for (const InstructionSet* isa : allSets()) {
    std::vector<std::string> features;
    for (size_t i = 0; i < isa->needed; ++i) {
      if (*isa->needs[i].name != '\0') features.emplace_back(isa->needs[i].name);
    }
    all.Set(isa->name, strings(info.Env(), features));
  }
  return all;
}

// { levels: { avx512: { scores, ... }, avx2: ..., scalar: ... }, common: { topK, ... }, signatures(), needs() }. The
// levels are the instruction sets that run here, best first.
Napi::Object init(Napi::Env env, Napi::Object exports) {
  Napi::Object levels = Napi::Object::New(env);
  for (const InstructionSet* isa : supportedSets()) {
    Napi::Object level = Napi::Object::New(env);
    bindKernels(level, *isa);
    bindCodeKernels(level, *isa);
    levels.Set(isa->name, level);
  }
  Napi::Object common = Napi::Object::New(env);
  bindCommonKernels(common);
  bindCommonCodeKernels(common);
  bindFiles(common);
  exports.Set("levels", levels);
  exports.Set("common", common);
  exports.Set("signatures", Napi::Function::New(env, signatures, "signatures"));
  exports.Set("needs", Napi::Function::New(env, needs, "needs"));
  return exports;
}

NODE_API_MODULE(funnelvec, init)

}  // namespace
}  // namespace funnelvec
