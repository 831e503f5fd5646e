#ifndef _WIN32
// File offsets of 64 bits, wherever this is built.
#  define _FILE_OFFSET_BITS 64
#endif

#include "records.h"

#include <cstring>

#include "crc32c.h"

namespace funnelvec {

namespace {

void fetch(const uint8_t* from, size_t bytes) {
#if defined(__GNUC__) || defined(__clang__)
  for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(from + b);
#else
  (void)from;
  (void)bytes;
#endif
}

void put(uint32_t value, uint8_t* to) {
  for (int b = 0; b < 4; ++b) to[b] = static_cast<uint8_t>(value >> (8 * b));
}

// The checksum of a record without its last four bytes, and of its row's ordinal.
uint32_t checksum(const uint8_t* record, size_t stride, uint32_t ordinal) {
  uint8_t name[4];
  put(ordinal, name);
  return crc32c(name, 4, crc32c(record, stride - 4, 0));
}

// By their exponents: neither NaN nor infinity.
template <class Bits>
bool allFinite(const uint8_t* values, size_t n, Bits exponent) {
  const Bits* bits = reinterpret_cast<const Bits*>(values);
  Bits odd = 0;
  for (size_t i = 0; i < n; ++i) odd |= static_cast<Bits>((bits[i] & exponent) == exponent);
  return odd == 0;
}

}  // namespace

size_t encodeRecords(const RowsTask& t) {
  for (size_t i = 0; i < t.count; ++i) {
    uint8_t* record = t.into + i * t.stride;
    std::memcpy(record, t.rows + i * t.bytes, t.bytes);
    const bool finite = t.half ? allFinite<uint16_t>(record, t.bytes / 2, 0x7c00)
                               : allFinite<uint32_t>(record, t.bytes / 4, 0x7f800000);
    if (!finite) return i;
    put(checksum(record, t.stride, t.first + static_cast<uint32_t>(i)), record + t.stride - 4);
  }
  return t.count;
}

void copyRecords(const CopyTask& t) {
  const auto at = [&](size_t i) { return t.records + t.slots[i] * t.stride; };
  // Scattered rows come from far away: the next one is on its way while this one is copied.
  for (size_t i = 0; i < t.count; ++i) {
    if (i + 1 < t.count) fetch(at(i + 1), t.bytes);
    std::memcpy(t.out + t.places[i] * t.bytes, at(i), t.bytes);
  }
}

}  // namespace funnelvec

#ifdef _WIN32
namespace funnelvec {
// addon/files.cc does not offer it there.
size_t readRecords(const RecordsTask&) { return 0; }
}  // namespace funnelvec
#else

#  include <fcntl.h>
#  include <sys/uio.h>
#  include <unistd.h>
#  ifdef __linux__
#    include <sys/syscall.h>
#  endif

#  include <cerrno>

namespace funnelvec {

namespace {

off_t offsetOf(const RecordsTask& t, size_t i) {
  return static_cast<off_t>(t.headerBytes + static_cast<uint64_t>(t.slots[i]) * t.stride);
}

bool readWhole(const RecordsTask& t, size_t i) {
  uint8_t* to = t.out + i * t.stride;
  size_t done = 0;
  while (done < t.stride) {
    const ssize_t n = pread(t.fd, to + done, t.stride - done, offsetOf(t, i) + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

// Some that follow each other in the file: only what is in the page cache already.
bool readCached(const RecordsTask& t, size_t i, size_t n) {
#  if defined(RWF_NOWAIT) && defined(SYS_preadv2) && defined(__LP64__)
  struct iovec part = {t.out + i * t.stride, n * t.stride};
  // musl has a function of this name only since 1.2.5. Offsets are one word of the two where words have 64 bits.
  return syscall(SYS_preadv2, static_cast<long>(t.fd), &part, 1L, offsetOf(t, i), 0L, RWF_NOWAIT) ==
         static_cast<long>(n * t.stride);
#  else
  (void)t;
  (void)i;
  (void)n;
  return false;
#  endif
}

// The disk begins with this one, too, while others are waited for.
void announce(const RecordsTask& t, size_t i) {
#  if defined(__APPLE__)
  struct radvisory advice = {offsetOf(t, i), static_cast<int>(t.stride)};
  (void)fcntl(t.fd, F_RDADVISE, &advice);
#  else
  (void)posix_fadvise(t.fd, offsetOf(t, i), static_cast<off_t>(t.stride), POSIX_FADV_WILLNEED);
#  endif
}

bool isIntact(const RecordsTask& t, size_t i) {
  const uint8_t* record = t.out + i * t.stride;
  const uint8_t* s = record + t.stride - 4;
  const uint32_t stored = s[0] | (s[1] << 8) | (s[2] << 16) | (static_cast<uint32_t>(s[3]) << 24);
  return checksum(record, t.stride, t.ordinals[i]) == stored;
}

}  // namespace

size_t readRecords(const RecordsTask& t) {
  constexpr size_t kAtOnce = 256;
  for (size_t from = 0; from < t.count; from += kAtOnce) {
    const size_t to = t.count < from + kAtOnce ? t.count : from + kAtOnce;
    uint32_t waiting[kAtOnce];
    size_t n = 0;
    for (size_t i = from, end; i < to; i = end) {
      for (end = i + 1; end < to && t.slots[end] == t.slots[end - 1] + 1;) ++end;
      if (readCached(t, i, end - i)) continue;
      for (size_t k = i; k < end; ++k) {
        if (end - i == 1 || !readCached(t, k, 1)) waiting[n++] = static_cast<uint32_t>(k);
      }
    }
    for (size_t w = 0; n > 1 && w < n; ++w) announce(t, waiting[w]);
    for (size_t w = 0; w < n; ++w) {
      if (!readWhole(t, waiting[w])) return waiting[w];
    }
    for (size_t i = from; i < to; ++i) {
      if (!isIntact(t, i)) return i;
    }
  }
  return t.count;
}

}  // namespace funnelvec

#endif
