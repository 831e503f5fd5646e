// Records of a file: many in one call, to be written, or scattered over the file or over its image in memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arguments.h"

namespace funnelvec {

// Rows that become records, one behind the other. A record is the values, zeros that are there already, and the
// checksum.
struct RowsTask {
  const uint8_t* rows;
  size_t bytes;  // of a row
  bool half;
  size_t count;
  uint32_t first;  // ordinal of the first row; the others follow
  // Bytes of a record; the last four are the CRC-32C of what is before them and then of the row's ordinal.
  size_t stride;
  // Out: `count × stride` bytes, at a multiple of 4.
  uint8_t* into;
};
FUNNELVEC_ARGUMENTS(RowsTask, t.rows, t.bytes, t.half, t.count, t.first, t.stride, t.into)

// Returns `count`, or the first row with a value that is not finite.
size_t encodeRecords(const RowsTask& task);

struct RecordsTask {
  int fd;
  uint64_t headerBytes;  // of the file
  size_t stride;
  const uint32_t* slots;
  const uint32_t* ordinals;
  size_t count;
  // Out: `count × stride` bytes.
  uint8_t* out;
};
FUNNELVEC_ARGUMENTS(RecordsTask, t.fd, t.headerBytes, t.stride, t.slots, t.ordinals, t.count, t.out)

// Returns `count`, or the place in the list of a record that could not be read or has another checksum.
size_t readRecords(const RecordsTask& task);

// The first `bytes` of some records of an image, each to a place of its own.
struct CopyTask {
  const uint8_t* records;
  // Bytes from one record to the next.
  size_t stride;
  size_t bytes;
  // By record to copy: where it is, and where it goes, in units of `stride` and of `bytes`.
  const uint32_t* slots;
  const uint32_t* places;
  size_t count;
  uint8_t* out;
};
FUNNELVEC_ARGUMENTS(CopyTask, t.records, t.stride, t.bytes, t.slots, t.places, t.count, t.out)

void copyRecords(const CopyTask& task);

}  // namespace funnelvec
