// How the kernel schedules a thread: policy, priority, affinity, niceness, CPU clock. The kernel keeps these for OS
// threads. Questions about a green thread are answered by the OS thread that runs it, or for one that has none to
// itself by the process. Whoever changes his own gets an OS thread for life first, so that nobody else is changed.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "scheduler/carrier.h"
#include "shim/blocking_call.h"
#include "shim/lifecycle.h"
#include "shim/real.h"

using namespace unblock;

namespace {

// The kernel's number for a green thread: 0, the caller, when it is the caller or has no OS thread to itself.
pid_t kernel_tid_of(const Thread& thread) {
  if (&thread == this_thread() || !thread.green.bound.load(std::memory_order_relaxed)) return 0;
  Carrier* carrier = thread.green.carrier.load(std::memory_order_seq_cst);
  return carrier != nullptr ? carrier->kernel_tid : 0;
}

// The green thread that a pid of the scheduling calls means; null when it is none of ours.
Thread* meant(pid_t pid) {
  if (!lifecycle::active()) return nullptr;
  return pid == 0 ? this_thread() : thread_of_tid(pid);
}

pid_t translated(pid_t pid) {
  Thread* thread = meant(pid);
  return thread != nullptr ? kernel_tid_of(*thread) : pid;
}

// Can it be changed where it is? The caller gets an OS thread of its own for that.
bool may_change(Thread& thread) {
  if (&thread != this_thread()) return thread.green.bound_for_life && kernel_tid_of(thread) != 0;
  if (!thread.green.bound_for_life) bind_to_os_thread(true);
  return true;
}

// Does this change nothing? Then nobody needs an OS thread for it.
bool is_so_already(const Thread& thread, const ScheduleOrder& order) {
  ScheduleOrder standing;
  if (thread.green.bound_for_life || schedule_order::pending(const_cast<Thread&>(thread), standing)) return false;
  if (order.has_policy) {
    sched_param now = {};
    kernel::invoke(SYS_sched_getparam, 0, &now);
    return kernel::invoke(SYS_sched_getscheduler, 0) == order.policy && now.sched_priority == order.priority;
  }
  if (order.has_affinity) {
    cpu_set_t now;
    CPU_ZERO(&now);
    kernel::invoke(SYS_sched_getaffinity, 0, sizeof now, &now);
    return CPU_EQUAL(&now, &order.affinity);
  }
  return false;
}

// Changes how a thread is scheduled, at once or by an order: 0 or -errno.
template <class Change>
long change(Thread& thread, const ScheduleOrder& order, Change make) {
  if (!is_alive(thread)) return -ESRCH;
  if (is_so_already(thread, order)) return 0;
  int error = order.has_policy ? schedule_order::check_policy(order.policy, order.priority) : 0;
  if (order.has_affinity) error = schedule_order::check_affinity(order.affinity);
  if (error != 0) return -error;
  if (may_change(thread)) {
    long result = make(kernel_tid_of(thread));
    if (result == 0) schedule_order::note(thread, order);
    return result;
  }
  schedule_order::give(thread, order);
  return 0;
}

// The same for calls that take a pid, which may be no thread of ours.
template <class Change>
int change(pid_t pid, const ScheduleOrder& order, Change make) {
  Thread* thread = meant(pid);
  return (int)answer(thread != nullptr ? change(*thread, order, make) : make(pid));
}

ScheduleOrder order_of_policy(int policy, int priority) {
  ScheduleOrder order = {};
  order.has_policy = true;
  order.policy = policy;
  order.priority = priority;
  return order;
}

ScheduleOrder order_of_niceness(int value) {
  ScheduleOrder order = {};
  order.has_niceness = true;
  order.niceness = value;
  return order;
}

ScheduleOrder order_of_affinity(size_t size, const cpu_set_t* set) {
  ScheduleOrder order = {};
  order.has_affinity = true;
  memcpy(&order.affinity, set, size < sizeof order.affinity ? size : sizeof order.affinity);
  return order;
}

// What the thread is told or is by now.
int policy_of(Thread& thread, sched_param& parameters) {
  ScheduleOrder order;
  if (schedule_order::pending(thread, order) && order.has_policy) {
    parameters.sched_priority = order.priority;
    return order.policy;
  }
  pid_t tid = kernel_tid_of(thread);
  kernel::invoke(SYS_sched_getparam, tid, &parameters);
  return (int)kernel::invoke(SYS_sched_getscheduler, tid);
}

}  // namespace

// pthread_getschedparam(3).
INTERPOSED int pthread_getschedparam(pthread_t handle, int* policy, sched_param* parameters) noexcept {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_getschedparam(handle, policy, parameters);
  if (!is_alive(*thread)) return ESRCH;
  int found = policy_of(*thread, *parameters);
  if (found < 0) return -found;
  *policy = found;
  return 0;
}

// pthread_setschedparam(3).
INTERPOSED int pthread_setschedparam(pthread_t handle, int policy, const sched_param* parameters) noexcept {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_setschedparam(handle, policy, parameters);
  return (int)-change(*thread, order_of_policy(policy, parameters->sched_priority),
                      [&](pid_t tid) { return kernel::invoke(SYS_sched_setscheduler, tid, policy, parameters); });
}

// pthread_setschedprio(3).
INTERPOSED int pthread_setschedprio(pthread_t handle, int priority) noexcept {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_setschedprio(handle, priority);
  sched_param parameters = {};
  int policy = policy_of(*thread, parameters);
  parameters.sched_priority = priority;
  return (int)-change(*thread, order_of_policy(policy, priority),
                      [&](pid_t tid) { return kernel::invoke(SYS_sched_setparam, tid, &parameters); });
}

