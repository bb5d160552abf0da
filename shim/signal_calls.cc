// The calls on signals: masks, sending to a thread, waiting for one, alternate stacks.

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "scheduler/carrier.h"
#include "scheduler/kernel.h"
#include "shim/blocking_call.h"
#include "shim/lifecycle.h"
#include "shim/real.h"
#include "shim/signals.h"

using namespace unblock;

namespace {

unsigned long& first_word(sigset_t* set) { return *reinterpret_cast<unsigned long*>(set); }
unsigned long first_word(const sigset_t* set) { return *reinterpret_cast<const unsigned long*>(set); }

// 0 or an error number.
int change_mask(int how, const sigset_t* set, sigset_t* before) {
  Thread& me = *this_thread();
  unsigned long mask = me.mask;
  if (before != nullptr) {
    sigemptyset(before);
    first_word(before) = mask;
  }
  if (set == nullptr) return 0;
  unsigned long wanted = first_word(set);
  switch (how) {
    case SIG_BLOCK: mask |= wanted; break;
    case SIG_UNBLOCK: mask &= ~wanted; break;
    case SIG_SETMASK: mask = wanted; break;
    default: return EINVAL;
  }
  mask &= ~(1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1));
  signals::set_thread_mask(me, mask);
  if (here.critical == 0) signals::deliver_pending();
  return 0;
}

}  // namespace

// pthread_sigmask(3). Each green thread has a mask of its own.
INTERPOSED int pthread_sigmask(int how, const sigset_t* set, sigset_t* before) {
  if (!lifecycle::on_green()) return real::pthread_sigmask(how, set, before);
  return change_mask(how, set, before);
}

// sigprocmask(2): the calling thread's, as on Linux.
INTERPOSED int sigprocmask(int how, const sigset_t* set, sigset_t* before) {
  if (!lifecycle::on_green()) return real::sigprocmask(how, set, before);
  return (int)answer(-change_mask(how, set, before));
}

// sighold(3) and sigrelse(3).
INTERPOSED int sighold(int signal) {
  sigset_t one;
  sigemptyset(&one);
  if (sigaddset(&one, signal) != 0) return -1;
  return sigprocmask(SIG_BLOCK, &one, nullptr);
}
INTERPOSED int sigrelse(int signal) {
  sigset_t one;
  sigemptyset(&one);
  if (sigaddset(&one, signal) != 0) return -1;
  return sigprocmask(SIG_UNBLOCK, &one, nullptr);
}

// sigblock(3), sigsetmask(3), siggetmask(3).
INTERPOSED int sigblock(int bits) {
  sigset_t set, before;
  sigemptyset(&set);
  first_word(&set) = (unsigned)bits;
  sigprocmask(SIG_BLOCK, &set, &before);
  return (int)first_word(&before);
}
INTERPOSED int sigsetmask(int bits) {
  sigset_t set, before;
  sigemptyset(&set);
  first_word(&set) = (unsigned)bits;
  sigprocmask(SIG_SETMASK, &set, &before);
  return (int)first_word(&before);
}
INTERPOSED int siggetmask(void) { return sigblock(0); }

// sigpending(2): what the kernel holds and what is recorded for this thread.
INTERPOSED int sigpending(sigset_t* set) {
  int result = real::sigpending(set);
  if (result == 0 && lifecycle::on_green()) {
    first_word(set) |= this_thread()->pending.pending() & this_thread()->mask;
  }
  return result;
}

// signalfd(2).
INTERPOSED int signalfd(int fd, const sigset_t* set, int flags) noexcept {
  int made = real::signalfd(fd, set, flags);
  if (made >= 0) signals::watched_by_descriptor(first_word(set));
  return made;
}

// pthread_kill(3). A thread that waits is woken with EINTR, unless SA_RESTART applies.
INTERPOSED int pthread_kill(pthread_t handle, int signal) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_kill(handle, signal);
  return signals::direct_at(*thread, signal);
}

// tgkill(2). A thread of ours has a number that the kernel does not know.
INTERPOSED int tgkill(pid_t process, pid_t tid, int signal) {
  Thread* thread = lifecycle::active() && process == getpid() ? thread_of_tid(tid) : nullptr;
  if (thread == nullptr) return real::tgkill(process, tid, signal);
  return (int)answer(-signals::direct_at(*thread, signal));
}

// pthread_sigqueue(3).
INTERPOSED int pthread_sigqueue(pthread_t handle, int signal, const union sigval value) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_sigqueue(handle, signal, value);
  siginfo_t info = signals::sent_by_this_process(SI_QUEUE, value);
  return signals::direct_at(*thread, signal, &info);
}

namespace {

// What a thread sends to its own process and is to have itself is handled before the call returns. The kernel might give
// it to an OS thread that waits for events. False: not such a one.
bool send_to_oneself(pid_t process, int signal, int code, sigval value, int& error) {
  if (!lifecycle::on_green() || process != getpid() || signal < 1 || signal > 64) return false;
  Thread& me = *this_thread();
  if ((me.mask >> (signal - 1) & 1) || signals::taker_of(signal) != &me) return false;
  siginfo_t info = signals::sent_by_this_process(code, value);
  error = signals::direct_at(me, signal, &info);
  return true;
}

// Does only a green thread have it? Main's number is the process's.
bool is_number_of_a_thread(pid_t number) {
  constexpr int most_of_the_kernel = 1 << 22;
  return number > most_of_the_kernel && lifecycle::active() && signals::is_ours(number);
}

}  // namespace

// kill(2). The number of any thread means its process.
INTERPOSED int kill(pid_t process, int signal) {
  int error;
  if (is_number_of_a_thread(process)) process = getpid();
  if (!send_to_oneself(process, signal, SI_USER, {}, error)) return real::kill(process, signal);
  return (int)answer(-error);
}

// sigqueue(3).
INTERPOSED int sigqueue(pid_t process, int signal, const union sigval value) {
  int error;
  if (is_number_of_a_thread(process)) process = getpid();
  if (!send_to_oneself(process, signal, SI_QUEUE, value, error)) return real::sigqueue(process, signal, value);
  return (int)answer(-error);
}

// raise(3): to the calling thread.
INTERPOSED int raise(int signal) {
  if (!lifecycle::on_green()) return real::raise(signal);
  if (signal == 0) return 0;
  return (int)answer(-signals::direct_at(*this_thread(), signal));
}
INTERPOSED int gsignal(int signal) { return raise(signal); }

// sigaltstack(2). The stack belongs to the green thread; its carrier tells the kernel while it runs.
INTERPOSED int sigaltstack(const stack_t* wanted, stack_t* before) {
  if (!lifecycle::on_green()) return real::sigaltstack(wanted, before);
  Critical critical;
  stack_t& mine = this_thread()->alternate_stack;
  stack_t old;
  if (real::sigaltstack(wanted, &old) != 0) return -1;
  if (mine.ss_sp == nullptr) old = {nullptr, SS_DISABLE, 0};
  if (before != nullptr) *before = old;
  if (wanted == nullptr) return 0;
  mine = *wanted;
  if (mine.ss_flags & SS_DISABLE) mine = {};
  here.carrier->alternate_stack = mine.ss_sp;
  signals::apply_alternate_stack(*here.carrier, *this_thread());
  return 0;
}
