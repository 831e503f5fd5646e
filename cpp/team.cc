#include "team.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "floating_point.h"

#ifdef _WIN32
#  define NOMINMAX
#  include <windows.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#  include <immintrin.h>
#endif

namespace funnelvec {
namespace {

thread_local uint32_t threadsOfThis = 1;

constexpr uint32_t kMost = kMostRanges / 2;
// Longer than what passes between two calls of one search, or between searches in a row.
constexpr std::chrono::microseconds kAwake{60};

inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  __asm__ volatile("yield");
#else
  std::this_thread::yield();
#endif
}

// A job is announced by one number, so that who comes late cannot take the part of another: its generation, how many
// helpers may join, how many parts it has, and the next one to be taken.
struct Ticket {
  uint32_t generation, helpers, parts, next;
};

Ticket read(uint64_t bits) {
  const uint32_t low = static_cast<uint32_t>(bits);
  return {static_cast<uint32_t>(bits >> 32), low >> 24, (low >> 12) & 4095, low & 4095};
}

uint64_t announced(uint32_t generation, uint32_t helpers, size_t parts) {
  return (uint64_t{generation} << 32) | (helpers << 24) | (static_cast<uint32_t>(parts) << 12);
}

// Node unloads an addon with the last thread that loaded it, and these would run on in what is no longer there. (Linux:
// the linker's nodelete. macOS keeps what has thread-local variables.)
void stayLoaded() {
#ifdef _WIN32
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCWSTR>(&stayLoaded), &self);
#endif
}

class Team {
 public:
  // One job at a time: who finds it taken works alone.
  bool tryRun(uint32_t threads, size_t parts, void (*work)(void*, size_t), void* context) {
    // Not a mutex: its try_lock would want a newer C library than the rest of this.
    if (busy_.exchange(true, std::memory_order_acquire)) return false;
    const bool shared = run(threads, parts, work, context);
    busy_.store(false, std::memory_order_release);
    return shared;
  }

 private:
  bool run(uint32_t threads, size_t parts, void (*work)(void*, size_t), void* context) {
    grow(threads - 1);
    if (helpers_ == 0) return false;
    work_ = work;
    context_ = context;
    done_.store(0, std::memory_order_relaxed);
    ticket_.store(announced(++generation_, threads - 1, parts));
    if (sleeping_.load() > 0) {
      { std::lock_guard<std::mutex> lock(sleep_); }
      wake_.notify_all();
    }
    takeParts(generation_, 0);
    while (done_.load(std::memory_order_acquire) < parts) pause();
    return true;
  }

  // @param rank 0 for who has the job, 1 and up for helpers
  void takeParts(uint32_t generation, uint32_t rank) {
    uint64_t bits = ticket_.load();
    for (;;) {
      const Ticket t = read(bits);
      if (t.generation != generation || t.next >= t.parts || rank > t.helpers) return;
      if (!ticket_.compare_exchange_weak(bits, bits + 1)) continue;
      // Until this part is done, so is not the job: its fields stay.
      work_(context_, t.next);
      done_.fetch_add(1, std::memory_order_release);
      bits = ticket_.load();
    }
  }

  void grow(uint32_t wanted) {
    if (helpers_ >= wanted || helpers_ >= most_) return;
    stayLoaded();
    while (helpers_ < wanted) {
      try {
        const uint32_t rank = helpers_ + 1;
        std::thread([this, rank] { help(rank); }).detach();
      } catch (...) {
        most_ = helpers_;  // no more threads here, and no more attempts: those that are there do
        return;
      }
      ++helpers_;
    }
  }

  void help(uint32_t rank) {
    const DefaultFloatingPoint mode;  // a thread begins with that of the one that started it
    uint32_t seen = read(ticket_.load()).generation;
    for (;;) {
      seen = next(seen);
      takeParts(seen, rank);
    }
  }

  // Waits for a generation other than this one.
  uint32_t next(uint32_t seen) {
    const auto start = std::chrono::steady_clock::now();
    for (uint32_t i = 1;; ++i) {
      const uint32_t now = read(ticket_.load(std::memory_order_acquire)).generation;
      if (now != seen) return now;
      pause();
      if (i % 64 == 0 && std::chrono::steady_clock::now() - start > kAwake) break;
    }
    std::unique_lock<std::mutex> lock(sleep_);
    sleeping_.fetch_add(1);
    const auto awake = [&] { return read(ticket_.load()).generation != seen; };
    // This waits as long as it takes; a plain wait() would want a newer C++ library.
    while (!wake_.wait_until(lock, std::chrono::system_clock::now() + std::chrono::hours(1), awake)) continue;
    sleeping_.fetch_sub(1);
    return read(ticket_.load()).generation;
  }

  // Somebody has the job, and what follows of it.
  std::atomic<bool> busy_{false};
  uint32_t helpers_ = 0, most_ = kMost;
  uint32_t generation_ = 0;
  void (*work_)(void*, size_t) = nullptr;
  void* context_ = nullptr;
  std::atomic<uint64_t> ticket_{0};
  std::atomic<size_t> done_{0};
  std::mutex sleep_;
  std::condition_variable wake_;
  std::atomic<int> sleeping_{0};
};

// Never destroyed: its threads wait in it for as long as the process lives.
Team& theTeam() {
  static Team* const team = new Team;
  return *team;
}

}  // namespace

void setTeam(uint32_t threads) { threadsOfThis = std::min(std::max(threads, 1u), kMost); }

uint32_t team() { return threadsOfThis; }

void inTeam(size_t parts, void (*work)(void*, size_t), void* context) {
  if (parts > 1 && threadsOfThis > 1 && theTeam().tryRun(threadsOfThis, parts, work, context)) return;
  for (size_t part = 0; part < parts; ++part) work(context, part);
}

}  // namespace funnelvec
