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

namespace {

// Counts the ones of 64 bits at once, without an instruction that old processors lack.
inline uint64_t onesIn(uint64_t v) {
  v -= (v >> 1) & 0x5555555555555555u;
  v = (v & 0x3333333333333333u) + ((v >> 2) & 0x3333333333333333u);
  return (((v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u) >> 56;
}

inline uint64_t pairAt(const uint32_t* words) { return words[0] | uint64_t{words[1]} << 32; }

}  // namespace

size_t countBits(const CountTask& t) {
  uint64_t bits = 0;
  size_t w = 0;
  for (; w + 2 <= t.size; w += 2) bits += onesIn(pairAt(t.words + w));
  if (w < t.size) bits += onesIn(t.words[w]);
  return static_cast<size_t>(bits);
}

void listBits(const ListTask& t) {
  size_t n = 0;
  for (size_t w = 0; w < t.size; ++w) {
    const auto first = static_cast<uint32_t>(32 * w);
    for (uint32_t word = t.words[w]; word != 0 && n < t.room; word &= word - 1) {
      t.rows[n++] = first + static_cast<uint32_t>(onesIn(~word & (word - 1)));  // the bits below the lowest
    }
  }
}

size_t commonBits(const CommonTask& t) {
  for (size_t w = 0; w < t.size; ++w) t.words[w] = t.a[w] & t.b[w];
  return countBits({t.words, t.size});
}

size_t placesAt(const PlacesTask& t) {
  size_t placed = 0;
  for (size_t i = 0; i < t.count; ++i) {
    const uint32_t ordinal = t.ordinals[i];
    const uint32_t at = ordinal - t.first;  // far beyond the end for one before the first
    const uint32_t place = at < t.size ? t.places[at] : t.nowhere;
    // Without a branch: which ones have a place cannot be foretold.
    t.placed[placed] = place;
    t.left[i - placed] = ordinal;
    placed += place != t.nowhere;
  }
  return placed;
}

}  // namespace funnelvec
