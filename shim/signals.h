#pragma once
// Signals: masks per green thread, handlers that run as a thread of the program and never on a scheduler's stack, and
// waits that a signal ends.
//
// How a signal finds its thread. The kernel delivers to an OS thread; our handler stands in front of every handler of
// the program and looks where it is:
//   on a green thread's block, not critical     the program's handler runs here and now, as natively
//   on a green thread's block, in a wait        recorded for that thread; the end of the wait delivers it, when nobody
//                                               holds a link to its frame: the handler may leave by a jump
//   on a scheduler                              recorded for a thread that does not block it, main first, which is
//                                               woken from its wait with `interrupted`
//   critical                                    put aside in the carrier, all others blocked; Critical's end records it
//   on an OS thread that is not ours            the program's handler runs here
// A fault is handled where it is, whatever the state: its instruction would run again.
// A signal directed at a green thread (pthread_kill) is recorded in the thread first; then its wait is ended, and if it
// runs, its carrier gets a nudge: the same signal with a mark of ours, whose handler delivers what is recorded.
//
// Races. Recorded while the thread arms a wait: it records, then looks at the wait word; the thread arms, then looks
// at what is recorded (host::reason_not_to_park); the locks in between are full fences, so one of them sees the other
// [publish-then-recheck]. The thread has moved when the nudge lands: the nudge finds nothing recorded and is dropped;
// the thread delivers when it resumes.
//
// Delivery. The thread blocks everything, sends itself what is recorded and due, in its order, and opens its mask: the
// kernel lays the handlers' frames, with a real context and on the stack that each asks for. A nudge of the same number
// may be pending and swallow a standard signal; so the records stay at hand (Thread::handed_over), and the handler that
// finds the nudge takes its siginfo from there.
//
// Masks are the green thread's; a carrier gives the kernel the mask of whom it resumes, and only when it differs.

// Rejected. Recording under a lock from within a critical section (the section may hold that lock); keeping one
// siginfo for each number (real-time signals queue); calling the handlers ourselves (no context, no order).

#include "shim/thread.h"

namespace unblock::signals {

// When green threads begin: `main` takes over the process's mask and alternate stack, and every handler that the
// program has installed gets ours in front of it.
void begin(Thread& main);

// A new thread has the mask of its creator, or the one in its attributes.
void inherit_mask(Thread& thread, bool has_its_own, unsigned long its_own);
void thread_begins(Thread& thread);
void thread_ends(Thread& thread, bool unwound);

// Runs the handlers of what is recorded for the calling thread and not blocked. True when every handler that ran since
// the thread last began to wait asked for SA_RESTART, so that a call which signal(7) says is restarted goes on waiting.
// Some of them may have run before: the end of the wait delivers too.
bool deliver_pending();

// How many handlers have run on the calling thread: for calls that any handler ends. 0 on threads that are not green.
uint32_t handlers_run();

// The calling thread blocks exactly these signals from here on.
void set_thread_mask(Thread& me, unsigned long mask);

// The kernel is about to set, or has set, this mask for the calling thread by itself.
void kernel_has_mask(Thread& me, unsigned long mask);

// The kernel has set some mask for the calling thread behind our back: takes it over.
void ask_kernel_for_mask(Thread& me);

// Tells the kernel the alternate stack of the thread that the carrier runs.
void apply_alternate_stack(Carrier& carrier, const Thread& thread);

// Is this our own note to a thread that something is recorded for it?
bool is_nudge(const siginfo_t* info);

// Who takes a signal of the process: main if it would, otherwise anyone who does; null: nobody does now.
Thread* taker_of(int signal);

// What is recorded of these vanishes, in every thread.
void discard(SignalMask signals);

// The program has a signalfd for these. From now on one that all threads block is left to the kernel, whomever it is
// directed at: there the descriptor finds it, whichever thread reads. In the kernel only its target would find it.
void watched_by_descriptor(unsigned long signals);

// What comes with a signal of one's own process.
siginfo_t sent_by_this_process(int code, sigval value);

// A signal of the process that every OS thread blocks, because of the green threads that run, is given to a waiting one
// that lets it in. The monitor asks at each look whether there may be one; the starter gives, because to wake somebody
// may take the event loop's descriptors, which the monitor does not have.
bool may_have_to_offer();
void offer_pending();

// Directs a signal at a green thread: 0 or an error number. Without an info it is as pthread_kill(3) sends it.
int direct_at(Thread& thread, int signal, const siginfo_t* info = nullptr);

// Is this the number of a green thread?
bool is_ours(pid_t tid);
// Directs a signal at a green thread as rt_tgsigqueueinfo(2) does: 0 or -errno.
long queue_at(pid_t tid, int signal, const siginfo_t* info);

// Interrupts the thread if it runs, so that it looks at its cancellation: libc's own signal for that, with a handler of
// ours, which does nothing when the thread that it finds is not asked to end.
void interrupt(Thread& thread);

// What is recorded for the calling thread and blocked is the kernel's for the time of an exec, because the new program
// finds it pending; and is recorded again when the exec has failed.
void lend_pending(Thread& me);
void take_back_pending(Thread& me);

// The child of a fork has no recorded signals.
void after_fork_in_child(Thread& survivor);

// The mask of ppoll and its kin, for the time of one wait. A null mask changes nothing. A call that hands the mask to
// the kernel itself (by_kernel) leaves the kernel's mask alone until then, so that nothing slips in before the wait:
// what is directed at the thread meanwhile stays a blocked nudge, and ends the call when the kernel opens the mask.
class TemporaryMask {
 public:
  enum Set { now, by_kernel };
  explicit TemporaryMask(const sigset_t* mask, Set set = now);
  ~TemporaryMask();
  // A handler has run under the new mask.
  bool interrupted() const;

 private:
  bool active_;
  uint32_t handlers_run_before_;
  unsigned long before_;
};

}  // namespace unblock::signals
