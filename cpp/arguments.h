// How the members of a task come from TypeScript: each task has a function template `arguments` that hands them, in the
// order of the call, to a visitor, with their names. One visitor reads them (addon/call.h), another tells their names
// and types (addon/signature.h), which src/kernels/addon.ts compares with the signatures that TypeScript calls by.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace funnelvec {

// An array that brings its length along.
template <class T>
struct Sized {
  T*& data;
  size_t& length;
};

template <class T>
constexpr Sized<T> sized(T*& data, size_t& length) {
  return {data, length};
}

struct NoVisitor {
  template <class... Members>
  void operator()(const char*, Members&&...) {}
};

// Whether a member has members of its own.
template <class T, class = void>
constexpr bool hasArguments = false;
template <class T>
constexpr bool hasArguments<T, std::void_t<decltype(arguments(std::declval<NoVisitor&>(), std::declval<T&>()))>> = true;

}  // namespace funnelvec

// Names and members are the same words, so that neither can stand in another order than the other.
#define FUNNELVEC_ARGUMENTS(Task, ...)                   \
  template <class Visitor>                               \
  constexpr void arguments(Visitor&& visitor, Task& t) { \
    visitor(#__VA_ARGS__, __VA_ARGS__);                  \
  }
