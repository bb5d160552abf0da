// sigaction(2) and signal(2). While the process is quiet the kernel has the program's own handlers, but for the one
// signal that the operator may have chosen for dumps; when green threads begin, ours goes in front of each, with the same
// flags and mask, and the program goes on reading back its own.

#include "shim/signal_actions.h"

#include <errno.h>

#include "scheduler/lock.h"
#include "shim/dump.h"
#include "shim/lifecycle.h"
#include "shim/overflow.h"
#include "shim/real.h"
#include "shim/signals.h"

namespace unblock::signals {
namespace {

constexpr int signal_count = 64;

struct sigaction actions[signal_count + 1];  // the program's; guarded(changing) for writing
Lock changing;

bool is_handler(const struct sigaction& action) { return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN; }

bool is_programs_signal(int signal) { return signal >= 1 && signal <= signal_count && signal != 32 && signal != 33; }

// Signals that end the process by default and that some thread has blocked: ours stands in front of the default too,
// because a carrier may let through what all threads block by now.
std::atomic<unsigned long> guarded;

// Those whose default action ends the process, without the ones that a thread brings upon itself.
constexpr unsigned long bit(int signal) { return 1ul << (signal - 1); }
constexpr unsigned long never_guarded = bit(SIGSEGV) | bit(SIGBUS) | bit(SIGFPE) | bit(SIGILL) | bit(SIGTRAP) |
                                        bit(SIGABRT) | bit(SIGSYS) | bit(SIGKILL) | bit(SIGSTOP) | bit(SIGTSTP) |
                                        bit(SIGTTIN) | bit(SIGTTOU) | bit(SIGCONT) | bit(SIGCHLD) | bit(SIGWINCH) |
                                        bit(SIGURG) | bit(32) | bit(33);

constexpr int expose_tag_bits = 0x800;  // SA_EXPOSE_TAGBITS, which libc's headers lack

struct sigaction as_kernel_keeps(struct sigaction action) {
  action.sa_flags &= SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |
                     (int)SA_RESETHAND | expose_tag_bits;
  sigdelset(&action.sa_mask, SIGKILL);
  sigdelset(&action.sa_mask, SIGSTOP);
  return action;
}

// The action for the kernel that stands for the program's.
struct sigaction in_front_of(int signal, const struct sigaction& action) {
  struct sigaction ours = action;
  if (dump::is_operators(signal)) {
    ours = dump::action();
    ours.sa_mask = action.sa_mask;
    return ours;
  }
  if (action.sa_handler == SIG_DFL && (guarded.load(std::memory_order_relaxed) & bit(signal))) {
    ours = {};
    ours.sa_sigaction = arrive;
    ours.sa_flags = SA_SIGINFO | SA_RESTART;
  }
  if (!is_handler(action)) return ours;
  ours.sa_sigaction = arrive;
  ours.sa_flags |= SA_SIGINFO;
  return ours;
}

}  // namespace

Lock& actions_lock() { return changing; }

void take_over_action(int signal) {
  if (real::sigaction(signal, nullptr, &actions[signal]) != 0) return;
  struct sigaction ours = in_front_of(signal, actions[signal]);
  real::sigaction(signal, &ours, nullptr);
}

void take_over_actions() {
  for (int signal = 1; signal <= signal_count; ++signal) {
    struct sigaction action;
    if (!is_programs_signal(signal) || dump::is_operators(signal)) continue;  // the operator's is ours already
    if (real::sigaction(signal, nullptr, &action) != 0) continue;
    actions[signal] = action;
    if (!is_handler(action)) continue;
    if (action.sa_flags & SA_ONSTACK) overflow::leave_alternate_stacks_to_the_program();
    struct sigaction ours = in_front_of(signal, action);
    real::sigaction(signal, &ours, nullptr);
  }
}

void guard_defaults(unsigned long blocked) {
  unsigned long wanted = blocked & ~never_guarded;
  if ((wanted & ~guarded.load(std::memory_order_relaxed)) == 0) return;
  Held held(changing);
  unsigned long due = wanted & ~guarded.fetch_or(wanted, std::memory_order_relaxed);
  for (; due != 0; due &= due - 1) {
    int signal = __builtin_ctzl(due) + 1;
    if (actions[signal].sa_handler != SIG_DFL) continue;
    struct sigaction ours = in_front_of(signal, actions[signal]);
    real::sigaction(signal, &ours, nullptr);
  }
}

bool is_ignored(int signal) {
  constexpr unsigned long ignored_by_default = bit(SIGCHLD) | bit(SIGCONT) | bit(SIGURG) | bit(SIGWINCH);
  if (actions[signal].sa_handler == SIG_DFL) return (ignored_by_default & bit(signal)) != 0;
  return actions[signal].sa_handler == SIG_IGN;
}

bool has_default_action(int signal) { return actions[signal].sa_handler == SIG_DFL; }

void take_default_action(int signal) {
  struct sigaction plain = {}, before;
  plain.sa_handler = SIG_DFL;
  real::sigaction(signal, &plain, &before);
  unsigned long only = bit(signal), mask;
  kernel::invoke(SYS_rt_sigprocmask, SIG_UNBLOCK, &only, &mask, sizeof only);
  kernel::invoke(SYS_tgkill, kernel::invoke(SYS_getpid), kernel::invoke(SYS_gettid), signal);
  // Still here: the default is to ignore it, or the process was stopped and goes on.
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
  real::sigaction(signal, &before, nullptr);
}

void call_action(int signal, siginfo_t* info, void* context) {
  struct sigaction action;
  {
    Held held(changing);
    action = actions[signal];
    if (action.sa_flags & SA_RESETHAND) actions[signal].sa_handler = SIG_DFL;
  }
  if (!is_handler(action)) return;
  if (action.sa_flags & SA_SIGINFO) return action.sa_sigaction(signal, info, context);
  action.sa_handler(signal);
}

int action_flags(int signal) { return actions[signal].sa_flags; }

bool has_handler(int signal) { return is_handler(actions[signal]); }

unsigned long action_mask(int signal) {
  unsigned long mask = *reinterpret_cast<const unsigned long*>(&actions[signal].sa_mask);
  if (!(actions[signal].sa_flags & SA_NODEFER)) mask |= 1ul << (signal - 1);
  return mask;
}

int change_action(int signal, const struct sigaction* wanted, struct sigaction* before) {
  if (!is_programs_signal(signal)) return real::sigaction(signal, wanted, before);
  struct sigaction old_of_program = actions[signal], ours;
  if (wanted != nullptr) {
    actions[signal] = as_kernel_keeps(*wanted);
    ours = in_front_of(signal, *wanted);
  }
  if (wanted != nullptr && (wanted->sa_flags & SA_ONSTACK)) overflow::leave_alternate_stacks_to_the_program();
  if (wanted != nullptr && real::sigaction(signal, &ours, nullptr) != 0) {
    actions[signal] = old_of_program;
    return -1;
  }
  if (before != nullptr) *before = old_of_program;
  return 0;
}

}  // namespace unblock::signals

