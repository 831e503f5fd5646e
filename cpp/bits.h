// Sets of rows as bits: row o is bit o & 31 of word o >> 5.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arguments.h"

namespace funnelvec {

// Stretches of a list of rows, from bitmaps of two of its beginnings.
struct StretchTask {
  // Out.
  uint32_t* words;
  size_t size;
  // The first `end` rows of the list, and the first `begin`; at least as many words as `size`, or what is missing is
  // empty.
  const uint32_t* high;
  const uint32_t* low;
  size_t there;
  const uint32_t* rows;
  // The call asks for rows [from, to) of the list.
  size_t begin, from, end, to;
};
FUNNELVEC_ARGUMENTS(StretchTask, sized(t.words, t.size), sized(t.high, t.there), t.low, t.rows, t.begin, t.from, t.end,
                    t.to)

void stretchBits(const StretchTask& task);

struct CountTask {
  const uint32_t* words;
  size_t size;
};
FUNNELVEC_ARGUMENTS(CountTask, sized(t.words, t.size))

// Returns how many bits are set.
size_t countBits(const CountTask& task);

struct ListTask {
  const uint32_t* words;
  size_t size;
  // Out: the rows of the set, ascending, as many as there is room for.
  uint32_t* rows;
  size_t room;
};
FUNNELVEC_ARGUMENTS(ListTask, sized(t.words, t.size), sized(t.rows, t.room))

void listBits(const ListTask& task);

// The rows that two sets have in common.
struct CommonTask {
  const uint32_t *a, *b;
  // Out: as many words as both have.
  uint32_t* words;
  size_t size;
};
FUNNELVEC_ARGUMENTS(CommonTask, t.a, t.b, sized(t.words, t.size))

// Returns how many there are.
size_t commonBits(const CommonTask& task);

// Rows by ordinal, from ordinal `first` on.
struct PlacesTask {
  const uint32_t* places;
  size_t size;
  uint32_t first;
  uint32_t nowhere;  // the place of an ordinal that has none
  const uint32_t* ordinals;
  size_t count;
  // Out: the places of those that have one, and the ordinals of those that have none; room for all.
  uint32_t* placed;
  uint32_t* left;
};
FUNNELVEC_ARGUMENTS(PlacesTask, sized(t.places, t.size), t.first, t.nowhere, sized(t.ordinals, t.count), t.placed,
                    t.left)

// Returns how many have a place.
size_t placesAt(const PlacesTask& task);

}  // namespace funnelvec
