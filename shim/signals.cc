#include "shim/signals.h"

#include <errno.h>
#include <sys/mman.h>

#include "scheduler/carrier.h"
#include "scheduler/check.h"
#include "scheduler/scheduler.h"
#include "shim/blocking_call.h"
#include "shim/cancellation.h"
#include "shim/clock.h"
#include "shim/lifecycle.h"
#include "shim/overflow.h"
#include "shim/real.h"
#include "shim/signal_actions.h"
#include "shim/signal_wait.h"

namespace unblock::signals {
namespace {

using Mask = SignalMask;
constexpr Mask libcs_own = Mask{1} << 31 | Mask{1} << 32;  // signals 32 and 33
constexpr Mask all = ~libcs_own;

// What our nudges carry, so that they are told from the program's own signals.
const char nudge_mark = 0;

Mask bit(int signal) { return bit_of(signal); }

Mask first_word(const sigset_t* set) { return *reinterpret_cast<const Mask*>(set); }
Mask& first_word(sigset_t* set) { return *reinterpret_cast<Mask*>(set); }

// First noted, then done: handlers that run because the mask opens find it noted, and what they note themselves stays.
void set_kernel_mask(Carrier& carrier, Mask mask) {
  mask &= ~libcs_own;
  carrier.kernel_mask = mask;
  carrier.kernel_mask_known = true;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
}

// What the thread would take now: what it does not block, and what it is in sigwait for.
Mask taken_by(const Thread& thread) { return ~thread.mask | thread.awaited.load(std::memory_order_seq_cst); }

// See that a thread which has something recorded looks at it.
void alert(Thread& thread, int signal) {
  Critical critical;
  if (taken_by(thread) & bit(signal)) wake_thread(thread.green, Wakeup::interrupted);
  bool blocked = (thread.mask & bit(signal)) != 0;
  if (blocked && !thread.awaits_in_kernel.load(std::memory_order_seq_cst)) return;
  Carrier* carrier = thread.green.carrier.load(std::memory_order_seq_cst);
  if (carrier == nullptr) return;
  guard_defaults(bit(signal));  // the handler may be taken away before the nudge lands
  siginfo_t nudge = {};
  nudge.si_signo = signal;
  nudge.si_code = SI_QUEUE;  // the kernel refuses SI_TKILL for any thread but the caller
  nudge.si_value.sival_ptr = const_cast<char*>(&nudge_mark);
  kernel::invoke(SYS_rt_tgsigqueueinfo, kernel::invoke(SYS_getpid), carrier->kernel_tid, signal, &nudge);
}

// Marks that a handler of the program runs on this thread, on the stack that it runs on.
class InHandler {
 public:
  InHandler() : before_(here.handler_frame) {
    here.in_handler = here.in_handler + 1;
    here.handler_frame = __builtin_frame_address(0);
  }
  ~InHandler() {
    if (here.in_handler > 0) here.in_handler = here.in_handler - 1;
    here.handler_frame = before_;
  }

