// Thread life: pthread_create(3), pthread_join(3) and their family.
//
// A thread's life is a word with three bits. The thread sets `finished` once it has left its stack for ever; detach
// sets `detached`. Whoever sets the second of the two releases the thread [one-releaser]. A joiner claims `joined`
// first, waits in the parking lot at the word's address, and releases. Of `joined` and `detached` only one can be
// claimed: a detach while somebody joins changes nothing, as in libc.
//
// What libc allocated for a thread is freed with it, and the program's free() may wait for a lock whose holder is
// runnable behind the very carrier that would wait. So nobody takes a thread apart on a scheduler's stack
// [nothing-freed-between-stacks]: joiners do it on their own, and a detached thread that ends is put on a list. The next
// thread that ends takes apart whom it finds there, while it is still as able to wait as any; so no more stay than ended
// at the same time. One whose stack is the program's does not stay, because its block is in memory that the program may
// use again: the starter is called for it.

#include "shim/thread.h"

#include <errno.h>
#include <string.h>

#include "scheduler/check.h"
#include "scheduler/monitor.h"
#include "scheduler/parking_lot.h"
#include "scheduler/region.h"
#include "scheduler/run_queue.h"
#include "scheduler/scheduler.h"
#include "shim/blocking_call.h"
#include "shim/cancellation.h"
#include "shim/configuration.h"
#include "shim/creation_stack.h"
#include "shim/deadline.h"
#include "shim/glibc/carrier_block.h"
#include "shim/glibc/exit_of_main.h"
#include "shim/glibc/thread_block.h"
#include "shim/host.h"
#include "shim/lifecycle.h"
#include "shim/owned_mutex.h"
#include "shim/real.h"
#include "shim/sanitizer_runtime.h"
#include "shim/signals.h"
#include "shim/thread_attributes.h"

