#include "shim/schedule_order.h"

#include <errno.h>
#include <sys/resource.h>

#include "scheduler/carrier.h"
#include "shim/cancellation.h"
#include "shim/signals.h"
#include "shim/thread.h"

namespace unblock::schedule_order {

int check_policy(int policy, int priority) {
  long lowest = kernel::invoke(SYS_sched_get_priority_min, policy & ~SCHED_RESET_ON_FORK);
  long highest = kernel::invoke(SYS_sched_get_priority_max, policy & ~SCHED_RESET_ON_FORK);
  if (lowest < 0 || priority < lowest || priority > highest) return EINVAL;
  if (priority == 0 || kernel::invoke(SYS_geteuid) == 0) return 0;
  rlimit limit = {};
  kernel::invoke(SYS_prlimit64, 0, RLIMIT_RTPRIO, nullptr, &limit);
  return (rlim_t)priority <= limit.rlim_cur ? 0 : EPERM;
}

int check_affinity(const cpu_set_t& set) {
  cpu_set_t usable, both;
  CPU_ZERO(&usable);
  if (kernel::invoke(SYS_sched_getaffinity, kernel::invoke(SYS_getpid), sizeof usable, &usable) < 0) return 0;
  CPU_AND(&both, &usable, &set);
  return CPU_COUNT(&both) != 0 ? 0 : EINVAL;
}

void give(Thread& thread, const ScheduleOrder& order) {
  {
    Held held(thread.order_lock);
    ScheduleOrder& all = thread.order;
    if (order.has_policy) {
      all.has_policy = true;
      all.policy = order.policy;
      all.priority = order.priority;
    }
    if (order.has_niceness) {
      all.has_niceness = true;
      all.niceness = order.niceness;
    }
    if (order.has_affinity) {
      all.has_affinity = true;
      all.affinity = order.affinity;
    }
    thread.has_order.store(true, std::memory_order_seq_cst);
  }
  cancellation::take_over_signal();
  signals::interrupt(thread);
}

void note(Thread& thread, const ScheduleOrder& order) {
  if (order.has_policy) thread.has_own_policy.store(true, std::memory_order_relaxed);
  if (order.has_affinity) thread.has_own_affinity.store(true, std::memory_order_relaxed);
}

void inherit(const Thread* creator, bool policy, bool affinity, ScheduleOrder& order) {
  if (creator == nullptr) return;
  if (policy && creator->has_own_policy.load(std::memory_order_relaxed)) {
    sched_param parameters = {};
    kernel::invoke(SYS_sched_getparam, 0, &parameters);
    long found = kernel::invoke(SYS_sched_getscheduler, 0);
    order.has_policy = found > 0 && (found & SCHED_RESET_ON_FORK) == 0;  // SCHED_OTHER is 0
    order.policy = (int)found;
    order.priority = parameters.sched_priority;
  }
  if (affinity && creator->has_own_affinity.load(std::memory_order_relaxed) && !creator->is_main) {
    CPU_ZERO(&order.affinity);
    order.has_affinity = kernel::invoke(SYS_sched_getaffinity, 0, sizeof order.affinity, &order.affinity) > 0;
  }
}

void carry_out(Thread& me) {
  ScheduleOrder order;
  {
    Held held(me.order_lock);
    order = me.order;
    me.order = {};
    me.has_order.store(false, std::memory_order_seq_cst);
  }
  note(me, order);
  if (!me.green.bound_for_life) bind_to_os_thread(true);
  if (order.has_affinity) kernel::invoke(SYS_sched_setaffinity, 0, sizeof order.affinity, &order.affinity);
  if (order.has_niceness) kernel::invoke(SYS_setpriority, PRIO_PROCESS, 0, order.niceness);
  sched_param parameters = {order.priority};
  if (order.has_policy) kernel::invoke(SYS_sched_setscheduler, 0, order.policy, &parameters);
}

bool pending(Thread& thread, ScheduleOrder& order) {
  if (!thread.has_order.load(std::memory_order_seq_cst)) return false;
  Held held(thread.order_lock);
  order = thread.order;
  return thread.has_order.load(std::memory_order_relaxed);
}

}  // namespace unblock::schedule_order