 private:
  void* before_;
};

void run_handler(int signal, siginfo_t* info, void* context) {
  if (!has_handler(signal)) {
    if (has_default_action(signal)) take_default_action(signal);  // the program had a handler, or a guard of ours stood
    return;
  }
  int saved_errno = errno;
  Thread& me = *this_thread();
  bool was_delivering = me.is_delivering;
  me.is_delivering = false;
  if (!(action_flags(signal) & SA_RESTART)) me.must_not_restart = true;
  me.handlers_run.store(me.handlers_run.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  {
    InHandler mark;
    call_action(signal, info, context);
  }
  me.is_delivering = was_delivering;
  errno = saved_errno;
}

// What every thread blocks, for the mask under which a carrier waits. Kept without looking at all threads: a thread
// that blocks less takes bits away at once; one that blocks more, or ends, may give bits back, and only then the
// threads are looked through again.
std::atomic<Mask> blocked_by_all{~Mask{0}};
std::atomic<bool> may_block_more{false};

void note_mask(Mask mask) {
  Mask before = blocked_by_all.fetch_and(mask, std::memory_order_seq_cst);
  if ((before & ~mask) != 0) scheduler::renew_wait();  // the carrier that waits still blocks what somebody lets through
  guard_defaults(mask);
}

void look_through_masks() {
  may_block_more.store(true, std::memory_order_seq_cst);
  scheduler::renew_wait();
}

// A thread that ends with the commonest mask leaves others that have it.
void note_end_of_mask(Mask mask) {
  if (mask != blocked_by_all.load(std::memory_order_seq_cst)) look_through_masks();
}

// Every thread blocks the signal by now, but this OS thread still let it through: it blocks it too, and the signal is
// sent to the process again, where it stays pending until somebody waits for it or lets it through.
void send_back(int signal, siginfo_t info) {
  if (here.carrier != nullptr) set_kernel_mask(*here.carrier, here.carrier->kernel_mask | bit(signal));
  may_block_more.store(true, std::memory_order_seq_cst);
  long self = kernel::invoke(SYS_getpid);
  // Only the first OS thread may send on what the kernel has sent; what is lost otherwise is who sent it.
  if (kernel::invoke(SYS_rt_sigqueueinfo, self, signal, &info) != 0) kernel::invoke(SYS_kill, self, signal);
}

// A signal of the process that has found a thread which is not to have it, or a scheduler.
void route(const siginfo_t& info) {
  int signal = info.si_signo;
  if (clocks::outlived_its_target(&info)) return;
  if (Thread* target = clocks::target_of_timer(&info); target != nullptr) {
    if (target->pending.add(info, false) == 0) alert(*target, signal);
    return;
  }
  Thread* taker = taker_of(signal);
  if (taker == nullptr) return send_back(signal, info);
  bool is_awaited = (taker->awaited.load(std::memory_order_relaxed) & bit(signal)) != 0;
  if (!is_awaited && has_default_action(signal)) return take_default_action(signal);
  taker->pending.add(info, true);
  alert(*taker, signal);
  scheduler::renew_wait();  // this carrier may be just about to wait for events
}

// What a thread brings upon itself, and what the kernel sends to whoever runs, stays there.
bool is_of_the_thread(int signal, const siginfo_t* info) {
  constexpr Mask of_the_thread = Mask{1} << (SIGSEGV - 1) | Mask{1} << (SIGBUS - 1) | Mask{1} << (SIGILL - 1) |
                                 Mask{1} << (SIGFPE - 1) | Mask{1} << (SIGTRAP - 1) | Mask{1} << (SIGSYS - 1) |
                                 Mask{1} << (SIGPIPE - 1) | Mask{1} << (SIGXFSZ - 1) | Mask{1} << (SIGXCPU - 1) |
                                 Mask{1} << (SIGPROF - 1) | Mask{1} << (SIGVTALRM - 1) | Mask{1} << (SIGCHLD - 1);
  return (of_the_thread & bit(signal)) || info->si_code == SI_TKILL || info->si_code == SI_TIMER;
}

// The instruction that was interrupted runs again when the handler returns: it cannot be put off.
bool is_fault(int signal, const siginfo_t* info) {
  constexpr Mask faults = Mask{1} << (SIGSEGV - 1) | Mask{1} << (SIGBUS - 1) | Mask{1} << (SIGILL - 1) |
                          Mask{1} << (SIGFPE - 1) | Mask{1} << (SIGTRAP - 1) | Mask{1} << (SIGSYS - 1);
  return (faults & bit(signal)) && info->si_code > 0;
}

// The kernel offers a signal of the process to its first thread first, and so do we: alarm(2) ends a read of main's
// whoever else is running.
bool is_for_another(const Thread& me, int signal, const siginfo_t* info) {
  if (me.is_ending) return true;
  if (Thread* target = clocks::target_of_timer(info); target != nullptr) return target != &me;
  if (is_of_the_thread(signal, info)) return false;
  if (has_default_action(signal)) {
    Thread* taker = taker_of(signal);
    return taker != nullptr && taker != &me && (taker->awaited.load(std::memory_order_relaxed) & bit(signal));
  }
  Thread* main = first_thread();
  return main != nullptr && main != &me && is_alive(*main) && (taken_by(*main) & bit(signal));
}

// Nothing may be recorded now: whoever is interrupted may hold the lock for it. The signal waits in the carrier until
// the critical section ends, and the kernel keeps the next one until then. It may have laid the frames of several upon
// each other before the first of them got here: of each number one, unless a handler has asked for more (SA_NODEFER).
// Those beyond our room go back to it.
void defer(Carrier& carrier, int signal, const siginfo_t* info, void* context) {
  first_word(&static_cast<ucontext_t*>(context)->uc_sigmask) = all;
  set_kernel_mask(carrier, all);  // from here on no handler interrupts this one
  if (carrier.deferred_count == sizeof carrier.deferred / sizeof *carrier.deferred) {
    kernel::invoke(SYS_rt_tgsigqueueinfo, kernel::invoke(SYS_getpid), carrier.kernel_tid, signal, info);
    return;
  }
  Deferred& kept = carrier.deferred[carrier.deferred_count++];
  kept = {*info, here.green, (int)kernel::invoke(SYS_getpid)};
  kept.info.si_signo = signal;
  here.signals_recorded = true;
  if (here.green != nullptr) wake_thread(*here.green, Wakeup::interrupted);  // it may be about to leave its stack
}

void settle(const Deferred& kept) {
  int signal = kept.info.si_signo;
  if (clocks::outlived_its_target(&kept.info)) return;
  if (kept.of == nullptr || is_for_another(thread_of(*kept.of), signal, &kept.info)) return route(kept.info);
  Thread& thread = thread_of(*kept.of);
  thread.pending.add(kept.info, !is_of_the_thread(signal, &kept.info));
  if (kept.of != here.green) alert(thread, signal);
}

// Records what was deferred, for the thread on whose stack it came or for whoever is to have it.
void settle_deferred(Carrier& carrier) {
  if (carrier.deferred_count == 0) return;
  Critical critical;
  set_kernel_mask(carrier, all);
  for (int i = 0; i < carrier.deferred_count; ++i) {
    if (carrier.deferred[i].process == kernel::invoke(SYS_getpid)) settle(carrier.deferred[i]);
  }
  carrier.deferred_count = 0;
}

// What the thread has blocked meanwhile of the process's signals goes to somebody else, or back.
void pass_on_blocked(Thread& me) {
  while (QueuedSignal* each = me.pending.take_of_process(~taken_by(me))) {
    siginfo_t info = each->info;
    SignalQueue::forget(each);
    route(info);
  }
}

QueuedSignal* take_handed_over(Thread& me, int signal) {
  for (QueuedSignal** link = &me.handed_over; *link != nullptr; link = &(*link)->next) {
    if ((*link)->info.si_signo != signal) continue;
    QueuedSignal* found = *link;
    *link = found->next;
    return found;
  }
  return nullptr;
}

void forget_handed_over(Thread& me) {
  while (QueuedSignal* each = me.handed_over) {
    me.handed_over = each->next;
    SignalQueue::forget(each);
  }
}

// A handler that the kernel has called for the thread that runs; `record` is what the signal was handed over by. It goes
// back only when the thread knows that it blocks the signal by now: giving it back ends a critical section, which would
// otherwise open the mask for the next one, whose frame would lie upon this one's, and so on under a storm of signals.
void handle(Thread& me, int signal, siginfo_t* info, void* context, QueuedSignal* record = nullptr) {
  Mask before = me.mask, interrupted = first_word(&static_cast<ucontext_t*>(context)->uc_sigmask);
  ask_kernel_for_mask(me);  // the frames of several handlers may lie on top of each other
  if (record != nullptr) SignalQueue::forget(record);
  run_handler(signal, info, context);
  Mask after = first_word(&static_cast<ucontext_t*>(context)->uc_sigmask);
  kernel_has_mask(me, after == interrupted ? before : after);  // the handler may have changed what it returns to
}

// On a carrier, in a green thread or in its scheduler.
void arrive_at_carrier(Carrier& carrier, int signal, siginfo_t* info, void* context) {
  Thread* me = this_thread();
  // A standard signal that was handed over while a nudge of its number was on its way has been dropped by the kernel as a
  // second one; a real-time signal comes by itself.
  bool may_stand_for_one = !is_nudge(info) || signal < first_realtime;
  QueuedSignal* handed_over = me != nullptr && may_stand_for_one ? take_handed_over(*me, signal) : nullptr;
  if (handed_over != nullptr) {
    siginfo_t own = handed_over->info;
    return handle(*me, signal, is_nudge(info) ? &own : info, context, handed_over);
  }
  if (me != nullptr && is_fault(signal, info)) return handle(*me, signal, info, context);
  if (is_nudge(info)) {
    if (me == nullptr) return;  // its thread has left this carrier and looks when it resumes
    if (here.critical == 0 && here.waits == 0) {
      deliver_pending();
    } else {
      here.signals_recorded = true;
      wake_thread(me->green, Wakeup::interrupted);
    }
    return;
  }
  if (here.critical != 0) return defer(carrier, signal, info, context);
  if (clocks::outlived_its_target(info)) return;
  if (me == nullptr || is_for_another(*me, signal, info)) return route(*info);
  if (has_default_action(signal)) return take_default_action(signal);
  if (here.waits == 0) return handle(*me, signal, info, context);
  me->pending.add(*info, !is_of_the_thread(signal, info));
  here.signals_recorded = true;
  wake_thread(me->green, Wakeup::interrupted);
}

std::atomic<Mask> watched;  // by a signalfd of the program, now or once

// The kernel keeps it for the process, where a signalfd finds it: 0 or an error number.
int leave_to_kernel(int signal, const siginfo_t* info) {
  long self = kernel::invoke(SYS_getpid);
  long result = info != nullptr ? kernel::invoke(SYS_rt_sigqueueinfo, self, signal, info)
                                : kernel::invoke(SYS_kill, self, signal);
  return (int)-result;
}

}  // namespace

void discard(Mask signals) {
  threads.for_each([&](Thread& each) {
    if (each.pending.pending() & signals) each.pending.clear(signals);
  });
}

void watched_by_descriptor(Mask signals) { watched.fetch_or(signals, std::memory_order_relaxed); }

// One that is in sigwait for it comes before one that would die of it.
Thread* taker_of(int signal) {
  Thread* main = first_thread();
  if (main != nullptr && is_alive(*main) && !main->is_ending && (taken_by(*main) & bit(signal))) return main;
  Thread *waiting = nullptr, *other = nullptr;
  threads.for_each([&](Thread& each) {
    if (!is_alive(each) || each.is_ending) return;
    if (each.awaited.load(std::memory_order_relaxed) & bit(signal)) waiting = &each;
    if (other == nullptr && !(each.mask & bit(signal))) other = &each;
  });
  return waiting != nullptr && (other == nullptr || has_default_action(signal)) ? waiting : other;
}

bool is_nudge(const siginfo_t* info) { return info->si_code == SI_QUEUE && info->si_value.sival_ptr == &nudge_mark; }

siginfo_t sent_by_this_process(int code, sigval value) {
  siginfo_t info = {};
  info.si_code = code;
  info.si_pid = (pid_t)kernel::invoke(SYS_getpid);
  info.si_uid = (uid_t)kernel::invoke(SYS_getuid);
  info.si_value = value;
  return info;
}

int direct_at(Thread& thread, int signal, const siginfo_t* given) {
  if (signal < 0 || signal > 64 || signal == 32 || signal == 33) return EINVAL;
  if (signal == 0 || !is_alive(thread)) return 0;
  constexpr Mask stops = Mask{1} << (SIGTSTP - 1) | Mask{1} << (SIGTTIN - 1) | Mask{1} << (SIGTTOU - 1);
  if (signal == SIGCONT) discard(stops);
  if (bit(signal) & stops) discard(bit(SIGCONT));
  bool is_held = (thread.mask & bit(signal)) || (thread.awaited.load(std::memory_order_seq_cst) & bit(signal));
  if (!is_held && !has_handler(signal)) {
    // The default action is the process's, whoever gets the signal; ignored ones vanish.
    if (has_default_action(signal)) take_default_action(signal);
    return 0;
  }
  if ((watched.load(std::memory_order_relaxed) & bit(signal)) && taker_of(signal) == nullptr) {
    return leave_to_kernel(signal, given);
  }
  siginfo_t info = given != nullptr ? *given : sent_by_this_process(SI_TKILL, {});
  info.si_signo = signal;
  if (int error = thread.pending.add(info, false); error != 0) return error;
  if (&thread != this_thread()) {
    alert(thread, signal);
  } else if (here.critical == 0 && here.waits == 0) {
    deliver_pending();
  } else {
    here.signals_recorded = true;
  }
  return 0;
}

bool is_ours(pid_t tid) { return thread_of_tid(tid) != nullptr; }

long queue_at(pid_t tid, int signal, const siginfo_t* info) {
  Thread* thread = thread_of_tid(tid);
  if (thread == nullptr) return -ESRCH;
  // Nobody but the thread itself may say that it was the kernel.
  if ((info->si_code >= 0 || info->si_code == SI_TKILL) && thread != this_thread()) return -EPERM;
  return -direct_at(*thread, signal, info);
}

// In front of every handler of the program. May run at any instruction of any OS thread.
void arrive(int signal, siginfo_t* info, void* context) {
  int saved_errno = errno;
  Carrier* carrier = here.carrier;
  if (carrier == nullptr) {
    if (has_default_action(signal)) take_default_action(signal);
    else call_action(signal, info, context);
  } else {
    arrive_at_carrier(*carrier, signal, info, context);
    // What the kernel puts back at the end of this handler is what the carrier has by now.
    if (here.carrier->kernel_mask & bit(signal)) sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, signal);
  }
  errno = saved_errno;
}

// Hands what is recorded and not blocked to the kernel, which calls the handlers as it calls all others: with a real
// context, on the stack that each has asked for, and in the kernel's order. What it has no room for is called by hand.
void deliver(Thread& me) {
  forget_handed_over(me);  // left behind by a handler that never returned
  set_kernel_mask(*here.carrier, all);
  QueuedSignal** last = &me.handed_over;
  QueuedSignal* refused = nullptr;
  long process = kernel::invoke(SYS_getpid), os_thread = kernel::invoke(SYS_gettid);
  while (QueuedSignal* each = me.pending.take(~(me.mask | me.awaited.load(std::memory_order_relaxed)))) {
    int signal = each->info.si_signo;
    if (kernel::invoke(SYS_rt_tgsigqueueinfo, process, os_thread, signal, &each->info) != 0) {
      refused = each;
      break;
    }
    each->next = nullptr;
    *last = each;
    last = &each->next;
  }
  set_kernel_mask(*here.carrier, me.mask);  // the handlers run here
  forget_handed_over(me);
  if (refused == nullptr) return;
  siginfo_t info = refused->info;
  SignalQueue::forget(refused);
  Mask before = me.mask;
  set_thread_mask(me, before | action_mask(info.si_signo));
  ucontext_t context = {};
  run_handler(info.si_signo, &info, &context);
  set_thread_mask(me, before);
}

// Whoever comes while it is at it (a nudge, the end of a critical section) leaves the rest to it. Otherwise each of a storm
// of signals would find the mask open that the one before has opened, and their frames would pile up on the stack.
bool deliver_pending() {
  Thread& me = *this_thread();
  auto deliverable = [&] { return me.pending.pending() & ~(me.mask | me.awaited.load(std::memory_order_relaxed)); };
  while (!me.is_delivering && deliverable()) {
    me.is_delivering = true;
    while (deliverable()) deliver(me);
    me.is_delivering = false;  // who came before this has recorded what it came for
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (here.carrier->kernel_mask != me.mask) set_kernel_mask(*here.carrier, me.mask);  // one was deferred meanwhile
  }
  return !me.must_not_restart;
}

uint32_t handlers_run() {
  Thread* me = this_thread();
  return me != nullptr ? me->handlers_run.load(std::memory_order_relaxed) : 0;
}

void kernel_has_mask(Thread& me, Mask mask) {
  me.mask = mask & ~libcs_own;
  note_mask(me.mask);
  here.carrier->kernel_mask = me.mask;
  if (me.pending.pending() & ~me.mask) here.signals_recorded = true;
}

void ask_kernel_for_mask(Thread& me) {
  Mask now = me.mask;
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &now, sizeof now);
  kernel_has_mask(me, now);
}

