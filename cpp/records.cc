#ifndef _WIN32
// File offsets of 64 bits, wherever this is built.
#  define _FILE_OFFSET_BITS 64
#endif

#include "records.h"

#include <cstring>

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

}  // namespace

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
// addon.cc does not offer it there.
size_t readRecords(const RecordsTask&) { return 0; }
}  // namespace funnelvec
#else

#  include <fcntl.h>
#  include <sys/uio.h>
#  include <unistd.h>

#  include <cerrno>

#  include "crc32c.h"

namespace funnelvec {

namespace {

off_t offsetOf(const RecordsTask& t, size_t i) {
  return static_cast<off_t>(t.header + static_cast<uint64_t>(t.slots[i]) * t.stride);
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

// Only what is in the page cache already.
bool readCached(const RecordsTask& t, size_t i) {
#  ifdef RWF_NOWAIT
  struct iovec part = {t.out + i * t.stride, t.stride};
  return preadv2(t.fd, &part, 1, offsetOf(t, i), RWF_NOWAIT) == static_cast<ssize_t>(t.stride);
#  else
  (void)t;
  (void)i;
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
  const size_t end = t.stride - 4;
  const uint32_t ordinal = t.ordinals[i];
  const uint8_t name[4] = {static_cast<uint8_t>(ordinal), static_cast<uint8_t>(ordinal >> 8),
                           static_cast<uint8_t>(ordinal >> 16), static_cast<uint8_t>(ordinal >> 24)};
  const uint8_t* s = record + end;
  const uint32_t stored = s[0] | (s[1] << 8) | (s[2] << 16) | (static_cast<uint32_t>(s[3]) << 24);
  return crc32c(name, 4, crc32c(record, end, 0)) == stored;
}

}  // namespace

size_t readRecords(const RecordsTask& t) {
  constexpr size_t kAtOnce = 256;
  for (size_t from = 0; from < t.count; from += kAtOnce) {
    const size_t to = t.count < from + kAtOnce ? t.count : from + kAtOnce;
    uint32_t waiting[kAtOnce];
    size_t n = 0;
    for (size_t i = from; i < to; ++i) {
      if (!readCached(t, i)) waiting[n++] = static_cast<uint32_t>(i);
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
