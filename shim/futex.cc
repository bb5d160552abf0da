// syscall(2), for the one call that libraries make through it to wait: futex(2). libstdc++'s static guards and
// atomic::wait, InnoDB, Rust and GLib all come this way. Private waits park in the lot, and so do those without the
// private flag on memory that is not shared: libstdc++ never sets it. Everything else passes.

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/deadline.h"
#include "shim/os_thread_state.h"
#include "shim/real.h"
#include "shim/shared_memory.h"

using namespace unblock;

namespace {

struct Futex {
  uint32_t* word;
  int operation;
  uint32_t value;
  const timespec* timeout;  // or, for those that take a second count, that count
  uint32_t* second_word;
  uint32_t third_value;

  int private_flag() const { return operation & FUTEX_PRIVATE_FLAG; }
  bool is_private() const { return private_flag() != 0; }
  int command() const { return operation & FUTEX_CMD_MASK; }
  clockid_t clock() const { return operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC; }
  int second_count() const { return (int)reinterpret_cast<intptr_t>(timeout); }
};

uint32_t load(uint32_t* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }

// The kernel clears and wakes the word of a thread that was made by clone(2) and ends; what is waited for there is its
// number.
bool is_thread_of_the_kernel(uint32_t value) {
  return value != 0 && value < 1u << 22 && kernel::invoke(SYS_tgkill, kernel::invoke(SYS_getpid), (int)value, 0) == 0;
}

// May somebody end this wait who does not know the lot?
bool is_for_strangers(const Futex& futex) {
  return !futex.is_private() && (shared_memory::contains(futex.word) || is_thread_of_the_kernel(futex.value));
}

long wait(const Futex& futex, uint32_t bits, bool absolute) {
  if (is_for_strangers(futex)) return -ENOSYS;
  if (bits == 0) return -EINVAL;
  Deadline deadline = Deadline::never();
  if (futex.timeout != nullptr) {
    if (!is_valid(*futex.timeout) || futex.timeout->tv_sec < 0) return -EINVAL;
    deadline = absolute ? deadline_of(futex.clock(), *futex.timeout) : deadline_after(*futex.timeout);
  }
  uint32_t handlers_before = signals::handlers_run();
  for (;;) {
    Parking parking = parking_lot::park(
        futex.word, WaitKind::futex, deadline,
        [&] { return load(futex.word) == futex.value ? Recheck::park : Recheck::leave; }, bits);
    switch (parking) {
      case Parking::not_needed: return -EAGAIN;
      case Parking::timed_out: return -ETIMEDOUT;
      case Parking::interrupted:
        if (!goes_on_after_signals(deadline.is_never(), handlers_before)) return -EINTR;
        break;
      default: return 0;
    }
  }
}

// OS threads that wait by an inline system call, and other processes, sleep in the kernel: they get what the lot had no
// use for.
long wake(uint32_t* word, int most, uint32_t bits, int private_flag) {
  if (bits == 0) return -EINVAL;
  if (most <= 0) most = 1;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  int woken = parking_lot::unpark(
      word, most, [bits](uint32_t tag, int) { return (tag & bits) != 0 ? Choice::wake : Choice::skip; });
  if (woken == most) return woken;
  long others = kernel::invoke(SYS_futex, word, FUTEX_WAKE_BITSET | private_flag, most - woken, nullptr, nullptr, bits);
  return others > 0 ? woken + others : woken;
}

long requeue(const Futex& futex, bool compare) {
  if (!futex.is_private() && !parking_lot::anyone_at(futex.word)) return -ENOSYS;
  int moved = 0;
  int woken = parking_lot::requeue(futex.word, futex.second_word, (int)futex.value, futex.second_count(), &moved,
                                   [&] { return !compare || load(futex.word) == futex.third_value; });
  return woken < 0 ? -EAGAIN : woken + moved;
}

// FUTEX_WAKE_OP: changes the second word, wakes at the first, and at the second if its old value compares so.
bool change_and_compare(uint32_t* word, uint32_t encoded) {
  int operation = encoded >> 28 & 7, comparison = encoded >> 24 & 15;
  int argument = (int32_t)(encoded << 8) >> 20, against = (int32_t)(encoded << 20) >> 20;
  if (encoded >> 28 & FUTEX_OP_OPARG_SHIFT) argument = 1 << (argument & 31);
  int before = 0;
  switch (operation) {
    case FUTEX_OP_SET: before = (int)__atomic_exchange_n(word, (uint32_t)argument, __ATOMIC_SEQ_CST); break;
    case FUTEX_OP_ADD: before = (int)__atomic_fetch_add(word, (uint32_t)argument, __ATOMIC_SEQ_CST); break;
    case FUTEX_OP_OR: before = (int)__atomic_fetch_or(word, (uint32_t)argument, __ATOMIC_SEQ_CST); break;
    case FUTEX_OP_ANDN: before = (int)__atomic_fetch_and(word, ~(uint32_t)argument, __ATOMIC_SEQ_CST); break;
    case FUTEX_OP_XOR: before = (int)__atomic_fetch_xor(word, (uint32_t)argument, __ATOMIC_SEQ_CST); break;
  }
  switch (comparison) {
    case FUTEX_OP_CMP_EQ: return before == against;
    case FUTEX_OP_CMP_NE: return before != against;
    case FUTEX_OP_CMP_LT: return before < against;
    case FUTEX_OP_CMP_LE: return before <= against;
    case FUTEX_OP_CMP_GT: return before > against;
    case FUTEX_OP_CMP_GE: return before >= against;
  }
  return false;
}

long wake_op(const Futex& futex) {
  bool also_second = change_and_compare(futex.second_word, futex.third_value);
  long woken = wake(futex.word, (int)futex.value, FUTEX_BITSET_MATCH_ANY, futex.private_flag());
  if (also_second) {
    woken += wake(futex.second_word, futex.second_count(), FUTEX_BITSET_MATCH_ANY, futex.private_flag());
  }
  return woken;
}

bool takes_clock(const Futex& futex) { return futex.command() == FUTEX_WAIT_BITSET; }

// What the kernel refuses before it looks at who waits, in its own words.
bool is_refused(const Futex& futex) {
  if (is_out_of_reach(futex.word)) return true;
  if (reinterpret_cast<uintptr_t>(futex.word) % sizeof(uint32_t) != 0) return true;
  if ((futex.operation & FUTEX_CLOCK_REALTIME) && !takes_clock(futex)) return true;
  switch (futex.command()) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: return futex.timeout != nullptr && is_out_of_reach(futex.timeout);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE: return (int)futex.value < 0 || futex.second_count() < 0;
    case FUTEX_WAKE_OP:
      if (is_out_of_reach(futex.second_word)) return true;
      return (futex.third_value >> 28 & 7) > FUTEX_OP_XOR || (futex.third_value >> 24 & 15) > FUTEX_OP_CMP_GE;
    default: return false;
  }
}

