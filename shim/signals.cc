#include "shim/signals.h"

#include <errno.h>
#include <sys/mman.h>

#include "scheduler/carrier.h"
#include "scheduler/check.h"
#include "scheduler/scheduler.h"
#include "shim/blocking_call.h"
#include "shim/cancellation.h"
#include "shim/lifecycle.h"
#include "shim/overflow.h"
#include "shim/real.h"
#include "shim/signal_actions.h"

namespace unblock::signals {
namespace {

using Mask = unsigned long;
constexpr Mask libcs_own = Mask{1} << 31 | Mask{1} << 32;  // signals 32 and 33

// What our nudges carry, so that they are told from the program's own signals.
const char nudge_mark = 0;

Mask bit(int signal) { return Mask{1} << (signal - 1); }

Mask first_word(const sigset_t* set) { return *reinterpret_cast<const Mask*>(set); }

void set_kernel_mask(Carrier& carrier, Mask mask) {
  mask &= ~libcs_own;
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
  carrier.kernel_mask = mask;
  carrier.kernel_mask_known = true;
}

// The siginfo of signals that were recorded; the last of each number counts.
siginfo_t infos[65];

void record(Thread& thread, int signal, const siginfo_t* info) {
  if (info != nullptr) infos[signal] = *info;
  thread.pending.fetch_or(bit(signal), std::memory_order_seq_cst);
}

// See that a thread which has something recorded looks at it.
void alert(Thread& thread, int signal) {
  Critical critical;
  if (!(thread.mask & bit(signal))) wake_thread(thread.green, Wakeup::interrupted);
  // One that blocks it may be in sigwait, so the nudge is sent all the same.
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
  if (!has_handler(signal)) return;
  int saved_errno = errno;
  Thread& me = *this_thread();
  if (!(action_flags(signal) & SA_RESTART)) me.must_not_restart = true;
  me.handlers_run.store(me.handlers_run.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  {
    InHandler mark;
    call_action(signal, info, context);
  }
  errno = saved_errno;
}

// Signals that found a scheduler with a lock in its hand; they are routed when it has let go.
std::atomic<Mask> unrouted;

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
  Mask blocked = here.carrier->kernel_mask | bit(signal);
  set_kernel_mask(*here.carrier, blocked);
  may_block_more.store(true, std::memory_order_seq_cst);
  long self = kernel::invoke(SYS_getpid);
  // Only the first OS thread may send on what the kernel has sent; what is lost otherwise is who sent it.
  if (kernel::invoke(SYS_rt_sigqueueinfo, self, signal, &info) != 0) kernel::invoke(SYS_kill, self, signal);
}

bool is_on_alternate_stack(const Thread& me) {
  auto here_now = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  auto low = reinterpret_cast<uintptr_t>(me.alternate_stack.ss_sp);
  return low != 0 && here_now >= low && here_now < low + me.alternate_stack.ss_size;
}

bool wants_alternate_stack(const Thread& me, int signal) {
  return (action_flags(signal) & SA_ONSTACK) && me.alternate_stack.ss_sp != nullptr && !is_on_alternate_stack(me);
}

// Sends the calling thread a signal that it does not block, so that the kernel runs the handler where it wants to be:
// false when the kernel has no room for it.
bool deliver_by_kernel(Thread& me, int signal, siginfo_t& info) {
  if (here.carrier->kernel_mask != me.mask) set_kernel_mask(*here.carrier, me.mask);
  return kernel::invoke(SYS_rt_tgsigqueueinfo, kernel::invoke(SYS_getpid), kernel::invoke(SYS_gettid), signal, &info) ==
         0;
}

// A signal that found a scheduler: for main if it does not block it, otherwise for anyone who does not.
void route(int signal, const siginfo_t* info) {
  Thread* chosen = nullptr;
  Thread* main = first_thread();
  if (main != nullptr && !(main->mask & bit(signal))) chosen = main;
  if (chosen == nullptr) {
    threads.for_each([&](Thread& each) {
      if (chosen == nullptr && !(each.mask & bit(signal)) && is_alive(each)) chosen = &each;
    });
  }
  if (chosen == nullptr) return send_back(signal, *info);
  if (has_default_action(signal)) return take_default_action(signal);
  record(*chosen, signal, info);
  alert(*chosen, signal);
  scheduler::renew_wait();  // this carrier may be just about to wait for events
}

}  // namespace

bool is_nudge(const siginfo_t* info) { return info->si_code == SI_QUEUE && info->si_value.sival_ptr == &nudge_mark; }

siginfo_t recorded_info(int signal) { return infos[signal]; }

// For the end of the critical section, or for the scheduler when the thread leaves its stack in one.
void leave_unrouted(int signal, const siginfo_t* info) {
  infos[signal] = *info;
  unrouted.fetch_or(bit(signal), std::memory_order_seq_cst);
  here.signals_recorded = true;
}

void route_recorded() {
  unsigned long due = unrouted.exchange(0, std::memory_order_seq_cst);
  for (; due != 0; due &= due - 1) {
    int signal = __builtin_ctzl(due) + 1;
    siginfo_t info = infos[signal];
    route(signal, &info);
  }
}

int direct_at(Thread& thread, int signal, const siginfo_t* given) {
  if (signal < 0 || signal > 64 || signal == 32 || signal == 33) return EINVAL;
  if (signal == 0 || !is_alive(thread)) return 0;
  bool blocked = (thread.mask & bit(signal)) != 0;
  if (!blocked && !has_handler(signal)) {
    // The default action is the process's, whoever gets the signal; ignored ones vanish.
    if (has_default_action(signal)) take_default_action(signal);
    return 0;
  }
  siginfo_t info = given != nullptr ? *given : siginfo_t{};
  info.si_signo = signal;
  if (given == nullptr) info.si_code = SI_TKILL;
  info.si_pid = (pid_t)kernel::invoke(SYS_getpid);
  info.si_uid = (uid_t)kernel::invoke(SYS_getuid);
  record(thread, signal, &info);
  if (&thread == this_thread()) {
    if (here.critical == 0) deliver_pending();
    else here.signals_recorded = true;
  } else {
    alert(thread, signal);
  }
  return 0;
}

// The kernel offers a signal of the process to its first thread first, and so do we: alarm(2) ends a read of main's
// whoever else is running. What a thread brings upon itself, and what the kernel sends to whoever runs, stays there.
bool is_for_main(int signal, const siginfo_t* info) {
  constexpr Mask of_the_thread = Mask{1} << (SIGSEGV - 1) | Mask{1} << (SIGBUS - 1) | Mask{1} << (SIGILL - 1) |
                                 Mask{1} << (SIGFPE - 1) | Mask{1} << (SIGTRAP - 1) | Mask{1} << (SIGSYS - 1) |
                                 Mask{1} << (SIGPIPE - 1) | Mask{1} << (SIGXFSZ - 1) | Mask{1} << (SIGXCPU - 1) |
                                 Mask{1} << (SIGPROF - 1) | Mask{1} << (SIGVTALRM - 1) | Mask{1} << (SIGCHLD - 1);
  if ((of_the_thread & bit(signal)) || info->si_code == SI_TKILL || info->si_code == SI_TIMER) return false;
  Thread* main = first_thread();
  return main != nullptr && main != this_thread() && !(main->mask & bit(signal)) && is_alive(*main);
}

// In front of every handler of the program. May run at any instruction of any OS thread.
void arrive(int signal, siginfo_t* info, void* context) {
  int saved_errno = errno;
  bool on_scheduler = here.green == nullptr && here.carrier != nullptr;
  if (on_scheduler) {
    if (is_nudge(info)) {
      // Its thread has left this carrier and looks when it resumes.
    } else if (here.critical != 0) {
      leave_unrouted(signal, info);
    } else {
      route(signal, info);
      // What the kernel puts back at the end of this handler is what the carrier has by now.
      if (here.carrier->kernel_mask & bit(signal)) sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, signal);
    }
  } else if (has_default_action(signal) && !is_nudge(info)) {
    take_default_action(signal);
  } else if (here.green == nullptr) {
    call_action(signal, info, context);
  } else if (here.critical != 0 && !is_nudge(info) && (this_thread()->is_ending || is_for_main(signal, info))) {
    leave_unrouted(signal, info);
  } else if (here.critical != 0 || here.waits != 0) {
    Thread& me = *this_thread();
    if (!is_nudge(info)) record(me, signal, info);
    here.signals_recorded = true;
    wake_thread(me.green, Wakeup::interrupted);
  } else if (is_nudge(info)) {
    deliver_pending();
  } else if (this_thread()->is_ending || is_for_main(signal, info)) {
    route(signal, info);
  } else {
    Thread& me = *this_thread();
    Mask before = me.mask;
    kernel_has_mask(me, before | action_mask(signal));
    run_handler(signal, info, context);
    kernel_has_mask(me, before);
  }
  errno = saved_errno;
}

