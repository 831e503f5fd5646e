#include "cpu.h"

#if defined(__x86_64__)
#  include <cpuid.h>
#elif defined(_M_X64)
#  include <intrin.h>
#endif

namespace funnelvec {
namespace {

#if defined(__x86_64__) || defined(_M_X64)

struct Registers {
  uint32_t eax, ebx, ecx, edx;
};

Registers cpuid(uint32_t leaf) {
  Registers r{};
#  if defined(_MSC_VER) && !defined(__clang__)
  int v[4];
  __cpuidex(v, static_cast<int>(leaf), 0);
  r = {static_cast<uint32_t>(v[0]), static_cast<uint32_t>(v[1]), static_cast<uint32_t>(v[2]),
       static_cast<uint32_t>(v[3])};
#  else
  __cpuid_count(leaf, 0, r.eax, r.ebx, r.ecx, r.edx);
#  endif
  return r;
}

uint64_t xcr0() {
#  if defined(_MSC_VER) && !defined(__clang__)
  return _xgetbv(0);
#  else
  uint32_t lo, hi;
  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return (static_cast<uint64_t>(hi) << 32) | lo;
#  endif
}

constexpr uint32_t bit(int n) { return uint32_t{1} << n; }

enum Feature : uint32_t {
  kYmm = 1,  // the system saves YMM registers
  kZmm = 2,  // and ZMM and mask registers
  kAvx2 = 4,
  kFma = 8,
  kF16c = 16,
  kAvx512f = 32,
  kAvx512dq = 64,
  kAvx512bw = 128,
  kAvx512vl = 256,
  kAvx512vnni = 512,
};

uint32_t detect() {
  uint32_t found = 0;
  if (cpuid(0).eax < 7) return found;
  const Registers one = cpuid(1);
  const Registers seven = cpuid(7);
  const bool osxsave = one.ecx & bit(27);
  if (!osxsave) return found;
  const uint64_t saved = xcr0();
  if ((saved & 0x6) == 0x6) found |= kYmm;
  if ((saved & 0xe6) == 0xe6) found |= kZmm;
  if (one.ecx & bit(12)) found |= kFma;
  if (one.ecx & bit(29)) found |= kF16c;
  if (seven.ebx & bit(5)) found |= kAvx2;
  if (seven.ebx & bit(16)) found |= kAvx512f;
  if (seven.ebx & bit(17)) found |= kAvx512dq;
  if (seven.ebx & bit(30)) found |= kAvx512bw;
  if (seven.ebx & bit(31)) found |= kAvx512vl;
  if (seven.ecx & bit(11)) found |= kAvx512vnni;
  return found;
}

// Everything that the compiler flags of isa/*.cc permit.
constexpr uint32_t kAvx2Needs = kYmm | kAvx2 | kFma | kF16c;
constexpr uint32_t kAvx512Needs = kAvx2Needs | kZmm | kAvx512f | kAvx512dq | kAvx512bw | kAvx512vl;
constexpr uint32_t kAvx512VnniNeeds = kAvx512Needs | kAvx512vnni;

#endif

}  // namespace

std::vector<const KernelTable*> supportedKernels() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__) || defined(_M_X64)
  const uint32_t found = detect();
  if ((found & kAvx512VnniNeeds) == kAvx512VnniNeeds) tables.push_back(&kAvx512VnniKernels);
  if ((found & kAvx512Needs) == kAvx512Needs) tables.push_back(&kAvx512Kernels);
  if ((found & kAvx2Needs) == kAvx2Needs) tables.push_back(&kAvx2Kernels);
#elif defined(__aarch64__) || defined(_M_ARM64)
  tables.push_back(&kNeonKernels);  // part of the architecture
#endif
  tables.push_back(&kScalarKernels);
  return tables;
}

}  // namespace funnelvec