void set_thread_mask(Thread& me, Mask mask) {
  mask &= ~libcs_own;
  if (me.mask == mask) return;
  bool blocks_more = (mask & ~me.mask & ~blocked_by_all.load(std::memory_order_seq_cst)) != 0;
  me.mask = mask;
  note_mask(mask);  // after the mask itself: who looks through all masks meanwhile must find it
  if (blocks_more) look_through_masks();
  {
    Critical critical;
    set_kernel_mask(*here.carrier, mask);
  }
  if (me.pending.pending() & mask) pass_on_blocked(me);
}

void apply_alternate_stack(Carrier& carrier, const Thread& thread) {
  stack_t stack = thread.alternate_stack;
  if (stack.ss_sp == nullptr) {
    stack.ss_sp = overflow::carrier_stack(carrier);
    stack.ss_size = overflow::carrier_stack_bytes;
    stack.ss_flags = stack.ss_sp == nullptr ? SS_DISABLE : 0;
  }
  if (carrier.alternate_stack == stack.ss_sp) return;
  kernel::invoke(SYS_sigaltstack, &stack, nullptr);
  carrier.alternate_stack = stack.ss_sp;
}

void begin(Thread& main) {
  Mask mask = 0;
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &mask, sizeof mask);
  main.mask = mask & ~libcs_own;
  here.carrier->kernel_mask = main.mask;
  here.carrier->kernel_mask_known = true;
  stack_t stack = {};
  if (kernel::invoke(SYS_sigaltstack, nullptr, &stack) == 0 && !(stack.ss_flags & SS_DISABLE)) {
    main.alternate_stack = stack;
    here.carrier->alternate_stack = stack.ss_sp;
  }
  take_over_actions();
  note_mask(main.mask);
}

