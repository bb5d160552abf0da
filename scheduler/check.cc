#include "scheduler/check.h"

#include <signal.h>

namespace unblock {

void invariant_broken(const char* what, const char* place) {
  kernel::say_line("internal error: ", what, " does not hold at ", place, "; the process is stopped");
  // The default action of SIGABRT, whatever the program has installed or blocked.
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    uint64_t mask;
  } action = {};
  kernel::invoke(SYS_rt_sigaction, SIGABRT, &action, nullptr, 8);
  uint64_t abort_only = uint64_t{1} << (SIGABRT - 1);
  kernel::invoke(SYS_rt_sigprocmask, SIG_UNBLOCK, &abort_only, nullptr, 8);
  kernel::invoke(SYS_tgkill, kernel::invoke(SYS_getpid), kernel::invoke(SYS_gettid), SIGABRT);
  for (;;) kernel::invoke(SYS_exit_group, 127);
}

}  // namespace unblock
