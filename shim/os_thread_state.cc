#include "shim/os_thread_state.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "scheduler/carrier.h"
#include "scheduler/monitor.h"
#include "shim/blocking_call.h"
#include "shim/real.h"

namespace unblock::os_thread_state {
namespace {

void take_os_thread() {
  if (!here.green->bound_for_life) bind_to_os_thread(true);
}

}  // namespace

void about_to_change() {
  if (!lifecycle::on_green() || !monitor::running()) return;
  take_os_thread();
  this_thread()->has_own_kernel_state = true;
}

bool is_changed_by(long number) {
  switch (number) {
    case SYS_setuid:
    case SYS_setgid:
    case SYS_setreuid:
    case SYS_setregid:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_setgroups:
    case SYS_setfsuid:
    case SYS_setfsgid:
    case SYS_capset:
    case SYS_unshare:
    case SYS_setns:
    case SYS_seccomp:
    case SYS_landlock_restrict_self:
    case SYS_add_key:
    case SYS_request_key:
    case SYS_keyctl:
    case SYS_personality:
    case SYS_ptrace:
    case SYS_iopl:
    case SYS_ioperm:
    case SYS_ioprio_set:
    case SYS_set_mempolicy:
    case SYS_sched_setattr:
    case SYS_set_robust_list:
    case SYS_set_tid_address:
    case SYS_rseq: return true;
    default: return false;
  }
}

namespace {

// Options of prctl(2) that only ask, or that are the process's.
bool is_of_the_process(int option) {
  switch (option) {
    case PR_GET_DUMPABLE:
    case PR_SET_DUMPABLE:
    case PR_GET_PDEATHSIG:
    case PR_GET_KEEPCAPS:
    case PR_GET_TIMERSLACK:
    case PR_GET_SECCOMP:
    case PR_CAPBSET_READ:
    case PR_GET_SECUREBITS:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_CHILD_SUBREAPER:
    case PR_SET_CHILD_SUBREAPER:
    case PR_SET_PTRACER:
    case PR_GET_TID_ADDRESS:
    case PR_SET_MM:
    case PR_GET_THP_DISABLE:
    case PR_SET_THP_DISABLE:
    case PR_SET_VMA: return true;
    default: return false;
  }
}

}  // namespace
}  // namespace unblock::os_thread_state

using namespace unblock;

// prctl(2). The name is the green thread's; what changes the OS thread gives the caller one.
INTERPOSED int prctl(int option, ...) noexcept {
  va_list list;
  va_start(list, option);
  unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long);
  unsigned long c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
  va_end(list);
  if (!lifecycle::on_green()) return real::prctl(option, a, b, c, d);
  bool names = option == PR_SET_NAME || option == PR_GET_NAME;
  if (names && is_out_of_reach(reinterpret_cast<const void*>(a))) return (int)answer(-EFAULT);
  if (option == PR_SET_NAME) {
    char name[16] = {};
    memcpy(name, reinterpret_cast<const char*>(a), strnlen(reinterpret_cast<const char*>(a), sizeof name - 1));
    return pthread_setname_np(pthread_self(), name);
  }
  if (option == PR_GET_NAME) return pthread_getname_np(pthread_self(), reinterpret_cast<char*>(a), 16);
  if (option == PR_SET_PDEATHSIG && lifecycle::on_green()) {
    os_thread_state::take_os_thread();  // no thread inherits it
  } else if (!os_thread_state::is_of_the_process(option)) {
    os_thread_state::about_to_change();
  }
  return real::prctl(option, a, b, c, d);
}

INTERPOSED int setfsuid(uid_t user) noexcept {
  os_thread_state::about_to_change();
  return real::setfsuid(user);
}
INTERPOSED int setfsgid(gid_t group) noexcept {
  os_thread_state::about_to_change();
  return real::setfsgid(group);
}
INTERPOSED int unshare(int flags) noexcept {
  os_thread_state::about_to_change();
  return real::unshare(flags);
}
INTERPOSED int setns(int fd, int type) noexcept {
  os_thread_state::about_to_change();
  return real::setns(fd, type);
}
INTERPOSED int personality(unsigned long persona) noexcept {
  if (persona != 0xffffffff) os_thread_state::about_to_change();  // that value only asks
  return real::personality(persona);
}
INTERPOSED int capset(void* header, const void* data) noexcept {
  os_thread_state::about_to_change();
  return real::capset(header, data);
}
