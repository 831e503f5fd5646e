// The arguments of a task as text, such as "u8[] plane" or "out f64[] keys": `[n]` where the array brings its length
// along, `out` where the function writes into it. src/kernels/signatures.ts has the same words.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../arguments.h"
#include "../codes.h"
#include "../funnel.h"

// Told once, when the addon is loaded: small rather than fast.
#if defined(__GNUC__)
#  define FUNNELVEC_COLD __attribute__((noinline, cold))
#  define FUNNELVEC_NOINLINE __attribute__((noinline))
#else
#  define FUNNELVEC_COLD
#  define FUNNELVEC_NOINLINE
#endif

namespace funnelvec {

class Signature {
 public:
  template <class Task>
  FUNNELVEC_COLD static std::vector<std::string> of() {
    Signature signature;
    Task task{};
    arguments(signature, task);
    return std::move(signature.arguments_);  // not a copy, which would want a newer C++ library
  }

  template <class... Members>
  FUNNELVEC_COLD void operator()(const char* names, Members&&... members) {
    (add(names, members), ...);
  }

 private:
  // Takes the next name from "t.plane, sized(t.bits, t.size)": plane, bits.
  static std::string nextName(const char*& p) {
    std::string name;
    int depth = 0;
    bool done = false;
    for (; *p != '\0' && (depth > 0 || *p != ','); ++p) {
      depth += (*p == '(') - (*p == ')');
      done |= depth > 0 && *p == ',';
      if (done || *p == ' ' || *p == ')') continue;
      if (*p == '.' || *p == '(') {
        name.clear();
      } else {
        name += *p;
      }
    }
    if (*p == ',') ++p;
    return name;
  }

  // These three are compiled once for all tasks: more code for each argument would show in the package's size.
  FUNNELVEC_COLD void put(const char* type, const char* name) { arguments_.push_back(std::string(type) + " " + name); }
  FUNNELVEC_COLD void putNext(const char* type, const char*& names) { put(type, nextName(names).c_str()); }
  FUNNELVEC_COLD void putArray(bool written, char kind, int bits, const char* brackets, const char*& names) {
    const std::string type = (written ? "out " : "") + (kind + std::to_string(bits)) + brackets;
    putNext(type.c_str(), names);
  }

  template <class T>
  void addArray(const char* brackets, const char*& names) {
    using Element = std::remove_const_t<T>;
    constexpr char kind = std::is_floating_point_v<Element> ? 'f' : std::is_signed_v<Element> ? 'i' : 'u';
    putArray(!std::is_const_v<T>, kind, 8 * sizeof(Element), brackets, names);
  }

  template <class T>
  std::enable_if_t<std::is_integral_v<T>> add(const char*& names, T&) {
    putNext("size", names);
  }
  void add(const char*& names, bool&) { putNext("flag", names); }
  void add(const char*& names, double&) { putNext("f64", names); }
  void add(const char*& names, Metric&) { putNext("metric", names); }
  template <class T>
  void add(const char*& names, T*&) {
    addArray<T>("[]", names);
  }
  template <class T>
  void add(const char*& names, Sized<T>&) {
    addArray<T>("[n]", names);
  }
  void add(const char*& names, Values&) { putNext("rows", names); }
  void add(const char*& names, Matrix&) {
    putNext("rows", names);
    put("size", "dim");
  }
  void add(const char*& names, Chunks&) { putNext("rows[]", names); }
  template <class T>
  std::enable_if_t<hasArguments<T>> add(const char*& names, T& part) {
    nextName(names);
    arguments(*this, part);
  }

  std::vector<std::string> arguments_;
};

// The task and the answer of a function over a task.
template <class Function>
struct Parts;
template <class R, class T>
struct Parts<R (*)(const InstructionSet&, const T&)> {
  using Result = R;
  using Task = T;
};
template <class R, class T>
struct Parts<R (*)(const T&)> {
  using Result = R;
  using Task = T;
};

// Counts the arguments of a task.
struct ArgumentCount {
  size_t n = 0;

  template <class... Members>
  constexpr void operator()(const char*, Members&&... members) {
    (add(members), ...);
  }

 private:
  template <class T>
  constexpr void add(T& member) {
    if constexpr (hasArguments<T>) {
      arguments(*this, member);
    } else {
      n += std::is_same_v<T, Matrix> ? 2 : 1;  // a matrix is passed with its dim
    }
  }
};

template <class Task>
constexpr size_t countArguments() {
  Task task{};
  ArgumentCount count;
  arguments(count, task);
  return count.n;
}

template <auto kFunction>
std::vector<std::string> signatureOf() {
  return Signature::of<typename Parts<decltype(kFunction)>::Task>();
}

}  // namespace funnelvec