bool deliver_pending() {
  Thread& me = *this_thread();
  for (;;) {
    Mask due = me.pending.load(std::memory_order_seq_cst) & ~me.mask;
    if (due == 0) return !me.must_not_restart;
    int signal = __builtin_ctzl(due) + 1;
    me.pending.fetch_and(~bit(signal), std::memory_order_seq_cst);
    siginfo_t info = infos[signal];
    if (wants_alternate_stack(me, signal) && deliver_by_kernel(me, signal, info)) continue;
    Mask before = me.mask;
    set_thread_mask(me, before | action_mask(signal));
    ucontext_t context = {};
    run_handler(signal, &info, &context);
    set_thread_mask(me, before);
  }
}

uint32_t handlers_run() { return this_thread()->handlers_run.load(std::memory_order_relaxed); }

void kernel_has_mask(Thread& me, Mask mask) {
  me.mask = mask & ~libcs_own;
  note_mask(me.mask);
  here.carrier->kernel_mask = me.mask;
  if (me.pending.load(std::memory_order_seq_cst) & ~me.mask) here.signals_recorded = true;
}

void set_thread_mask(Thread& me, Mask mask) {
  mask &= ~libcs_own;
  if (me.mask == mask) return;
  bool blocks_more = (mask & ~me.mask & ~blocked_by_all.load(std::memory_order_seq_cst)) != 0;
  me.mask = mask;
  note_mask(mask);  // after the mask itself: who looks through all masks meanwhile must find it
  if (blocks_more) look_through_masks();
  Critical critical;
  set_kernel_mask(*here.carrier, mask);
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

void inherit_mask(Thread& thread, const pthread_attr_t* attributes) {
  sigset_t set;
  if (attributes != nullptr && pthread_attr_getsigmask_np(attributes, &set) == 0) {
    thread.mask = first_word(&set) & ~libcs_own;
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
}

void interrupt_region(Thread& thread) {
  constexpr int libcs_cancel_signal = 32;
  Carrier* carrier = thread.green.carrier.load(std::memory_order_seq_cst);
  if (carrier == nullptr || !carrier->in_region.load(std::memory_order_seq_cst)) return;
  kernel::invoke(SYS_tgkill, kernel::invoke(SYS_getpid), carrier->kernel_tid, libcs_cancel_signal);
}

void after_fork_in_child(Thread& survivor) {
  survivor.pending.store(0, std::memory_order_relaxed);
  unrouted.store(0, std::memory_order_relaxed);
  blocked_by_all.store(survivor.mask, std::memory_order_relaxed);
  here.signals_recorded = false;
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
  if (thread.pending.load(std::memory_order_seq_cst) & ~thread.mask) green.local->signals_recorded = true;
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
  if (thread.pending.load(std::memory_order_relaxed) & ~thread.mask) {
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
  signals::route_recorded();
  if (here.green == nullptr) return;
  if (here.waits == 0) {
    signals::deliver_pending();
  } else {
    here.signals_recorded = true;  // for the end of the wait
  }
}

}  // namespace unblock::host