namespace unblock {

Pool<Thread> threads;
ThreadTally tally;
Thread* first_of_all;  // written when green threads begin and in the child of a fork

namespace {

using enum Life::Bit;

// Above every tid the kernel gives (2^22), below the bits that libc's locks use (2^30), and such that the number of a
// thread's CPU clock can hold it (2^28).
constexpr int first_tid = (1 << 22) + 1, last_tid = (1 << 28) - 1;
std::atomic<uint64_t> tids_taken;

// Once all have been given they are given again, but for those of threads that live.
int take_tid() {
  constexpr uint64_t count = last_tid - first_tid + 1;
  for (;;) {
    uint64_t number = tids_taken.fetch_add(1, std::memory_order_relaxed);
    int tid = first_tid + (int)(number % count);
    if (number < count || thread_of_tid(tid) == nullptr) return tid;
  }
}

uint64_t count_birth() {
  uint64_t now = tally.alive.fetch_add(1) + 1;
  uint64_t most = tally.peak.load();
  while (now > most && !tally.peak.compare_exchange_weak(most, now)) continue;
  return tally.made.fetch_add(1) + 1;
}

// How much of a thread's stack (its block included) is real memory, for one thread in a thousand.
void sample_memory(Thread& thread) {
  if (thread.id % 1024 != 2 || thread.green.stack == nullptr) return;
  Stack& stack = *thread.green.stack;
  uint64_t pages = 0;
  unsigned char resident[256];
  for (char* from = stack.base; from < stack.top(); from += sizeof resident * 4096) {
    size_t bytes = stack.top() - from;
    if (bytes > sizeof resident * 4096) bytes = sizeof resident * 4096;
    if (kernel::invoke(SYS_mincore, from, bytes, resident) != 0) return;
    for (size_t i = 0; i < (bytes + 4095) / 4096; ++i) pages += resident[i] & 1;
  }
  tally.sampled_bytes.fetch_add(pages * 4096 + sizeof(Thread));
  tally.sampled_threads.fetch_add(1);
}

void release(Thread& thread) {
  if (thread.is_main) return;  // its stack and block are the process's
  creation_stack::release(thread);
  glibc::destroy_block(thread.green.thread_pointer);
  give_back_stack(thread.green.stack);
  threads.give_back(&thread);
}

// Detached threads that have left their stacks for ever and are to be taken apart.
struct {
  Lock lock;
  RunQueue queue;            // guarded(lock)
  std::atomic<bool> is_any;  // written under the lock
} ended;

void release_later(Thread& thread) {
  {
    Held held(ended.lock);
    ended.queue.push_back(thread.green);
    ended.is_any.store(true, std::memory_order_release);
  }
  if (thread.green.stack != nullptr && thread.green.stack->origin == nullptr) monitor::call_starter();
}

// The first frame of every thread's own code, and the last.
void thread_main() {
  Thread& me = *this_thread();
  signals::thread_begins(me);
  bool exited = false;
  void* result = glibc::run(me.start, me.argument, &exited);
  if (!exited) me.result = result;
  end_this_thread(exited);
}

void reset(Thread& thread) {
  uint64_t word = thread.green.wait_word.load(std::memory_order_relaxed);  // epochs never repeat
  char* bytes = reinterpret_cast<char*>(&thread);
  size_t queue = offsetof(Thread, pending), after_queue = queue + sizeof thread.pending;
  memset(bytes, 0, queue);
  thread.pending.clear();  // by its own means: a late sender may be at it
  memset(bytes + after_queue, 0, sizeof thread - after_queue);
  thread.green.wait_word.store(word, std::memory_order_relaxed);
  thread.result = PTHREAD_CANCELED;
}

// Lays out stack and block: the block stands at the top of the stack, as libc's own does, and within the size that was
// asked for, unless that would take much of a small one.
bool give_stack_and_block(Thread& thread, const ThreadAttributes& wanted) {
  size_t block_bytes = glibc::block_size() + glibc::block_alignment();
  bool programs_own = wanted.stack_address != nullptr;
  size_t size = wanted.stack_size + (wanted.stack_size < 32 * block_bytes ? block_bytes : 0);
  Stack* stack =
      programs_own ? wrap_stack(wanted.stack_address, wanted.stack_size) : take_stack(size, wanted.guard_size);
  if (stack == nullptr) return false;
  uintptr_t block = reinterpret_cast<uintptr_t>(stack->top()) - glibc::block_size();
  block &= ~(uintptr_t)(glibc::block_alignment() - 1);
  thread.stack_address = stack->base + stack->guard_size;
  thread.stack_size = stack->size - stack->guard_size;
  constexpr size_t page = 4096;
  thread.guard_size = programs_own ? 0 : (wanted.guard_size + page - 1) / page * page;
  void* pointer = glibc::make_block(reinterpret_cast<void*>(block), thread.tid, thread.stack_address, thread.stack_size,
                                    thread.guard_size);
  if (pointer == nullptr) {
    give_back_stack(stack);
    return false;
  }
  thread.green.thread_pointer = pointer;
  thread.green.local = glibc::own_local(pointer, &here);
  *thread.green.local = {};
  thread.green.local->green = &thread.green;
  prepare_green(thread.green, thread_main, stack, reinterpret_cast<void*>(block & ~uintptr_t{63}));
  return true;
}

// The child of a fork starts its monitor and its spare carrier with its second thread.
void ensure_os_threads() {
  if (!monitor::running()) where_os_threads_are_made([] { scheduler::ensure_os_threads(); });
}

// What the kernel keeps for its creator's OS thread is to be the new thread's as well: credentials, filters, namespaces.
int begin_confined(Thread& thread) {
  thread.has_own_kernel_state = true;
  int error = 0;
  where_os_threads_are_made([&] { error = scheduler::start_bound(thread.green); });
  if (error == 0) return 0;
  tally.alive.fetch_sub(1);
  release(thread);
  return EAGAIN;
}

struct Wish {
  void* (*start)(void*);
  void* argument;
  void* c11_start;
  void* c11_argument;
};

// What libc refuses: sizes whose sum overflows, and a stack of the program's that has no room for a thread block.
bool are_possible(const ThreadAttributes& wanted) {
  constexpr size_t page_size = 4096, smallest_rest = 2048;
  if (wanted.stack_address != nullptr) {
    return wanted.stack_size >= glibc::block_size() + glibc::block_alignment() + smallest_rest;
  }
  size_t guard_size;
  if (__builtin_add_overflow(wanted.guard_size, page_size - 1, &guard_size)) return false;
  guard_size &= ~(page_size - 1);
  size_t sum;
  return !__builtin_add_overflow(wanted.stack_size, guard_size, &sum);
}

int create(pthread_t* handle, const pthread_attr_t* attributes, const Wish& wish) {
  ThreadAttributes wanted = read_attributes(attributes);
  if (wanted.error != 0) return wanted.error;
  if (!are_possible(wanted)) return EINVAL;
  Thread* thread = threads.take();
  if (thread == nullptr) return EAGAIN;
  reset(*thread);
  thread->tid = take_tid();
  thread->start = wish.start;
  thread->argument = wish.argument;
  thread->c11_start = wish.c11_start;
  thread->c11_argument = wish.c11_argument;
  if (!give_stack_and_block(*thread, wanted)) {
    threads.give_back(thread);
    return EAGAIN;
  }
  creation_stack::record(*thread);
  Thread* creator = this_thread();
  thread->creator = creator != nullptr ? creator->id : 0;
  inherit_name(*thread, creator);
  signals::inherit_mask(*thread, wanted.has_mask, wanted.mask);
  thread->is_explicit = wanted.explicit_schedule;
  if (wanted.order.has_policy || wanted.order.has_affinity) {
    thread->order = wanted.order;
    thread->has_order.store(true, std::memory_order_relaxed);
  }
  thread->id = count_birth();
  if (wanted.detached) thread->life.store(detached, std::memory_order_relaxed);
  *handle = reinterpret_cast<pthread_t>(thread->green.thread_pointer);
  ensure_os_threads();
  if (creator != nullptr && creator->has_own_kernel_state) return begin_confined(*thread);
  Critical critical;
  make_runnable(thread->green);
  return 0;
}

// Sets `joined` or `detached` if neither is set. The life as it was.
uint32_t claim(Thread& thread, Life::Bit bit) {
  uint32_t before = thread.life.load(std::memory_order_acquire);
  while ((before & (joined | detached)) == 0 && !thread.life.compare_exchange_weak(before, before | bit)) continue;
  return before;
}

int claim_for_join(Thread& thread) {
  if (&thread == this_thread()) return EDEADLK;
  return claim(thread, joined) & (joined | detached) ? EINVAL : 0;
}

int join_deferred(Thread& thread, void** result, Deadline deadline) {
  if (int error = claim_for_join(thread); error != 0) return error;
  auto not_finished = [&] {
    return thread.life.load(std::memory_order_acquire) & finished ? Recheck::leave : Recheck::park;
  };
  for (;;) {
    Parking parking = Parking::not_needed;
    if (not_finished() == Recheck::park) {
      parking = parking_lot::park(&thread.life, WaitKind::join, deadline, not_finished);
    }
    if (not_finished() == Recheck::leave) break;
    if (parking == Parking::interrupted) signals::deliver_pending();
    if (parking == Parking::timed_out || cancellation::requested()) {
      thread.life.fetch_and(~joined, std::memory_order_acq_rel);
      if (parking == Parking::timed_out) return ETIMEDOUT;
      cancellation::test();
    }
  }
  if (result != nullptr) *result = thread.result;
  release(thread);
  return 0;
}

// The join that all forms share. The deadline's clock has been read already. An asynchronous cancellation acts before or
// afterwards, or where join_deferred() looks: it would leave the thread claimed for ever.
int join(Thread& thread, void** result, Deadline deadline) {
  int type;
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
  int error = join_deferred(thread, result, deadline);
  pthread_setcanceltype(type, nullptr);
  return error;
}

}  // namespace

bool is_detached(const Thread& thread) { return (thread.life.load(std::memory_order_acquire) & detached) != 0; }

bool is_alive(const Thread& thread) { return (thread.life.load(std::memory_order_acquire) & finished) == 0; }

Thread* first_thread() { return first_of_all; }

int create_c11_thread(pthread_t* handle, void* (*run)(void*), void* start, void* argument) {
  return create(handle, nullptr, {run, nullptr, start, argument});
}

namespace {

void release_ended_threads() {
  if (!ended.is_any.load(std::memory_order_acquire)) return;
  RunQueue taken;
  {
    Held held(ended.lock);
    taken.append(ended.queue);
    ended.is_any.store(false, std::memory_order_relaxed);
  }
  while (GreenThread* green = taken.pop_front()) release(thread_of(*green));
}

}  // namespace

void end_this_thread(bool unwound) {
  Thread& me = *this_thread();
  release_ended_threads();
  me.is_main ? glibc::end_first_thread() : glibc::end_thread();
  owned_mutex::thread_ends();
  glibc::release_robust_mutexes([](void* word, void*) { parking_lot::unpark(word, INT32_MAX); }, nullptr);
  signals::thread_ends(me, unwound);
  sample_memory(me);
  if (tally.alive.fetch_sub(1) == 1) real::exit(0);
  finish_thread();
}

void end_this_thread_at_once(int status) {
  Thread& me = *this_thread();
  me.result = nullptr;
  owned_mutex::thread_ends();
  glibc::release_robust_mutexes([](void* word, void*) { parking_lot::unpark(word, INT32_MAX); }, nullptr);
  signals::thread_ends(me, true);
  if (tally.alive.fetch_sub(1) == 1) kernel::invoke(SYS_exit_group, status);
  finish_thread();
}

void catch_end_of_main() {
  if (this_thread()->is_main) glibc::catch_exit_of_main([] { end_this_thread(true); });
}

Thread* thread_of(pthread_t handle) {
  if (!lifecycle::active()) return nullptr;
  Local* local = glibc::own_local(reinterpret_cast<void*>(handle), &here);
  return local->green != nullptr ? &thread_of(*local->green) : nullptr;
}

Thread* thread_of_tid(pid_t tid) {
  Thread* found = nullptr;
  threads.for_each([&](Thread& each) {
    if (each.tid == tid && is_alive(each)) found = &each;
  });
  return found;
}

Thread* adopt_first_thread() {
  Thread* thread = threads.take();
  if (thread == nullptr) return nullptr;
  reset(*thread);
  thread->is_main = true;
  thread->green.thread_pointer = thread_pointer();
  thread->green.local = &here;
  thread->tid = (int)kernel::invoke(SYS_getpid);
  read_process_name(*thread);
  thread->id = count_birth();
  return first_of_all = thread;
}

void forget_other_threads(Thread* survivor) {
  first_of_all = survivor;
  threads.for_each([&](Thread& each) {
    if (&each == survivor) return;
    each.life.fetch_or(finished, std::memory_order_relaxed);  // they do not exist here
    each.id = 0;                                              // nor for who looks from outside
  });
  ended.lock.reset();
  ended.queue = RunQueue();
  ended.is_any.store(false, std::memory_order_relaxed);
  // Their records and stacks are copies nobody will use again; only the counts matter.
  tally.alive.store(1);  // also when that is a thread of libc's own: the process is not over when ours are
  tally.peak.store(tally.alive.load());
}

ThreadCounts thread_counts() {
  uint64_t samples = tally.sampled_threads.load();
  return {tally.made.load(), tally.peak.load(), tally.alive.load(),
          samples == 0 ? 0 : tally.sampled_bytes.load() / samples};
}

void host::starter_is_called() {
  signals::offer_pending();
  release_ended_threads();
}

unsigned long host::number_of(const GreenThread& green) { return thread_of(const_cast<GreenThread&>(green)).id; }

void host::thread_finished(GreenThread& green) {
  Thread& thread = thread_of(green);
  uint32_t before = thread.life.fetch_or(finished, std::memory_order_seq_cst);
  if (before & detached) return release_later(thread);  // [one-releaser]
  parking_lot::unpark(&thread.life, INT32_MAX);
}

}  // namespace unblock