void inherit_mask(Thread& thread, bool has_its_own, Mask its_own) {
  if (has_its_own) {
    thread.mask = its_own & ~(libcs_own | bit(SIGKILL) | bit(SIGSTOP));
  } else if (Thread* creator = this_thread(); creator != nullptr) {
    thread.mask = creator->mask;
  } else {
    kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &thread.mask, sizeof thread.mask);
  }
  note_mask(thread.mask);
}

void thread_begins(Thread&) {}

void thread_ends(Thread& thread, bool unwound) {
  // Nothing may be delivered to it any more. The kernel is not told: what comes meanwhile goes to another thread.
  note_end_of_mask(thread.mask);
  if (unwound) here.carrier->kernel_mask_known = false;  // out of a handler, perhaps, whose signal is still blocked
  thread.is_ending = true;
  thread.mask = ~Mask{0};
  thread.awaited.store(0, std::memory_order_seq_cst);
  pass_on_blocked(thread);
  thread.pending.clear();
  forget_handed_over(thread);
}

void interrupt(Thread& thread) {
  constexpr int libcs_cancel_signal = 32;
  Carrier* carrier = thread.green.carrier.load(std::memory_order_seq_cst);
  if (carrier == nullptr) return;
  kernel::invoke(SYS_tgkill, kernel::invoke(SYS_getpid), carrier->kernel_tid, libcs_cancel_signal);
}