using namespace unblock;

namespace {
bool is_ours(int signal) { return lifecycle::active() || dump::is_operators(signal); }
}  // namespace

// sigaction(2).
INTERPOSED int sigaction(int signal, const struct sigaction* wanted, struct sigaction* before) {
  if (!is_ours(signal)) return real::sigaction(signal, wanted, before);
  {
    Held held(signals::actions_lock());
    if (signals::change_action(signal, wanted, before) != 0) return -1;
  }
  if (wanted != nullptr && signals::is_ignored(signal)) signals::discard(bit_of(signal));
  return 0;
}

namespace {

// Signals that interrupt system calls although their handlers are set by signal(2); see siginterrupt(3).
std::atomic<unsigned long> interrupting;

sighandler_t set_handler(int signal, sighandler_t handler, int flags) {
  struct sigaction wanted = {}, before;
  wanted.sa_handler = handler;
  wanted.sa_flags = flags;
  if (handler == SIG_ERR) {
    errno = EINVAL;
    return SIG_ERR;
  }
  if (!(flags & SA_NODEFER)) sigaddset(&wanted.sa_mask, signal);
  return sigaction(signal, &wanted, &before) == 0 ? before.sa_handler : SIG_ERR;
}

}  // namespace

// signal(2), with BSD semantics as libc's own.
INTERPOSED sighandler_t signal(int number, sighandler_t handler) {
  if (!is_ours(number)) return real::signal(number, handler);
  bool interrupts = number >= 1 && number <= 64 && (interrupting.load(std::memory_order_relaxed) & bit_of(number));
  return set_handler(number, handler, interrupts ? 0 : SA_RESTART);
}
INTERPOSED sighandler_t bsd_signal(int number, sighandler_t handler) { return signal(number, handler); }
INTERPOSED sighandler_t ssignal(int number, sighandler_t handler) { return signal(number, handler); }

// sysv_signal(3).
INTERPOSED sighandler_t __sysv_signal(int number, sighandler_t handler) {
  if (!is_ours(number)) return real::__sysv_signal(number, handler);
  return set_handler(number, handler, SA_RESETHAND | SA_NODEFER);
}
INTERPOSED sighandler_t sysv_signal(int number, sighandler_t handler) { return __sysv_signal(number, handler); }

// siginterrupt(3). libc remembers it for its own signal(2), which is called until threads are green.
INTERPOSED int siginterrupt(int signal, int interrupts) {
  struct sigaction action;
  if (!is_ours(signal)) {
    if (real::siginterrupt(signal, interrupts) != 0) return -1;
  } else {
    if (sigaction(signal, nullptr, &action) != 0) return -1;
    action.sa_flags = interrupts ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    if (sigaction(signal, &action, nullptr) != 0) return -1;
  }
  interrupts ? interrupting.fetch_or(bit_of(signal)) : interrupting.fetch_and(~bit_of(signal));
  return 0;
}

// sigignore(3).
INTERPOSED int sigignore(int signal) {
  if (!is_ours(signal)) return real::sigignore(signal);
  struct sigaction ignored = {};
  ignored.sa_handler = SIG_IGN;
  return sigaction(signal, &ignored, nullptr);
}

// sigset(3): an action and the mask in one.
INTERPOSED sighandler_t sigset(int signal, sighandler_t handler) {
  if (!is_ours(signal)) return real::sigset(signal, handler);
  struct sigaction wanted = {}, before;
  sigset_t one, mask;
  sigemptyset(&one);
  wanted.sa_handler = handler;
  bool is_hold = handler == SIG_HOLD;
  if (handler == SIG_ERR || sigaddset(&one, signal) != 0) return errno = EINVAL, SIG_ERR;
  if (sigaction(signal, is_hold ? nullptr : &wanted, &before) != 0) return SIG_ERR;
  sigprocmask(is_hold ? SIG_BLOCK : SIG_UNBLOCK, &one, &mask);
  return sigismember(&mask, signal) ? SIG_HOLD : before.sa_handler;
}