using namespace unblock;

// pthread_create(3). The new thread is green; the first call makes the caller green too.
INTERPOSED int pthread_create(pthread_t* handle, const pthread_attr_t* attributes, void* (*start)(void*),
                              void* argument) {
  if (sanitizer_runtime::creates_for_us() || sanitizer_runtime::creates_for_itself(attributes)) {
    return real::pthread_create(handle, attributes, start, argument);
  }
  if (!lifecycle::activate()) return real::pthread_create(handle, attributes, start, argument);
  int error = create(handle, attributes, {start, argument, nullptr, nullptr});
  if (error == 0) sanitizer_runtime::let_created_thread_begin();
  return error;
}

// pthread_join(3). Suspends the calling thread until the other has ended.
INTERPOSED int pthread_join(pthread_t handle, void** result) {
  cancellation::test();
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return in_region([&] { return real::pthread_join(handle, result); });
  return join(*thread, result, Deadline::never());
}

// pthread_tryjoin_np(3).
INTERPOSED int pthread_tryjoin_np(pthread_t handle, void** result) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_tryjoin_np(handle, result);
  if (!(thread->life.load(std::memory_order_acquire) & finished)) return EBUSY;
  return join(*thread, result, Deadline::never());
}

// pthread_timedjoin_np(3): a deadline on CLOCK_REALTIME; null waits for ever.
INTERPOSED int pthread_timedjoin_np(pthread_t handle, void** result, const timespec* until) {
  return pthread_clockjoin_np(handle, result, CLOCK_REALTIME, until);
}

