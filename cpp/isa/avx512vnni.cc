// AVX-512 with VNNI: one instruction adds four products of bytes, in 32 bits.
#include "avx512-vectors.h"
#include "vnni-dots.h"
#include "ymm-dots.h"

namespace {

constexpr funnelvec::CpuFeature kNeeds[] = {
    funnelvec::kYmmState, funnelvec::kAvx2,     funnelvec::kFma,      funnelvec::kF16c,     funnelvec::kZmmState,
    funnelvec::kAvx512f,  funnelvec::kAvx512dq, funnelvec::kAvx512bw, funnelvec::kAvx512vl, funnelvec::kAvx512vnni};

struct CodeLine : Avx512Line, YmmDots, VnniDots, funnelvec::SumsIn32Bits {
  using VnniDots::dot4, VnniDots::dot8, YmmDots::dot4, YmmDots::dot8;

  static inline Run addProducts(Run run, Line codes, const int8_t* q) {
    return _mm512_dpbusd_epi32(run, codes, broadcastFour(q));
  }
  static inline Sums addRun(Sums sums, Run run) { return _mm512_add_epi32(sums, run); }
};

}  // namespace

#include "row-passes-inl.h"
// Behind it.
#include "code-passes-inl.h"

namespace funnelvec {
extern const InstructionSet kAvx512VnniSet;
const InstructionSet kAvx512VnniSet = makeInstructionSet("avx512vnni", kNeeds, makeCodePasses());
}  // namespace funnelvec
