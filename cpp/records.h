// Checksummed records of a file, scattered over it, read in one call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace funnelvec {

struct RecordsTask {
  int fd;
  // Of the file's header.
  uint64_t header;
  // Bytes of a record; the last four are the CRC-32C of what is before them and then of the row's ordinal.
  size_t stride;
  const uint32_t* slots;
  const uint32_t* ordinals;
  size_t count;
  // Out: `count × stride` bytes.
  uint8_t* out;
};

// Returns `count`, or the place in the list of a record that could not be read or has another checksum.
size_t readRecords(const RecordsTask& task);

}  // namespace funnelvec
