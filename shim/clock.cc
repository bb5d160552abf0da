// Clocks of CPU time that are a green thread's own, and timers that belong to one. The kernel counts for OS threads;
// scheduler/cpu_time.h counts for ours.

#include "shim/clock.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "scheduler/carrier.h"
#include "scheduler/cpu_time.h"
#include "scheduler/descriptor_table.h"
#include "shim/blocking_call.h"
#include "shim/real.h"

namespace unblock::clocks {
namespace {

// How the kernel numbers clocks of CPU time: the thread's number, complemented, above three bits.
constexpr int is_per_thread = 4, kind_mask = 3, kind_is_a_descriptor = 3;
constexpr int scheduled_time = 2;

clockid_t clock_of(pid_t tid) { return (clockid_t)(~(unsigned)tid << 3 | is_per_thread | scheduled_time); }

}  // namespace

Thread* owner_of(clockid_t clock) {
  if (!lifecycle::active()) return nullptr;
  if (clock == CLOCK_THREAD_CPUTIME_ID) return this_thread();
  if (clock >= 0 || !(clock & is_per_thread) || (clock & kind_mask) == kind_is_a_descriptor) return nullptr;
  pid_t tid = ~(clock >> 3);
  return tid == 0 ? this_thread() : thread_of_tid(tid);
}

}  // namespace unblock::clocks

using namespace unblock;

// pthread_getcpuclockid(3): the green thread's own.
INTERPOSED int pthread_getcpuclockid(pthread_t handle, clockid_t* clock) noexcept {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_getcpuclockid(handle, clock);
  if (!is_alive(*thread)) return ESRCH;
  *clock = clocks::clock_of(thread->tid);
  return 0;
}

// clock_gettime(2). Only the clocks of CPU time of a thread are ours to answer.
INTERPOSED int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (__builtin_expect(clock >= 0 && clock != CLOCK_THREAD_CPUTIME_ID, 1)) return real::clock_gettime(clock, time);
  Thread* thread = clocks::owner_of(clock);
  if (thread == nullptr) return real::clock_gettime(clock, time);
  if (is_out_of_reach(time)) return (int)answer(-EFAULT);
  *time = kernel::to_timespec(cpu_time::of(thread->green));
  return 0;
}

// clock_getres(2).
INTERPOSED int clock_getres(clockid_t clock, timespec* resolution) noexcept {
  bool ours = clocks::owner_of(clock) != nullptr;
  return real::clock_getres(ours ? CLOCK_THREAD_CPUTIME_ID : clock, resolution);
}

namespace {

int64_t microseconds(const timeval& time) { return time.tv_sec * int64_t{1'000'000} + time.tv_usec; }

timeval to_timeval(int64_t count) { return {count / 1'000'000, count % 1'000'000}; }

}  // namespace

// getrusage(2). The times of RUSAGE_THREAD are the green thread's, split into user and system as its OS thread's are;
// the rest is what the kernel has counted for that OS thread.
INTERPOSED int getrusage(__rusage_who_t who, rusage* usage) noexcept {
  int result = real::getrusage(who, usage);
  if (result != 0 || who != RUSAGE_THREAD || !lifecycle::on_green()) return result;
  int64_t user = microseconds(usage->ru_utime), system = microseconds(usage->ru_stime);
  int64_t own = cpu_time::of(*here.green) / 1000;
  int64_t own_user = user + system == 0 ? own : (int64_t)((double)own * (double)user / (double)(user + system));
  usage->ru_utime = to_timeval(own_user);
  usage->ru_stime = to_timeval(own - own_user);
  return result;
}

namespace unblock::clocks {
namespace {

// Timers that signal one thread, by the kernel's number: the tid, or 0.
DescriptorTable<std::atomic<int>> timer_targets;

int number_of(timer_t timer) { return (int)reinterpret_cast<intptr_t>(timer); }

}  // namespace

namespace {

int target_tid(const siginfo_t* info) {
  std::atomic<int>* target = info->si_code == SI_TIMER ? timer_targets.existing(info->si_timerid) : nullptr;
  return target != nullptr ? target->load(std::memory_order_acquire) : 0;
}

}  // namespace

Thread* target_of_timer(const siginfo_t* info) {
  int tid = target_tid(info);
  return tid != 0 ? thread_of_tid(tid) : nullptr;
}

bool outlived_its_target(const siginfo_t* info) {
  int tid = target_tid(info);
  return tid != 0 && thread_of_tid(tid) == nullptr;
}

}  // namespace unblock::clocks

// timer_create(2). A timer on the caller's CPU clock needs an OS thread of the caller's own. One that signals a thread
// of ours signals the process, and the signal is passed to the thread when it comes.
INTERPOSED int timer_create(clockid_t clock, sigevent* event, timer_t* timer) noexcept {
  if (!lifecycle::on_green()) return real::timer_create(clock, event, timer);
  Thread* owner = clocks::owner_of(clock);
  if (owner == this_thread()) {
    if (!owner->green.bound_for_life) bind_to_os_thread(true);
    clock = CLOCK_THREAD_CPUTIME_ID;
  } else if (owner != nullptr) {
    return (int)answer(-ENOTSUP);
  }
  Thread* target = nullptr;
  sigevent changed;
  if (event != nullptr && event->sigev_notify == SIGEV_THREAD_ID) {
    target = thread_of_tid(event->_sigev_un._tid);
    if (target != nullptr) {
      changed = *event;
      changed.sigev_notify = SIGEV_SIGNAL;
      event = &changed;
    }
  }
  int result = real::timer_create(clock, event, timer);
  if (result == 0 && target != nullptr) {
    std::atomic<int>* entry = clocks::timer_targets.at(clocks::number_of(*timer));
    if (entry != nullptr) entry->store(target->tid, std::memory_order_release);
  }
  return result;
}

// timer_delete(2).
INTERPOSED int timer_delete(timer_t timer) noexcept {
  std::atomic<int>* entry = clocks::timer_targets.existing(clocks::number_of(timer));
  if (entry != nullptr) entry->store(0, std::memory_order_release);
  return real::timer_delete(timer);
}
