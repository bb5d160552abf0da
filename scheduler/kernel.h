#pragma once
// The kernel, called without libc: results are values or -errno, and errno is never touched. Everything inside the
// library uses these, because libc's own functions are the names that we interpose. Async-signal-safe, thread-safe.

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include <atomic>

namespace unblock::kernel {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

template <class... Arguments>
long invoke(long number, Arguments... arguments) {
  return call(number, (long)arguments...);
}

// futex(2) for words that only our own OS threads share.
inline long futex_wait(const std::atomic<uint32_t>& word, uint32_t expected, const timespec* relative = nullptr) {
  return invoke(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, relative);
}

inline long futex_wake(const std::atomic<uint32_t>& word, int count) {
  return invoke(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count);
}

constexpr int64_t nanoseconds_per_second = 1'000'000'000;

inline int64_t nanoseconds(const timespec& time) { return time.tv_sec * nanoseconds_per_second + time.tv_nsec; }

inline timespec to_timespec(int64_t nanoseconds) {
  return {nanoseconds / nanoseconds_per_second, nanoseconds % nanoseconds_per_second};
}

// CLOCK_MONOTONIC in nanoseconds: libc's vDSO call, which we do not interpose for this clock.
inline int64_t now() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return nanoseconds(time);
}

// Writes one line to standard error, `unblock: ` before it. `parts` end with a null pointer.
void say(const char* const* parts);

template <class... Parts>
void say_line(Parts... parts) {
  const char* list[] = {parts..., nullptr};
  say(list);
}

// The decimal digits of `value`, written into `buffer` (24 bytes are enough); returns where they begin.
const char* decimal(char (&buffer)[24], int64_t value);

}  // namespace unblock::kernel
