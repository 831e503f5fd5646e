#include "bits.h"

#include <algorithm>

namespace funnelvec {

void stretchBits(const StretchTask& t) {
  const size_t both = std::min(t.size, t.there);
  for (size_t w = 0; w < both; ++w) t.words[w] = t.high[w] & ~t.low[w];
  std::fill(t.words + both, t.words + t.size, 0u);
  const auto mend = [&](size_t from, size_t to, bool in) {
    for (size_t i = from; i < to; ++i) {
      const uint32_t row = t.rows[i], bit = uint32_t{1} << (row & 31);
      if (row >> 5 >= t.size) continue;
      uint32_t& word = t.words[row >> 5];
      word = in ? word | bit : word & ~bit;
    }
  };
  // Adds the rows that the bitmaps lack at both ends, and removes those that they have too much.
  mend(t.from, t.begin, true);
  mend(t.begin, t.from, false);
  mend(t.end, t.to, true);
  mend(t.to, t.end, false);
}

}  // namespace funnelvec
