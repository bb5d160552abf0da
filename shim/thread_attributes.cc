#include "shim/thread_attributes.h"

#include <errno.h>
#include <string.h>

#include "shim/configuration.h"
#include "shim/lifecycle.h"
#include "shim/real.h"

namespace unblock {
namespace {

size_t default_stack_size() {
  pthread_attr_t defaults;
  pthread_getattr_default_np(&defaults);
  size_t size = 0;
  pthread_attr_getstacksize(&defaults, &size);
  pthread_attr_destroy(&defaults);
  return size;
}

// Which of the two have been set? libc takes the other from the caller, and from attributes that name none both. It keeps
// this in the third word, its flags, and tells nobody.
struct Named {
  bool priority, policy;

  explicit Named(const pthread_attr_t& attributes) {
    int flags = reinterpret_cast<const int*>(&attributes)[2];
    priority = (flags & 0x20) != 0;
    policy = (flags & 0x40) != 0;
  }
};

// Policy and priority, where they are not the process's.
void read_policy(const pthread_attr_t& attributes, ThreadAttributes& wanted) {
  int inherit = PTHREAD_INHERIT_SCHED, policy = SCHED_OTHER;
  sched_param parameters = {};
  Named named(attributes);
  pthread_attr_getinheritsched(&attributes, &inherit);
  wanted.explicit_schedule = inherit == PTHREAD_EXPLICIT_SCHED;
  if (!wanted.explicit_schedule || (!named.policy && !named.priority)) {
    return schedule_order::inherit(this_thread(), true, false, wanted.order);
  }
  pthread_getschedparam(pthread_self(), &policy, &parameters);
  if (named.policy) pthread_attr_getschedpolicy(&attributes, &policy);
  if (named.priority) pthread_attr_getschedparam(&attributes, &parameters);
  wanted.error = schedule_order::check_policy(policy, parameters.sched_priority);
  // The creator's OS thread makes the new one's where it has kernel state of its own, and hands its policy on.
  const Thread* creator = this_thread();
  wanted.order.has_policy = policy != SCHED_OTHER || (creator != nullptr && creator->has_own_kernel_state &&
                                                      creator->has_own_policy.load(std::memory_order_relaxed));
  wanted.order.policy = policy;
  wanted.order.priority = parameters.sched_priority;
}

void read_affinity(const pthread_attr_t& attributes, ThreadAttributes& wanted) {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  pthread_attr_getaffinity_np(&attributes, sizeof wanted.order.affinity, &wanted.order.affinity);
  if (CPU_COUNT(&wanted.order.affinity) == CPU_SETSIZE) {  // none was set
    return schedule_order::inherit(this_thread(), false, true, wanted.order);
  }
  if (wanted.error == 0) wanted.error = schedule_order::check_affinity(wanted.order.affinity);
  kernel::invoke(SYS_sched_getaffinity, 0, sizeof mine, &mine);
  const Thread* creator = this_thread();
  bool mine_is_everybodys = creator == nullptr || !creator->has_own_affinity.load(std::memory_order_relaxed);
  wanted.order.has_affinity = !mine_is_everybodys || !CPU_EQUAL(&mine, &wanted.order.affinity);
}

ThreadAttributes read(const pthread_attr_t& attributes, bool by_default) {
  ThreadAttributes wanted = {};
  read_policy(attributes, wanted);
  read_affinity(attributes, wanted);
  sigset_t mask;
  wanted.has_mask = pthread_attr_getsigmask_np(&attributes, &mask) == 0;
  if (wanted.has_mask) wanted.mask = *reinterpret_cast<unsigned long*>(&mask);
  int state = PTHREAD_CREATE_JOINABLE;
  pthread_attr_getdetachstate(&attributes, &state);
  wanted.detached = state == PTHREAD_CREATE_DETACHED;
  pthread_attr_getguardsize(&attributes, &wanted.guard_size);
  pthread_attr_getstack(&attributes, &wanted.stack_address, &wanted.stack_size);
  // Without a stack of the program's own, libc answers with an address that ends at zero.
  if (reinterpret_cast<uintptr_t>(wanted.stack_address) + wanted.stack_size == 0) wanted.stack_address = nullptr;
  pthread_attr_getstacksize(&attributes, &wanted.stack_size);
  size_t operators = configuration::current().stack_size_bytes;
  if (wanted.stack_address == nullptr && operators != 0 && (by_default || wanted.stack_size == default_stack_size())) {
    wanted.stack_size = operators;
  }
  return wanted;
}

}  // namespace

ThreadAttributes read_attributes(const pthread_attr_t* attributes) {
  if (attributes != nullptr) return read(*attributes, false);
  pthread_attr_t defaults;
  pthread_getattr_default_np(&defaults);
  ThreadAttributes wanted = read(defaults, true);
  pthread_attr_destroy(&defaults);
  return wanted;
}

void inherit_name(Thread& thread, const Thread* creator) {
  if (creator != nullptr) return (void)memcpy(thread.name, creator->name, sizeof thread.name);
  kernel::invoke(SYS_prctl, 16 /* PR_GET_NAME */, thread.name);
}

void read_process_name(Thread& main) { kernel::invoke(SYS_prctl, 16 /* PR_GET_NAME */, main.name); }

namespace {

// The kernel's name of the process is that of its first OS thread, which main may have left.
void rename_process(const char* name) {
  long file = kernel::invoke(SYS_open, "/proc/self/comm", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  kernel::invoke(SYS_write, file, name, strlen(name));
  kernel::invoke(SYS_close, file);
}

int describe_schedule(pthread_t handle, const Thread& thread, pthread_attr_t* attributes) {
  int policy = SCHED_OTHER;
  sched_param parameters = {};
  cpu_set_t affinity;
  if (int error = pthread_getschedparam(handle, &policy, &parameters); error != 0) return error;
  pthread_attr_setschedpolicy(attributes, policy & ~SCHED_RESET_ON_FORK);
  pthread_attr_setschedparam(attributes, &parameters);
  pthread_attr_setinheritsched(attributes, thread.is_explicit ? PTHREAD_EXPLICIT_SCHED : PTHREAD_INHERIT_SCHED);
  if (int error = pthread_getaffinity_np(handle, sizeof affinity, &affinity); error != 0) return error;
  return pthread_attr_setaffinity_np(attributes, sizeof affinity, &affinity);
}

}  // namespace
}  // namespace unblock

using namespace unblock;

// pthread_setname_np(3). Green threads have names of their own; main's is also the process's.
INTERPOSED int pthread_setname_np(pthread_t handle, const char* name) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_setname_np(handle, name);
  size_t length = strlen(name);
  if (length >= sizeof thread->name) return ERANGE;
  memcpy(thread->name, name, length + 1);
  if (thread->is_main) rename_process(name);
  return 0;
}

// pthread_getname_np(3).
INTERPOSED int pthread_getname_np(pthread_t handle, char* buffer, size_t size) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_getname_np(handle, buffer, size);
  size_t length = strnlen(thread->name, sizeof thread->name - 1);
  if (length >= size) return ERANGE;
  memcpy(buffer, thread->name, length);
  buffer[length] = 0;
  return 0;
}

// pthread_getattr_np(3). libc would ask the kernel about a tid that only we know, and has an opinion of its own about
// policy and priority, which it does not change for us. Of main it knows the stack.
INTERPOSED int pthread_getattr_np(pthread_t handle, pthread_attr_t* attributes) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_getattr_np(handle, attributes);
  int error = thread->is_main ? real::pthread_getattr_np(handle, attributes) : pthread_attr_init(attributes);
  if (error == 0 && is_alive(*thread)) error = describe_schedule(handle, *thread, attributes);
  if (error != 0 || thread->is_main) return error;
  pthread_attr_setguardsize(attributes, thread->guard_size);
  pthread_attr_setdetachstate(attributes, is_detached(*thread) ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
  return pthread_attr_setstack(attributes, thread->stack_address, thread->stack_size);
}
