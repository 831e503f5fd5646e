// From a call of JavaScript to a function over a task, and back. TypeScript has validated everything and passes a
// task's members one by one, in the order of its `arguments` (arguments.h); nothing is kept between calls, so that any
// number of threads may load this.
#pragma once

#include <napi.h>

#include <exception>
#include <string>
#include <type_traits>
#include <vector>

#include "../arguments.h"
#include "../codes.h"
#include "../floating_point.h"
#include "../funnel.h"
#include "signature.h"

namespace funnelvec {

struct ArrayView {
  napi_typedarray_type type;
  void* data;
  size_t length;
};

[[noreturn]] FUNNELVEC_COLD inline void noTypedArray(napi_env env) {
  throw Napi::TypeError::New(env, "funnelvec: a kernel expected a typed array");
}

// A typed array at any byte offset, over an ArrayBuffer or a SharedArrayBuffer.
inline ArrayView viewOf(napi_env env, napi_value value) {
  ArrayView v{};
  if (napi_get_typedarray_info(env, value, &v.type, &v.length, &v.data, nullptr, nullptr) != napi_ok) {
    noTypedArray(env);
  }
  return v;
}

// From the moment at which a thread is told to end it gets nothing out of arrays, while it goes on to call kernels for
// a little longer: without these checks on memory that was never given. What is thrown then reaches nobody.
[[noreturn]] FUNNELVEC_COLD inline void noArray(napi_env env) {
  throw Napi::Error::New(env, "funnelvec: a kernel expected an array, in a thread that is not being terminated");
}

inline uint32_t lengthOf(napi_env env, napi_value array) {
  uint32_t length = 0;
  if (napi_get_array_length(env, array, &length) != napi_ok) noArray(env);
  return length;
}

inline napi_value elementOf(napi_env env, napi_value array, uint32_t i) {
  napi_value element = nullptr;
  if (napi_get_element(env, array, i, &element) != napi_ok) noArray(env);
  return element;
}

inline RowType rowTypeOf(const ArrayView& v) { return v.type == napi_float32_array ? kFloat32 : kFloat16; }

// The arguments of a call, and those that lie behind each other in memory.
struct CallArguments {
  const Napi::CallbackInfo& info;
  size_t at = 0;
  napi_value next() { return info[at++]; }
};
struct ListedArguments {
  const napi_value* values;
  napi_value next() { return *values++; }
};

// Reads arguments into the members of a task, one after the other.
template <class Source>
class Reader {
 public:
  Reader(napi_env env, Source source) : env_(env), source_(source) {}

  template <class... Members>
  void operator()(const char*, Members&&... members) {
    (read(members), ...);
  }

 private:
  // Out of line: some 200 arguments share them, and the addon is half as large.
  FUNNELVEC_NOINLINE uint32_t number() {
    uint32_t n = 0;
    napi_get_value_uint32(env_, source_.next(), &n);
    return n;
  }
  FUNNELVEC_NOINLINE ArrayView view() { return viewOf(env_, source_.next()); }

  template <class T>
  std::enable_if_t<std::is_integral_v<T> || std::is_enum_v<T>> read(T& to) {
    to = static_cast<T>(number());
  }
  void read(bool& to) { to = number() != 0; }
  void read(double& to) { napi_get_value_double(env_, source_.next(), &to); }
  template <class T>
  void read(T*& to) {
    to = static_cast<T*>(view().data);
  }
  template <class T>
  void read(Sized<T>& to) {
    const ArrayView v = view();
    to.data = static_cast<T*>(v.data);
    to.length = v.length;
  }
  void read(Values& to) {
    const ArrayView v = view();
    to = {v.data, rowTypeOf(v), v.length};
  }
  void read(Matrix& to) {
    const ArrayView v = view();
    const size_t dim = number();
    to = {v.data, rowTypeOf(v), v.length / dim, dim};
  }
  void read(Chunks& to) {
    const napi_value array = source_.next();
    const uint32_t length = lengthOf(env_, array);
    chunks_.resize(length);
    to.type = kFloat32;
    for (uint32_t i = 0; i < length; ++i) {
      const ArrayView v = viewOf(env_, elementOf(env_, array, i));
      chunks_[i] = v.data;
      to.type = rowTypeOf(v);
    }
    to.data = chunks_.data();
  }
  template <class T>
  std::enable_if_t<hasArguments<T>> read(T& part) {
    arguments(*this, part);
  }

  napi_env env_;
  Source source_;
  std::vector<const void*> chunks_;
};

// Kernels that an instruction set runs, and functions that none changes.
template <class Result, class Task>
Result callOf(Result (*function)(const InstructionSet&, const Task&), const void* isa, const Task& task) {
  return function(*static_cast<const InstructionSet*>(isa), task);
}
template <class Result, class Task>
Result callOf(Result (*function)(const Task&), const void*, const Task& task) {
  return function(task);
}

template <auto kFunction>
Napi::Value call(const Napi::CallbackInfo& info) {
  using Task = typename Parts<decltype(kFunction)>::Task;
  using Result = typename Parts<decltype(kFunction)>::Result;
  Reader<CallArguments> reader(info.Env(), {info});
  Task task{};
  arguments(reader, task);
  if constexpr (std::is_void_v<Result>) {
    callOf(kFunction, info.Data(), task);
    return info.Env().Undefined();
  } else {
    return Napi::Number::New(info.Env(), static_cast<double>(callOf(kFunction, info.Data(), task)));
  }
}

// Memory that runs out becomes a JavaScript error. For use where an exception is being handled.
[[noreturn]] FUNNELVEC_COLD inline void rethrow(napi_env env) {
  try {
    throw;
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Napi::Error::New(env, std::string("funnelvec: ") + e.what());
  }
}

template <Napi::Value (*kCall)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  const DefaultFloatingPoint mode;
  try {
    return kCall(info);
  } catch (...) {
    rethrow(info.Env());
  }
}

template <Napi::Value (*kCall)(const Napi::CallbackInfo&)>
void bindCall(Napi::Object to, const char* name, const InstructionSet* isa = nullptr) {
  to.Set(name, Napi::Function::New(to.Env(), guarded<kCall>, name, const_cast<InstructionSet*>(isa)));
}

template <auto kFunction>
void bind(Napi::Object to, const char* name, const InstructionSet* isa = nullptr) {
  bindCall<call<kFunction>>(to, name, isa);
}

}  // namespace funnelvec
