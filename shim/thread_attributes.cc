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

// Policy, priority and affinity, where they are not the process's.
void read_schedule(const pthread_attr_t& attributes, ThreadAttributes& wanted) {
  int inherit = PTHREAD_INHERIT_SCHED, policy = SCHED_OTHER;
  sched_param parameters = {};
  pthread_attr_getinheritsched(&attributes, &inherit);
  pthread_attr_getschedpolicy(&attributes, &policy);
  pthread_attr_getschedparam(&attributes, &parameters);
  if (inherit == PTHREAD_EXPLICIT_SCHED) {
    wanted.error = schedule_order::check_policy(policy, parameters.sched_priority);
    wanted.order.has_policy = policy != SCHED_OTHER;
    wanted.order.policy = policy;
    wanted.order.priority = parameters.sched_priority;
  }
  cpu_set_t mine;
  CPU_ZERO(&mine);
  pthread_attr_getaffinity_np(&attributes, sizeof wanted.order.affinity, &wanted.order.affinity);
  if (CPU_COUNT(&wanted.order.affinity) == CPU_SETSIZE) return;  // none was set
  if (wanted.error == 0) wanted.error = schedule_order::check_affinity(wanted.order.affinity);
  kernel::invoke(SYS_sched_getaffinity, 0, sizeof mine, &mine);
  wanted.order.has_affinity = !CPU_EQUAL(&mine, &wanted.order.affinity);
}

ThreadAttributes read(const pthread_attr_t& attributes, bool by_default) {
  ThreadAttributes wanted = {};
  read_schedule(attributes, wanted);
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

// pthread_getattr_np(3). libc would ask the kernel about a tid that only we know; main's it can answer.
INTERPOSED int pthread_getattr_np(pthread_t handle, pthread_attr_t* attributes) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr || thread->is_main) return real::pthread_getattr_np(handle, attributes);
  if (int error = pthread_attr_init(attributes); error != 0) return error;
  pthread_attr_setguardsize(attributes, thread->guard_size);
  pthread_attr_setdetachstate(attributes, is_detached(*thread) ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
  return pthread_attr_setstack(attributes, thread->stack_address, thread->stack_size);
}
