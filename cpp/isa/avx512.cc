// AVX-512 without VNNI: products of bytes are added in pairs, in 16 bits.
#include "avx512-vectors.h"
#include "ymm-dots.h"

namespace {

constexpr funnelvec::CpuFeature kNeeds[] = {funnelvec::kYmmState, funnelvec::kAvx2,     funnelvec::kFma,
                                            funnelvec::kF16c,     funnelvec::kZmmState, funnelvec::kAvx512f,
                                            funnelvec::kAvx512dq, funnelvec::kAvx512bw, funnelvec::kAvx512vl};

struct CodeLine : Avx512Line, YmmDots, funnelvec::SumsIn16Bits {
  static inline Run addProducts(Run run, Line codes, const int8_t* q) {
    return _mm512_add_epi16(run, _mm512_maddubs_epi16(codes, broadcastFour(q)));
  }
  static inline Sums addRun(Sums sums, Run run) {
    return _mm512_add_epi32(sums, _mm512_madd_epi16(run, _mm512_set1_epi16(1)));
  }
};

}  // namespace

#include "row-passes-inl.h"
// Behind it.
#include "code-passes-inl.h"

namespace funnelvec {
extern const InstructionSet kAvx512Set;
const InstructionSet kAvx512Set = makeInstructionSet("avx512", kNeeds, makeCodePasses());
}  // namespace funnelvec
