// The floating-point mode of a thread: rounding, and whether subnormal numbers count as zero. Other addons change it
// for their own ends and leave it so (onnxruntime's set_denormal_as_zero); sums of ours would have other bits then.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#  include <xmmintrin.h>
#endif

namespace funnelvec {

// Sets the mode that a thread starts with, and puts back what was there. To look costs some nanoseconds; to set, which
// is slower, is rarely needed.
class DefaultFloatingPoint {
 public:
  DefaultFloatingPoint() : before_(mode()) {
    if ((before_ & kModeBits) != kDefault) set((before_ & ~kModeBits) | kDefault);
  }
  ~DefaultFloatingPoint() {
    if ((before_ & kModeBits) != kDefault) set(before_);
  }
  DefaultFloatingPoint(const DefaultFloatingPoint&) = delete;
  DefaultFloatingPoint& operator=(const DefaultFloatingPoint&) = delete;

 private:
#if defined(__x86_64__) || defined(_M_X64)
  using Mode = uint32_t;
  // Without the flags of what has happened.
  static constexpr Mode kModeBits = 0xffc0;
  static constexpr Mode kDefault = 0x1f80;
  static Mode mode() { return _mm_getcsr(); }
  static void set(Mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__) && !defined(_MSC_VER)
  using Mode = uint64_t;
  static constexpr Mode kModeBits = ~Mode{0};
  static constexpr Mode kDefault = 0;
  static Mode mode() {
    Mode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void set(Mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#else
  using Mode = uint32_t;
  static constexpr Mode kModeBits = 0;
  static constexpr Mode kDefault = 0;
  static Mode mode() { return 0; }
  static void set(Mode) {}
#endif

  const Mode before_;
};

}  // namespace funnelvec
