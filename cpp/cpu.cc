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

bool has(const CpuFeature& feature) {
  // XCR0 may be read only where CPUID says OSXSAVE; a leaf that does not exist repeats another one's bits.
  constexpr uint32_t kOsxsave = 1u << 27;
  if (cpuid(0).eax < 7 || !(cpuid(1).ecx & kOsxsave)) return false;
  uint64_t found = 0;
  switch (feature.in) {
    case CpuRegister::kEbx:
      found = cpuid(feature.leaf).ebx;
      break;
    case CpuRegister::kEcx:
      found = cpuid(feature.leaf).ecx;
      break;
    case CpuRegister::kXcr0:
      found = xcr0();
      break;
  }
  return (found & feature.bits) == feature.bits;
}

#else

bool has(const CpuFeature&) { return false; }

#endif

bool runs(const InstructionSet& isa) {
  for (size_t i = 0; i < isa.needed; ++i) {
    if (!has(isa.needs[i])) return false;
  }
  return true;
}

}  // namespace

std::vector<const InstructionSet*> allSets() {
  return {
#define FUNNELVEC_ADDRESS(set) &set,
      FUNNELVEC_INSTRUCTION_SETS(FUNNELVEC_ADDRESS)
#undef FUNNELVEC_ADDRESS
  };
}

std::vector<const InstructionSet*> supportedSets() {
  std::vector<const InstructionSet*> sets;
  for (const InstructionSet* isa : allSets()) {
    if (runs(*isa)) sets.push_back(isa);
  }
  return sets;
}

}  // namespace funnelvec
