// fork(2). The child has one green thread, whose tid is its pid, a fresh event loop and no stale registrations.
//
// libc finds the forking thread by the thread pointer and recycles the stacks of all others in the child, so around the
// kernel's call the carrier's own block is loaded, with the forking thread's libc variables in it: the child's malloc
// keeps the arena of the thread that forked, and errno says why a fork failed. Our handlers are registered first of
// all, in our constructor: the program's own therefore run on its thread's block, before ours and after ours.

#include "shim/fork.h"

#include <unistd.h>

#include "scheduler/scheduler.h"
#include "scheduler/thread_pointer.h"
#include "shim/blocking_call.h"
#include "shim/child_wait.h"
#include "shim/glibc/carrier_block.h"
#include "shim/glibc/static_tls.h"
#include "shim/glibc/thread_block.h"
#include "shim/lifecycle.h"
#include "shim/open_file.h"
#include "shim/real.h"
#include "shim/reporter.h"
#include "shim/shared_memory.h"
#include "shim/signal_actions.h"
#include "shim/signals.h"
#include "shim/thread.h"

extern "C" int __register_atfork(void (*prepare)(), void (*parent)(), void (*child)(), void* library);
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;

namespace unblock {
namespace {

int generation;

// While the carrier's block is loaded, it remembers whose place it took.
void enter_window() {
  if (!lifecycle::active()) return;
  open_files::share_all();  // again: what was born since the call began
  Critical::enter();
  scheduler::before_fork();
  threads.lock().lock();
  open_files::lock().lock();
  signals::actions_lock().lock();
  SignalQueue::records_lock().lock();
  GreenThread* green = here.green;
  if (green == nullptr) return;
  Carrier* carrier = here.carrier;
  carrier->has_forked = true;
  carrier->forking = green;
  glibc::swap_libc_variables(green->thread_pointer, carrier->thread_pointer);
  load_thread_pointer(carrier->thread_pointer);
  ++here.critical;  // a signal that comes now is recorded: every lock that routing it needs is held
}

void leave_window() {
  Carrier* carrier = here.carrier;
  if (here.green != nullptr || carrier == nullptr || carrier->forking == nullptr) return;
  glibc::swap_libc_variables(carrier->thread_pointer, carrier->forking->thread_pointer);
  --here.critical;
  bool recorded = here.signals_recorded;
  here.signals_recorded = false;
  load_thread_pointer(carrier->forking->thread_pointer);
  if (recorded) here.signals_recorded = true;
}

void in_parent() {
  if (!lifecycle::active()) return;
  leave_window();
  SignalQueue::records_lock().unlock();
  signals::actions_lock().unlock();
  open_files::lock().unlock();
  threads.lock().unlock();
  scheduler::after_fork_in_parent();
  Critical::leave();
}

void in_child() {
  generation += 4;
  if (!lifecycle::active()) return;
  leave_window();
  SignalQueue::records_lock().unlock();
  signals::actions_lock().unlock();
  open_files::lock().unlock();
  threads.lock().unlock();
  Thread* me = this_thread();
  if (me != nullptr) {
    me->tid = (int)kernel::invoke(SYS_getpid);
    glibc::tid(me->green.thread_pointer) = me->tid;
    glibc::keep_only_blocks(me->green.thread_pointer, here.carrier->thread_pointer);
    glibc::follow_fork(here.carrier->thread_pointer);
    me->green.os_wait_lock.reset();  // others take these two of a thread that is not theirs
    me->order_lock.reset();
  } else {
    glibc::keep_only_blocks(nullptr, nullptr);
  }
  reporter::after_fork_in_child();
  scheduler::after_fork_in_child(here.green, here.carrier);
  forget_other_threads(me);
  shared_memory::after_fork_in_child();
  child_wait::forget_in_child();
  if (me != nullptr) signals::after_fork_in_child(*me);
  Critical::leave();
}

pid_t fork_with(pid_t (*real_fork)()) {
  if (!lifecycle::on_green()) return real_fork();
  open_files::share_all();
  return real_fork();
}

}  // namespace

int fork_generation() { return generation; }

void prepare_for_forks() { __register_atfork(enter_window, in_parent, in_child, &__dso_handle); }

}  // namespace unblock

using namespace unblock;

// fork(2).
INTERPOSED pid_t fork(void) { return fork_with(real::fork); }
INTERPOSED pid_t __fork(void) { return fork(); }

// _Fork(3) runs no handlers of the program's, but ours.
INTERPOSED pid_t _Fork(void) {
  enter_window();
  pid_t child = real::_Fork();
  child == 0 ? in_child() : in_parent();
  return child;
}

// What vfork(2) becomes once threads are green; see vfork.S.
extern "C" __attribute__((visibility("hidden"))) pid_t unblock_fork_for_vfork_(void) { return fork(); }
