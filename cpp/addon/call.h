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

// Reads arguments into the members of a task, one after the other.
class Reader {
 public:
  Reader(napi_env env, const napi_value* values) : env_(env), next_(values) {}

  template <class... Members>
  void operator()(const char*, Members&&... members) {
    (read(members), ...);
  }

 private:
  // Out of line: some 200 arguments share them, and the addon is half as large.
  FUNNELVEC_NOINLINE uint32_t number() {
    uint32_t n = 0;
    napi_get_value_uint32(env_, *next_++, &n);
    return n;
  }
  FUNNELVEC_NOINLINE ArrayView view() { return viewOf(env_, *next_++); }
  // Node.js finds the type of an array by up to nine comparisons, so only those are asked for theirs that have several.
  FUNNELVEC_NOINLINE void* data(size_t* length) {
    void* data = nullptr;
    if (napi_get_typedarray_info(env_, *next_++, nullptr, length, &data, nullptr, nullptr) != napi_ok) {
      noTypedArray(env_);
    }
    return data;
  }

  template <class T>
  std::enable_if_t<std::is_integral_v<T> || std::is_enum_v<T>> read(T& to) {
    to = static_cast<T>(number());
  }
  void read(bool& to) { napi_get_value_bool(env_, *next_++, &to); }
  void read(double& to) { napi_get_value_double(env_, *next_++, &to); }
  template <class T>
  void read(T*& to) {
    to = static_cast<T*>(data(nullptr));
  }
  template <class T>
  void read(Sized<T>& to) {
    to.data = static_cast<T*>(data(&to.length));
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
    const napi_value array = *next_++;
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
  const napi_value* next_;
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

// Makes an error of JavaScript of the exception that is being handled, such as memory that ran out.
FUNNELVEC_COLD inline void throwToJavaScript(napi_env env) {
  try {
    throw;
  } catch (const Napi::Error& e) {
    e.ThrowAsJavaScriptException();
  } catch (const std::exception& e) {
    Napi::Error::New(env, std::string("funnelvec: ") + e.what()).ThrowAsJavaScriptException();
  }
}

// Calls of kernels are a microsecond short, and Napi::CallbackInfo takes memory for more than six arguments.
template <auto kFunction>
napi_value call(napi_env env, napi_callback_info info) {
  using Task = typename Parts<decltype(kFunction)>::Task;
  using Result = typename Parts<decltype(kFunction)>::Result;
  const DefaultFloatingPoint mode;
  try {
    size_t count = countArguments<Task>();
    napi_value values[countArguments<Task>()];  // undefined where the caller gave fewer
    void* isa = nullptr;
    if (napi_get_cb_info(env, info, &count, values, nullptr, &isa) != napi_ok) noArray(env);
    Reader reader(env, values);
    Task task{};
    arguments(reader, task);
    napi_value result = nullptr;
    if constexpr (std::is_void_v<Result>) {
      callOf(kFunction, isa, task);
    } else {
      napi_create_double(env, static_cast<double>(callOf(kFunction, isa, task)), &result);
    }
    return result;
  } catch (...) {
    throwToJavaScript(env);
    return nullptr;
  }
}

template <Napi::Value (*kCall)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  const DefaultFloatingPoint mode;
  try {
    return kCall(info);
  } catch (...) {
    throwToJavaScript(info.Env());
    return {};
  }
}

template <Napi::Value (*kCall)(const Napi::CallbackInfo&)>
void bindCall(Napi::Object to, const char* name, const InstructionSet* isa = nullptr) {
  to.Set(name, Napi::Function::New(to.Env(), guarded<kCall>, name, const_cast<InstructionSet*>(isa)));
}

template <auto kFunction>
void bind(Napi::Object to, const char* name, const InstructionSet* isa = nullptr) {
  napi_value function = nullptr;
  napi_create_function(to.Env(), name, NAPI_AUTO_LENGTH, call<kFunction>, const_cast<InstructionSet*>(isa), &function);
  to.Set(name, function);
}

}  // namespace funnelvec