void lend_pending(Thread& me) {
  long process = kernel::invoke(SYS_getpid), os_thread = kernel::invoke(SYS_gettid);
  while (QueuedSignal* each = me.pending.take(me.mask)) {
    kernel::invoke(SYS_rt_tgsigqueueinfo, process, os_thread, each->info.si_signo, &each->info);
    SignalQueue::forget(each);
  }
}

void take_back_pending(Thread& me) {
  constexpr timespec at_once = {};
  siginfo_t info;
  while (kernel::invoke(SYS_rt_sigtimedwait, &me.mask, &info, &at_once, sizeof me.mask) > 0) {
    if (!is_nudge(&info)) me.pending.add(info, !is_of_the_thread(info.si_signo, &info));
  }
}

void after_fork_in_child(Thread& survivor) {
  survivor.pending.forget_in_child();
  survivor.handed_over = nullptr;
  forget_watch_in_child();
  blocked_by_all.store(survivor.mask, std::memory_order_relaxed);
  here.signals_recorded = true;  // perhaps one of its own came early, or one of the parent's closed the mask
}

namespace {

// Of the process: who asks blocks all.
Mask pending_in_kernel() {
  Mask pending = 0;
  kernel::invoke(SYS_rt_sigpending, &pending, sizeof pending);
  return pending & all;
}

}  // namespace