// pthread_getaffinity_np(3). The kernel fills in as many bytes as it has; the rest is cleared, as by libc.
INTERPOSED int pthread_getaffinity_np(pthread_t handle, size_t size, cpu_set_t* set) noexcept {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_getaffinity_np(handle, size, set);
  ScheduleOrder order;
  if (schedule_order::pending(*thread, order) && order.has_affinity) {
    memset(set, 0, size);
    memcpy(set, &order.affinity, size < sizeof order.affinity ? size : sizeof order.affinity);
    return 0;
  }
  size_t asked = size < INT32_MAX ? size : INT32_MAX;
  long filled = kernel::invoke(SYS_sched_getaffinity, kernel_tid_of(*thread), asked, set);
  if (filled < 0) return (int)-filled;
  memset(reinterpret_cast<char*>(set) + filled, 0, size - (size_t)filled);
  return 0;
}

// pthread_setaffinity_np(3).
INTERPOSED int pthread_setaffinity_np(pthread_t handle, size_t size, const cpu_set_t* set) noexcept {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_setaffinity_np(handle, size, set);
  return (int)-change(*thread, order_of_affinity(size, set),
                      [&](pid_t tid) { return kernel::invoke(SYS_sched_setaffinity, tid, size, set); });
}

namespace {

// As the kernel refuses parameters that cannot be read or written there.
int refuse(const sched_param* parameters) { return (int)answer(parameters == nullptr ? -EINVAL : -EFAULT); }

}  // namespace

// sched_getaffinity(2) and its kin take the number of a thread.
INTERPOSED int sched_getaffinity(pid_t pid, size_t size, cpu_set_t* set) noexcept {
  return real::sched_getaffinity(translated(pid), size, set);
}
INTERPOSED int sched_getscheduler(pid_t pid) noexcept {
  sched_param unused = {};
  Thread* thread = meant(pid);
  return thread != nullptr ? (int)answer(policy_of(*thread, unused)) : real::sched_getscheduler(pid);
}
INTERPOSED int sched_getparam(pid_t pid, sched_param* parameters) noexcept {
  ScheduleOrder order;
  Thread* thread = meant(pid);
  if (thread == nullptr || !schedule_order::pending(*thread, order) || !order.has_policy) {
    return real::sched_getparam(translated(pid), parameters);
  }
  if (is_out_of_reach(parameters)) return refuse(parameters);
  parameters->sched_priority = order.priority;
  return 0;
}
INTERPOSED int sched_rr_get_interval(pid_t pid, timespec* interval) noexcept {
  return real::sched_rr_get_interval(translated(pid), interval);
}
INTERPOSED int __sched_getscheduler(pid_t pid) noexcept { return sched_getscheduler(pid); }
INTERPOSED int __sched_getparam(pid_t pid, sched_param* parameters) noexcept { return sched_getparam(pid, parameters); }
INTERPOSED int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t* set) noexcept {
  if (is_out_of_reach(set)) return real::sched_setaffinity(translated(pid), size, set);
  return change(pid, order_of_affinity(size, set),
                [&](pid_t tid) { return kernel::invoke(SYS_sched_setaffinity, tid, size, set); });
}
INTERPOSED int sched_setscheduler(pid_t pid, int policy, const sched_param* parameters) noexcept {
  if (is_out_of_reach(parameters)) return refuse(parameters);
  return change(pid, order_of_policy(policy, parameters->sched_priority),
                [&](pid_t tid) { return kernel::invoke(SYS_sched_setscheduler, tid, policy, parameters); });
}
INTERPOSED int __sched_setscheduler(pid_t pid, int policy, const sched_param* parameters) noexcept {
  return sched_setscheduler(pid, policy, parameters);
}
INTERPOSED int sched_setparam(pid_t pid, const sched_param* parameters) noexcept {
  if (is_out_of_reach(parameters)) return refuse(parameters);
  Thread* thread = meant(pid);
  sched_param now = {};
  int policy = thread != nullptr ? policy_of(*thread, now) : 0;
  return change(pid, order_of_policy(policy, parameters->sched_priority),
                [&](pid_t tid) { return kernel::invoke(SYS_sched_setparam, tid, parameters); });
}

// setpriority(2) and nice(2) change one thread, on Linux.
INTERPOSED int setpriority(__priority_which_t which, id_t who, int value) noexcept {
  if (which != PRIO_PROCESS) return real::setpriority(which, who, value);
  return change((pid_t)who, order_of_niceness(value),
                [&](pid_t tid) { return kernel::invoke(SYS_setpriority, PRIO_PROCESS, tid, value); });
}
INTERPOSED int getpriority(__priority_which_t which, id_t who) noexcept {
  return real::getpriority(which, which == PRIO_PROCESS ? (id_t)translated((pid_t)who) : who);
}
INTERPOSED int nice(int increment) noexcept {
  if (lifecycle::on_green()) may_change(*this_thread());
  return real::nice(increment);
}

// getpgid(2) and getsid(2) take the number of any thread of a process.
INTERPOSED pid_t getpgid(pid_t pid) noexcept { return real::getpgid(meant(pid) != nullptr ? 0 : pid); }
INTERPOSED pid_t getsid(pid_t pid) noexcept { return real::getsid(meant(pid) != nullptr ? 0 : pid); }
