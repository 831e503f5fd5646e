/* Loaded before the C library (LD_PRELOAD): makes one system call on files below $FAULT_FOLDER fail, of Node and of LMDB
 * alike. access("/fault/<n>/<errno>") arms it for the n-th call from there on; access("/fault/told") writes how many calls
 * there were, and which one failed, to $FAULT_FOLDER.told, where the latter is also when it fails. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long calls, target;
static int armed, error;
static char failed[600];

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int below(const char* path) {
  const char* folder = getenv("FAULT_FOLDER");
  size_t n = folder ? strlen(folder) : 0;
  return n && path && strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static void tell(void) {
  char name[512], text[700];
  snprintf(name, sizeof name, "%s.told", getenv("FAULT_FOLDER"));
  const int length = snprintf(text, sizeof text, "%ld %s", calls, failed);
  const long fd = syscall(SYS_openat, AT_FDCWD, name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  syscall(SYS_write, fd, text, length);
  syscall(SYS_close, fd);
}

/* Whether this call is the one to fail. */
static int fails(const char* call, const char* path) {
  int is = 0;
  if (!below(path)) return 0;
  pthread_mutex_lock(&mutex);
  if (++calls == target) {
    is = 1;
    snprintf(failed, sizeof failed, "%s %s", call, path);
    tell();
  }
  pthread_mutex_unlock(&mutex);
  if (is) errno = error;
  return is;
}

static int failsOn(const char* call, int fd) {
  char name[40], path[512];
  if (!armed) return 0;
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(name, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  return fails(call, path);
}

int access(const char* path, int mode) {
  REAL(access);
  int n, code;
  if (strcmp(path, "/fault/told") == 0) {
    armed = 0;
    tell();
    return 0;
  }
  if (sscanf(path, "/fault/%d/%d", &n, &code) == 2) {
    pthread_mutex_lock(&mutex);
    armed = 1;
    calls = 0;
    target = n;
    error = code;
    failed[0] = 0;
    pthread_mutex_unlock(&mutex);
    return 0;
  }
  if (armed && fails("access", path)) return -1;
  return real(path, mode);
}

#define ON_PATH(type, name, bad, parameters, arguments, path) \
  type name parameters { \
    REAL(name); \
    if (armed && fails(#name, path)) return bad; \
    return real arguments; \
  }
#define ON_FD(type, name, parameters, arguments) \
  type name parameters { \
    REAL(name); \
    if (failsOn(#name, fd)) return -1; \
    return real arguments; \
  }

ON_PATH(int, link, -1, (const char* from, const char* to), (from, to), to)
ON_PATH(int, mkdir, -1, (const char* path, mode_t mode), (path, mode), path)
ON_PATH(int, rename, -1, (const char* from, const char* to), (from, to), from)
ON_PATH(int, rmdir, -1, (const char* path), (path), path)
ON_PATH(int, unlink, -1, (const char* path), (path), path)
ON_PATH(int, stat64, -1, (const char* path, struct stat64* into), (path, into), path)
ON_PATH(DIR*, opendir, NULL, (const char* path), (path), path)
ON_PATH(int, scandir64, -1,
        (const char* path, struct dirent64*** names, int (*filter)(const struct dirent64*),
         int (*compare)(const struct dirent64**, const struct dirent64**)),
        (path, names, filter, compare), path)

ON_FD(int, fallocate64, (int fd, int mode, off64_t at, off64_t bytes), (fd, mode, at, bytes))
ON_FD(int, fdatasync, (int fd), (fd))
ON_FD(int, flock, (int fd, int how), (fd, how))
ON_FD(int, fsync, (int fd), (fd))
ON_FD(int, fstat64, (int fd, struct stat64* into), (fd, into))
ON_FD(int, ftruncate64, (int fd, off64_t bytes), (fd, bytes))
ON_FD(ssize_t, read, (int fd, void* into, size_t bytes), (fd, into, bytes))
ON_FD(ssize_t, pread64, (int fd, void* into, size_t bytes, off64_t at), (fd, into, bytes, at))
ON_FD(ssize_t, preadv64, (int fd, const struct iovec* parts, int n, off64_t at), (fd, parts, n, at))
ON_FD(ssize_t, preadv64v2, (int fd, const struct iovec* parts, int n, off64_t at, int flags), (fd, parts, n, at, flags))
ON_FD(ssize_t, write, (int fd, const void* from, size_t bytes), (fd, from, bytes))
ON_FD(ssize_t, pwrite64, (int fd, const void* from, size_t bytes, off64_t at), (fd, from, bytes, at))
ON_FD(ssize_t, writev, (int fd, const struct iovec* parts, int n), (fd, parts, n))
ON_FD(ssize_t, pwritev64, (int fd, const struct iovec* parts, int n, off64_t at), (fd, parts, n, at))

void* mmap64(void* address, size_t bytes, int access_, int flags, int fd, off64_t at) {
  static void* (*real)(void*, size_t, int, int, int, off64_t);
  if (!real) *(void**)&real = dlsym(RTLD_NEXT, "mmap64");
  if (fd >= 0 && failsOn("mmap", fd)) return (void*)-1;
  return real(address, bytes, access_, flags, fd, at);
}

/* It closes all the same. */
int close(int fd) {
  REAL(close);
  const int is = failsOn("close", fd), code = errno;
  const int answer = real(fd);
  if (!is) return answer;
  errno = code;
  return -1;
}

int open64(const char* path, int flags, ...) {
  REAL(open64);
  va_list more;
  va_start(more, flags);
  const int mode = va_arg(more, int);
  va_end(more);
  if (armed && fails("open", path)) return -1;
  return real(path, flags, mode);
}

int fcntl64(int fd, int what, ...) {
  REAL(fcntl64);
  va_list more;
  va_start(more, what);
  void* argument = va_arg(more, void*);
  va_end(more);
  if ((what == F_SETLK || what == F_SETLKW) && failsOn("lock", fd)) return -1;
  return real(fd, what, argument);
}

/* How Node calls statx(2). */
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (!real) *(void**)&real = dlsym(RTLD_NEXT, "syscall");
  va_list more;
  va_start(more, number);
  long a[6];
  for (int i = 0; i < 6; ++i) a[i] = va_arg(more, long);
  va_end(more);
  if (number == SYS_statx && armed) {
    const char* path = (const char*)a[1];
    if (path && path[0] ? fails("statx", path) : failsOn("fstat", (int)a[0])) return -1;
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