bool may_have_to_offer() { return (pending_in_kernel() & ~blocked_by_all.load(std::memory_order_seq_cst)) != 0; }

void offer_pending() {
  Mask pending = pending_in_kernel();
  if (pending == 0) return;
  for (Mask due = pending & ~host::mask_for_waiting(); due != 0; due &= due - 1) {
    Mask one = due & -due;
    constexpr timespec at_once = {};
    siginfo_t info;
    if (taker_of(__builtin_ctzl(one) + 1) == nullptr) continue;
    if (kernel::invoke(SYS_rt_sigtimedwait, &one, &info, &at_once, sizeof one) > 0) route(info);
  }
}

TemporaryMask::TemporaryMask(const sigset_t* mask, Set set)
    : active_(mask != nullptr), handlers_run_before_(handlers_run()) {
  if (!active_) return;
  Thread& me = *this_thread();
  before_ = me.mask;
  if (set == by_kernel) {
    me.mask = first_word(mask) & ~libcs_own;
  } else {
    set_thread_mask(me, first_word(mask));
  }
  deliver_pending();
}

bool TemporaryMask::interrupted() const { return active_ && handlers_run() != handlers_run_before_; }

TemporaryMask::~TemporaryMask() {
  if (!active_) return;
  set_thread_mask(*this_thread(), before_);
  deliver_pending();
}

}  // namespace unblock::signals

