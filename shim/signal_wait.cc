// Waiting for a signal: sigwait(3) and its kin, sigsuspend(2), pause(2).
//
// A signal that is directed at the waiting thread is recorded in it, and its wait ends. One of the process stays pending
// in the kernel while every thread blocks it; a signalfd of ours, watched by the event loop, tells that one has come.
// Nobody reads from it: whoever is woken asks the kernel, which gives each signal to one caller, in its order, with all
// that came with it. So a signal that nobody takes in the end was never away.
//
// Races. A signal comes between the question and the wait: the watch begins before the question, and an edge after it
// ends the wait [publish-then-recheck].

#include "shim/signal_wait.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "scheduler/carrier.h"
#include "scheduler/own_descriptors.h"
#include "shim/blocking_call.h"
#include "shim/deadline.h"
#include "shim/real.h"

namespace unblock::signals {
namespace {

// The signalfd: made at the first wait, told of more signals as they are waited for.
struct Watch {
  Lock lock;
  int fd;              // guarded(lock): 0: none
  SignalMask watched;  // guarded(lock)
};
Watch watch_of_process;

// A descriptor that becomes readable when one of these comes; negative: there is none to be had.
int descriptor_for(SignalMask wanted) {
  Held held(watch_of_process.lock);
  SignalMask all = watch_of_process.watched | wanted;
  int fd = watch_of_process.fd;
  bool is_new = fd <= 0 || !own_descriptors::owns(fd);
  if (!is_new && all == watch_of_process.watched) return fd;
  long made = kernel::invoke(SYS_signalfd4, is_new ? -1 : fd, &all, sizeof all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (made < 0) return (int)made;
  watch_of_process.watched = all;
  if (is_new) watch_of_process.fd = own_descriptors::adopt((int)made);
  return watch_of_process.fd;
}

// The thread is in sigwait for these, as others see it.
class Awaiting {
 public:
  Awaiting(Thread& me, SignalMask set, bool in_kernel) : me_(me) {
    me.awaits_in_kernel.store(in_kernel, std::memory_order_seq_cst);
    me.awaited.store(set, std::memory_order_seq_cst);
  }
  ~Awaiting() {
    me_.awaited.store(0, std::memory_order_seq_cst);
    me_.awaits_in_kernel.store(false, std::memory_order_seq_cst);
    deliver_what_is_let_in();
  }

 private:
  // What was kept for the wait and is not blocked has its handler run after all.
  void deliver_what_is_let_in() {
    if (me_.pending.pending() & ~me_.mask) deliver_pending();
  }
  Thread& me_;
};

// The thread's own come first, then the process's, as in the kernel. 0: none is there. Or -errno.
int take(Thread& me, SignalMask set, siginfo_t* info) {
  if (QueuedSignal* own = me.pending.take(set)) {
    int signal = own->info.si_signo;
    if (info != nullptr) *info = own->info;
    SignalQueue::forget(own);
    return signal;
  }
  for (;;) {
    timespec no_time = {};
    siginfo_t found;
    long signal = kernel::invoke(SYS_rt_sigtimedwait, &set, &found, &no_time, sizeof set);
    if (signal == -EAGAIN || signal == -EINTR) return 0;
    if (signal > 0 && is_nudge(&found)) continue;  // of something that was taken already
    if (signal > 0 && info != nullptr) *info = found;
    return (int)signal;
  }
}

// One wait, until something may be there. False: this thread cannot park for it.
bool park_for(Thread& me, SignalMask set, uint32_t handlers_before, Deadline deadline, Wakeup& wakeup) {
  int fd = descriptor_for(set);
  if (fd < 0) return false;
  Waiter waiter(WaitKind::signal);
  Interest interest = {&waiter, (uint8_t)Direction::in, true, nullptr, nullptr, nullptr};
  bool watched = watch(fd, interest);
  sigset_t pending;
  real::sigpending(&pending);
  bool is_there = (*reinterpret_cast<SignalMask*>(&pending) & set) != 0 || (me.pending.pending() & set) != 0;
  if (!watched || is_there || handlers_run() != handlers_before) {
    waiter.cancel();
    wakeup = Wakeup::ready;
  } else {
    wakeup = waiter.wait(deadline);
  }
  unwatch(interest);
  return watched;
}

// A thread that cannot leave its OS thread waits in the kernel. What is directed at it comes there as a nudge.
int wait_in_place(Thread& me, SignalMask set, uint32_t handlers_before, Deadline deadline, siginfo_t* info) {
  Awaiting awaiting(me, set, true);
  for (;;) {
    if (int signal = take(me, set, info); signal != 0) return signal;
    if (handlers_run() != handlers_before) return -EINTR;
    timespec left = deadline.is_never() ? timespec{} : deadline.left();
    siginfo_t found;
    int before = errno, error = 0;
    int signal = in_long_region([&] {
      return real::sigtimedwait(reinterpret_cast<sigset_t*>(&set), &found, deadline.is_never() ? nullptr : &left);
    });
    if (signal < 0) error = errno;
    errno = before;
    if (error == EAGAIN) return -EAGAIN;
    if (signal <= 0 || is_nudge(&found)) continue;
    if (info != nullptr) *info = found;
    return signal;
  }
}

}  // namespace

int wait_for_signal(SignalMask set, siginfo_t* info, Deadline deadline) {
  Thread& me = *this_thread();
  set &= ~(bit_of(SIGKILL) | bit_of(SIGSTOP) | bit_of(32) | bit_of(33));
  uint32_t handlers_before = handlers_run();
  if (int signal = take(me, set, info); signal != 0) return signal;
  if (deadline.at == Deadline::passed().at) return -EAGAIN;
  for (;;) {
    if (!may_switch()) return wait_in_place(me, set, handlers_before, deadline, info);
    Wakeup wakeup = Wakeup::ready;
    {
      Awaiting awaiting(me, set, false);
      if (!park_for(me, set, handlers_before, deadline, wakeup)) {
        return wait_in_place(me, set, handlers_before, deadline, info);
      }
      if (int signal = take(me, set, info); signal != 0) return signal;
    }
    if (wakeup == Wakeup::cancelled) cancellation::test();
    deliver_pending();
    if (handlers_run() != handlers_before) return -EINTR;
    if (wakeup == Wakeup::timed_out) return -EAGAIN;
  }
}

void forget_watch_in_child() {
  watch_of_process.lock.reset();
  watch_of_process.fd = 0;
  watch_of_process.watched = 0;
}

}  // namespace unblock::signals

using namespace unblock;

namespace {

unsigned long first_word(const sigset_t* set) { return *reinterpret_cast<const unsigned long*>(set); }

}  // namespace

// sigwait(3). The error number is the result; never EINTR.
INTERPOSED int sigwait(const sigset_t* set, int* signal) {
  if (!lifecycle::on_green()) return real::sigwait(set, signal);
  cancellation::test();
  int found;
  do found = signals::wait_for_signal(first_word(set), nullptr, Deadline::never());
  while (found == -EINTR);
  if (found < 0) return -found;
  *signal = found;
  return 0;
}

// sigwaitinfo(2).
INTERPOSED int sigwaitinfo(const sigset_t* set, siginfo_t* info) {
  if (!lifecycle::on_green()) return real::sigwaitinfo(set, info);
  return sigtimedwait(set, info, nullptr);
}

// sigtimedwait(2).
INTERPOSED int sigtimedwait(const sigset_t* set, siginfo_t* info, const timespec* timeout) {
  if (!lifecycle::on_green()) return real::sigtimedwait(set, info, timeout);
  cancellation::test();
  if (is_out_of_reach(set) || (timeout != nullptr && is_out_of_reach(timeout))) return (int)answer(-EFAULT);
  if (timeout != nullptr && (!is_valid(*timeout) || timeout->tv_sec < 0)) return (int)answer(-EINVAL);
  bool no_time = timeout != nullptr && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
  Deadline deadline = no_time ? Deadline::passed() : timeout != nullptr ? deadline_after(*timeout) : Deadline::never();
  int signal = signals::wait_for_signal(first_word(set), info, deadline);
  if (signal > 0 && info != nullptr && info->si_code == SI_TKILL) info->si_code = SI_USER;  // so libc tells it
  return (int)answer(signal);
}
INTERPOSED int __sigtimedwait(const sigset_t* set, siginfo_t* info, const timespec* timeout) {
  return sigtimedwait(set, info, timeout);
}

namespace {

// Waits until more handlers have run than at the start. Those that run while the wait begins count too: none is missed
// between the look and the wait.
void wait_for_handler(uint32_t run_before) {
  while (signals::handlers_run() == run_before) {
    Wakeup wakeup = Wakeup::interrupted;
    {
      Waiter waiter(WaitKind::signal);
      if (signals::handlers_run() == run_before) {
        wakeup = waiter.wait();
      } else {
        waiter.cancel();
      }
    }
    if (wakeup == Wakeup::cancelled) cancellation::test();
    signals::deliver_pending();
  }
}

// The same for a thread that cannot leave its OS thread. What its OS thread takes for another thread ends the kernel's
// call too.
template <class Wait>
void wait_in_place_for_handler(uint32_t run_before, Wait wait) {
  while (signals::handlers_run() == run_before) in_long_region(wait);
}

}  // namespace

// sigsuspend(2). A handler that runs meanwhile ends it; one that the mask lets in at once is enough.
INTERPOSED int sigsuspend(const sigset_t* mask) {
  if (!lifecycle::on_green() || is_out_of_reach(mask)) return real::sigsuspend(mask);
  cancellation::test();
  uint32_t before = signals::handlers_run();
  if (!may_switch()) {
    signals::TemporaryMask temporary(mask, signals::TemporaryMask::by_kernel);
    wait_in_place_for_handler(before, [&] { return real::sigsuspend(mask); });
    return (int)answer(-EINTR);
  }
  signals::TemporaryMask temporary(mask);
  wait_for_handler(before);
  return (int)answer(-EINTR);
}
INTERPOSED int __sigsuspend(const sigset_t* mask) { return sigsuspend(mask); }

// sigpause(3): X/Open's form is given the one signal to let in, BSD's the mask as a word.
INTERPOSED int __xpg_sigpause(int signal) {
  sigset_t mask;
  if (sigprocmask(SIG_SETMASK, nullptr, &mask) != 0 || sigdelset(&mask, signal) != 0) return -1;
  return sigsuspend(&mask);
}
INTERPOSED int bsd_sigpause(int bits) __asm__("sigpause");  // libc's headers give the plain name to X/Open's
INTERPOSED int bsd_sigpause(int bits) {
  sigset_t mask;
  sigemptyset(&mask);
  *reinterpret_cast<unsigned long*>(&mask) = (unsigned)bits;
  return sigsuspend(&mask);
}
INTERPOSED int __sigpause(int bits_or_signal, int is_signal) {
  return is_signal ? __xpg_sigpause(bits_or_signal) : bsd_sigpause(bits_or_signal);
}

// pause(2).
INTERPOSED int pause(void) {
  if (!lifecycle::on_green()) return real::pause();
  cancellation::test();
  uint32_t before = signals::handlers_run();
  if (may_switch()) {
    wait_for_handler(before);
  } else {
    wait_in_place_for_handler(before, [] { return real::pause(); });
  }
  return (int)answer(-EINTR);
}