// -ENOSYS: not one that parks; the kernel decides.
long parked_futex(const Futex& futex) {
  if (is_refused(futex)) return -ENOSYS;
  switch (futex.command()) {
    case FUTEX_WAIT: return wait(futex, FUTEX_BITSET_MATCH_ANY, false);
    case FUTEX_WAIT_BITSET: return wait(futex, futex.third_value, true);
    case FUTEX_WAKE: return wake(futex.word, (int)futex.value, FUTEX_BITSET_MATCH_ANY, futex.private_flag());
    case FUTEX_WAKE_BITSET: return wake(futex.word, (int)futex.value, futex.third_value, futex.private_flag());
    case FUTEX_REQUEUE: return requeue(futex, false);
    case FUTEX_CMP_REQUEUE: return requeue(futex, true);
    case FUTEX_WAKE_OP: return wake_op(futex);
    default: return -ENOSYS;
  }
}

}  // namespace

// syscall(2). Six words are always passed on, as libc's own does.
INTERPOSED long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  if (!lifecycle::active()) return real::syscall(number, a, b, c, d, e, f);
  if (number == SYS_futex) {
    Futex futex = {(uint32_t*)a, (int)b, (uint32_t)c, (const timespec*)d, (uint32_t*)e, (uint32_t)f};
    long result = parked_futex(futex);
    if (result != -ENOSYS) return answer(result);
  }
  if (number == SYS_gettid && lifecycle::on_green()) return this_thread()->tid;
  if (number == SYS_tgkill) return tgkill((pid_t)a, (pid_t)b, (int)c);
  if (number == SYS_tkill && signals::is_ours((pid_t)a)) return tgkill(getpid(), (pid_t)a, (int)b);
  if (number == SYS_rt_tgsigqueueinfo && a == getpid() && signals::is_ours((pid_t)b)) {
    return answer(signals::queue_at((pid_t)b, (int)c, (const siginfo_t*)d));
  }
  if (number == SYS_close) return close((int)a);
  if (number == SYS_dup2) return dup2((int)a, (int)b);
  if (number == SYS_dup3) return dup3((int)a, (int)b, (int)c);
  if (number == SYS_close_range) return close_range((unsigned)a, (unsigned)b, (int)c);
  if (number == SYS_exit && lifecycle::on_green()) end_this_thread_at_once((int)a);
  if (number == SYS_prctl) return prctl((int)a, b, c, d, e);
  if (os_thread_state::is_changed_by(number)) os_thread_state::about_to_change();
  return in_region([&] { return real::syscall(number, a, b, c, d, e, f); });
}
