// Records of a file: many in one call, to be written, or scattered over the file or over its image in memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace funnelvec {

// Rows one behind the other, as records: the values, zeros that are there already, the checksum.
struct RowsTask {
  const uint8_t* rows;
  // Of a row.
  size_t bytes;
  bool half;
  size_t count;
  // Ordinal of the first row; the others follow.
  uint32_t first;
  // Bytes of a record; the last four are the CRC-32C of what is before them and then of the row's ordinal.
  size_t stride;
  // Out: `count × stride` bytes, at a multiple of 4.
  uint8_t* out;
};

// Returns `count`, or the first row with a value that is not finite.
size_t encodeRecords(const RowsTask& task);

struct RecordsTask {
  int fd;
  // Of the file's header.
  uint64_t header;
  size_t stride;
  const uint32_t* slots;
  const uint32_t* ordinals;
  size_t count;
  // Out: `count × stride` bytes.
  uint8_t* out;
};

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

void copyRecords(const CopyTask& task);

}  // namespace funnelvec