namespace unblock::host {

void before_resume(Carrier& carrier, GreenThread& green) {
  Thread& thread = thread_of(green);
  if (!carrier.kernel_mask_known || carrier.kernel_mask != thread.mask) signals::set_kernel_mask(carrier, thread.mask);
  signals::apply_alternate_stack(carrier, thread);
  if ((thread.pending.pending() & ~thread.mask) || thread.asked_to_end.load(std::memory_order_seq_cst) ||
      thread.has_order.load(std::memory_order_seq_cst)) {
    green.local->signals_recorded = true;
  }
}

// Before a carrier waits for events it lets through every signal that some thread does not block: the handler finds
// the scheduler and records the signal for that thread.
unsigned long mask_for_waiting() {
  if (signals::may_block_more.exchange(false, std::memory_order_seq_cst)) {
    unsigned long all = ~0ul;
    signals::blocked_by_all.store(all, std::memory_order_seq_cst);  // whoever blocks less meanwhile takes its bits away
    threads.for_each([&](Thread& each) { all &= is_alive(each) ? each.mask : ~0ul; });
    signals::note_mask(all);
  }
  return signals::blocked_by_all.load(std::memory_order_seq_cst) & ~signals::libcs_own;
}

void before_sleep(Carrier& carrier) {
  if (!carrier.kernel_mask_known || carrier.kernel_mask != (~0ul & ~signals::libcs_own)) {
    signals::set_kernel_mask(carrier, ~0ul);
  }
}

bool reason_not_to_park(GreenThread& green, Wakeup& reason) {
  Thread& thread = thread_of(green);
  thread.must_not_restart = false;
  if (thread.pending.pending() & signals::taken_by(thread)) {
    reason = Wakeup::interrupted;
    return true;
  }
  if (cancellation::ends(green.wait_kind) && cancellation::requested()) {
    reason = Wakeup::cancelled;
    return true;
  }
  return false;
}

bool is_inside_handler(void* handler_frame) {
  auto frame = reinterpret_cast<uintptr_t>(handler_frame);
  auto here_now = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const stack_t& alternate = this_thread()->alternate_stack;
  auto low = reinterpret_cast<uintptr_t>(alternate.ss_sp);
  auto on_alternate = [&](uintptr_t address) {
    return low != 0 && address >= low && address < low + alternate.ss_size;
  };
  return on_alternate(frame) == on_alternate(here_now) && here_now < frame;
}

void deliver_recorded_signals() {
  here.signals_recorded = false;
  if (here.carrier == nullptr) return;
  signals::settle_deferred(*here.carrier);
  if (here.green == nullptr) return;
  Thread& me = *this_thread();
  if (here.waits != 0) {
    here.signals_recorded = true;  // for the end of the wait
    return;
  }
  if (me.has_order.load(std::memory_order_relaxed) && !me.is_ending) schedule_order::carry_out(me);
  signals::deliver_pending();
  if (!me.is_delivering && here.carrier->kernel_mask != me.mask)
    signals::set_kernel_mask(*here.carrier, me.mask);  // lets in the next one
  if (me.asked_to_end.load(std::memory_order_relaxed) && !me.is_ending) cancellation::act_if_asynchronous();
}

}  // namespace unblock::host
