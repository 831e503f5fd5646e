// Functions of JavaScript for the index's files and sets of rows (src/store/files/native.ts).
#include "../bits.h"
#include "../crc32c.h"
#include "../hole.h"
#include "../lock.h"
#include "../pages.h"
#include "../records.h"
#include "bindings.h"
#include "call.h"

namespace funnelvec {
namespace {

uint32_t checksum(const ChecksumTask& t) {
  return crc32c(t.bytes + static_cast<size_t>(t.from), static_cast<size_t>(t.to - t.from), t.seed);
}

#ifndef _WIN32

struct FileTask {
  int fd;
};
FUNNELVEC_ARGUMENTS(FileTask, t.fd)

// 0: taken, 1: another has it, 2: there are no locks on this file.
int lock(const FileTask& t) { return lockFile(t.fd); }
void unlock(const FileTask& t) { unlockFile(t.fd); }

#endif

}  // namespace

void bindFiles(Napi::Object common) {
  bind<checksum>(common, "crc32c");
  bind<stretchBits>(common, "stretchBits");
  bind<countBits>(common, "countBits");
  bind<listBits>(common, "listBits");
  bind<commonBits>(common, "commonBits");
  bind<placesAt>(common, "placesAt");
  bind<encodeRecords>(common, "encodeRecords");
  bind<copyRecords>(common, "copyRecords");
#ifndef _WIN32
  bind<readRecords>(common, "readRecords");
  bind<lock>(common, "lockFile");
  bind<unlock>(common, "unlockFile");
#endif
#ifdef __linux__
  bind<askLargePages>(common, "askLargePages");
  bind<punchHole>(common, "punchHole");
#endif
#ifdef __GLIBC__
  bind<trimMemory>(common, "trimMemory");
#endif
}

void describeFiles(const Describe& describe) {
  describe("crc32c", signatureOf<checksum>());
  describe("stretchBits", signatureOf<stretchBits>());
  describe("countBits", signatureOf<countBits>());
  describe("listBits", signatureOf<listBits>());
  describe("commonBits", signatureOf<commonBits>());
  describe("placesAt", signatureOf<placesAt>());
  describe("encodeRecords", signatureOf<encodeRecords>());
  describe("copyRecords", signatureOf<copyRecords>());
#ifndef _WIN32
  describe("readRecords", signatureOf<readRecords>());
  describe("lockFile", signatureOf<lock>());
  describe("unlockFile", signatureOf<unlock>());
#endif
#ifdef __linux__
  describe("askLargePages", signatureOf<askLargePages>());
  describe("punchHole", signatureOf<punchHole>());
#endif
#ifdef __GLIBC__
  describe("trimMemory", signatureOf<trimMemory>());
#endif
}

}  // namespace funnelvec
