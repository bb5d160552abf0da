// Sleeping: a wait that only its deadline or a signal ends.

#include "scheduler/cpu_time.h"
#include "scheduler/wait.h"
#include "shim/blocking_call.h"
#include "shim/clock.h"
#include "shim/deadline.h"
#include "shim/real.h"

using namespace unblock;

namespace {

// 0 or EINTR; sleeping is never restarted (signal(7)).
int sleep_until(Deadline deadline) {
  auto once = [&] {
    Waiter waiter(WaitKind::sleep);
    return waiter.wait(deadline);
  };
  uint32_t handlers_before = signals::handlers_run();
  for (;;) {
    switch (once()) {
      case Wakeup::interrupted:
        cancellation::test();
        signals::deliver_pending();
        if (signals::handlers_run() != handlers_before) return EINTR;
        break;
      case Wakeup::cancelled: cancellation::test(); break;
      default: return 0;
    }
  }
}

// A length of time; the clock only matters for points.
int sleep_for(const timespec* length, timespec* rest) {
  if (is_out_of_reach(length)) return EFAULT;
  if (!is_valid(*length) || length->tv_sec < 0) return EINVAL;
  if (length->tv_sec == 0 && length->tv_nsec == 0) {
    yield();
    return 0;
  }
  Deadline deadline = deadline_after(*length);
  int error = sleep_until(deadline);
  if (error != EINTR || rest == nullptr) return error;
  if (is_out_of_reach(rest)) return EFAULT;
  *rest = deadline.left();
  return error;
}

// Another thread's CPU clock goes no faster than time does: who sleeps for what is left of it never oversleeps.
int sleep_on_cpu_time(Thread& owner, int flags, const timespec& time) {
  if (!is_valid(time) || time.tv_sec < 0) return EINVAL;
  cancellation::test();
  constexpr int64_t shortest = 1'000'000;
  int64_t until = time.tv_sec < INT64_MAX / kernel::nanoseconds_per_second - 1 ? kernel::nanoseconds(time) : INT64_MAX;
  if (!(flags & TIMER_ABSTIME) && __builtin_add_overflow(until, cpu_time::of(owner.green), &until)) until = INT64_MAX;
  while (is_alive(owner)) {
    int64_t left = until - cpu_time::of(owner.green);
    if (left <= 0) break;
    if (int error = sleep_until(Deadline::after(left > shortest ? left : shortest)); error != 0) return error;
  }
  return 0;
}

}  // namespace

// nanosleep(2). Suspends the calling thread only.
INTERPOSED int nanosleep(const timespec* length, timespec* rest) {
  if (!lifecycle::on_green()) return real::nanosleep(length, rest);
  cancellation::test();
  if (int error = sleep_for(length, rest); error != 0) return (int)answer(-error);
  return 0;
}
INTERPOSED int __nanosleep(const timespec* length, timespec* rest) { return nanosleep(length, rest); }

// clock_nanosleep(2): the error number is the result. Clocks of CPU time and the like block in a region.
INTERPOSED int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* rest) {
  bool ours = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
  if (!lifecycle::on_green()) return real::clock_nanosleep(clock, flags, time, rest);
  if (is_out_of_reach(time)) return real::clock_nanosleep(clock, flags, time, rest);
  if (Thread* owner = clocks::owner_of(clock)) {
    if (owner == this_thread()) return EINVAL;
    return sleep_on_cpu_time(*owner, flags, *time);
  }
  if (!ours) return in_long_region([&] { return real::clock_nanosleep(clock, flags, time, rest); });
  cancellation::test();
  if (!(flags & TIMER_ABSTIME)) return sleep_for(time, rest);
  if (!is_valid(*time) || time->tv_sec < 0) return EINVAL;
  return sleep_until(deadline_of(clock, *time));
}

// sleep(3): the whole seconds left are the result.
INTERPOSED unsigned sleep(unsigned seconds) {
  if (!lifecycle::on_green()) return real::sleep(seconds);
  cancellation::test();
  timespec length = {(time_t)seconds, 0}, rest = {};
  int error = seconds != 0 ? sleep_for(&length, &rest) : 0;
  return error == EINTR ? (unsigned)rest.tv_sec : 0;
}

// usleep(3).
INTERPOSED int usleep(useconds_t microseconds) {
  if (!lifecycle::on_green()) return real::usleep(microseconds);
  timespec length = {(time_t)(microseconds / 1'000'000), (long)(microseconds % 1'000'000) * 1000};
  return nanosleep(&length, nullptr);
}
