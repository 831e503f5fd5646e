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
#else
#  define FUNNELVEC_COLD
#endif

namespace funnelvec {

struct NoVisitor {
  template <class... Members>
  void operator()(const char*, Members&&...) {}
};

template <class T, class = void>
constexpr bool hasArguments = false;
template <class T>
constexpr bool hasArguments<T, std::void_t<decltype(arguments(std::declval<NoVisitor&>(), std::declval<T&>()))>> = true;

class Signature {
 public:
  template <class Task>
  static std::vector<std::string> of() {
    Signature signature;
    Task task{};
    arguments(signature, task);
    return std::move(signature.arguments_);  // not a copy, which would want a newer C++ library
  }

  template <class... Members>
  void operator()(const char* names, Members&&... members) {
    const char* rest = names;
    (add(nextName(rest), members), ...);
  }

 private:
  // From "t.plane, sized(t.bits, t.size)": plane, bits.
  FUNNELVEC_COLD static std::string nextName(const char*& p) {
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

  template <class T>
  FUNNELVEC_COLD static std::string arrayOf(const char* brackets) {
    using Element = std::remove_const_t<T>;
    const char kind = std::is_floating_point_v<Element> ? 'f' : std::is_signed_v<Element> ? 'i' : 'u';
    const std::string type = kind + std::to_string(8 * sizeof(Element)) + brackets;
    return std::is_const_v<T> ? type : "out " + type;
  }

  FUNNELVEC_COLD void put(const std::string& type, const std::string& name) { arguments_.push_back(type + " " + name); }

  template <class T>
  std::enable_if_t<std::is_integral_v<T>> add(const std::string& name, T&) {
    put("size", name);
  }
  void add(const std::string& name, double&) { put("f64", name); }
  void add(const std::string& name, Metric&) { put("metric", name); }
  template <class T>
  void add(const std::string& name, T*&) {
    put(arrayOf<T>("[]"), name);
  }
  template <class T>
  void add(const std::string& name, Sized<T>&) {
    put(arrayOf<T>("[n]"), name);
  }
  void add(const std::string& name, Values&) { put("rows", name); }
  void add(const std::string& name, Matrix&) {
    put("rows", name);
    put("size", "dim");
  }
  void add(const std::string& name, Chunks&) { put("rows[]", name); }
  template <class T>
  std::enable_if_t<hasArguments<T>> add(const std::string&, T& part) {
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

template <auto kFunction>
std::vector<std::string> signatureOf() {
  return Signature::of<typename Parts<decltype(kFunction)>::Task>();
}

}  // namespace funnelvec