// pthread_clockjoin_np(3).
INTERPOSED int pthread_clockjoin_np(pthread_t handle, void** result, clockid_t clock, const timespec* until) {
  cancellation::test();
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return in_region([&] { return real::pthread_clockjoin_np(handle, result, clock, until); });
  Deadline deadline = Deadline::never();
  if (until != nullptr) {
    if (!is_waiting_clock(clock)) return EINVAL;
    if (is_valid(*until)) deadline = deadline_of(clock, *until);  // libc tries again when the kernel refuses it
  }
  return join(*thread, result, deadline);
}

// pthread_detach(3).
INTERPOSED int pthread_detach(pthread_t handle) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_detach(handle);
  uint32_t before = claim(*thread, detached);
  if (before & detached) return EINVAL;
  if ((before & (joined | finished)) == finished) release(*thread);  // [one-releaser]
  return 0;
}

// pthread_exit(3). Unwinds through libc's own code; main's stack ends in end_this_thread() as everybody's does.
INTERPOSED void pthread_exit(void* result) {
  if (!lifecycle::on_green()) real::pthread_exit(result);
  Thread& me = *this_thread();
  me.result = result;
  catch_end_of_main();
  real::pthread_exit(result);
  __builtin_unreachable();
}

// sched_yield(2): lets other green threads run.
INTERPOSED int sched_yield(void) {
  if (!lifecycle::on_green()) return real::sched_yield();
  yield();
  return 0;
}
INTERPOSED int __sched_yield(void) { return sched_yield(); }

// gettid(2): the green thread's own id; main's is the process's.
INTERPOSED pid_t gettid(void) { return lifecycle::on_green() ? this_thread()->tid : real::gettid(); }
