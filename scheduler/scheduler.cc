#include "scheduler/scheduler.h"

#include <errno.h>

#include <new>

#include "scheduler/check.h"
#include "scheduler/event_loop.h"
#include "scheduler/idle.h"
#include "scheduler/monitor.h"
#include "scheduler/parking_lot.h"
#include "scheduler/pool.h"
#include "scheduler/readiness.h"
#include "scheduler/roots.h"
#include "scheduler/sanitizer.h"
#include "scheduler/switch.h"
#include "scheduler/thread_pointer.h"
#include "scheduler/ticks.h"

namespace unblock {

Pool<Carrier> carriers;
Statistics of_ended_carriers;  // guarded(ended_carriers_lock)
std::atomic<unsigned> os_threads, os_threads_most;

namespace {

constexpr size_t carrier_stack_bytes = 256 * 1024;

bool is_started;
uint32_t count_of_forks;
bool wants_monitor;
Lock ended_carriers_lock;

void fold_and_release(Carrier& carrier) {
  {
    Held held(ended_carriers_lock);
    of_ended_carriers.add(carrier.statistics);
  }
  carriers.give_back(&carrier);
  os_threads.fetch_sub(1);
}

// The life of a carrier's OS thread; its block is a real one.
template <class Work>
void live_as(Carrier& carrier, Work work) {
  carrier.thread_pointer = thread_pointer();
  carrier.local = &here;
  carrier.kernel_tid = (int)kernel::invoke(SYS_gettid);
  here.carrier = &carrier;
  work();
  here.carrier = nullptr;
  fold_and_release(carrier);
}

void carrier_thread(void* argument) {
  Carrier& carrier = *static_cast<Carrier*>(argument);
  live_as(carrier, [&] {
    scheduler::carrier_is_coming(false);
    run_carrier(carrier);
  });
}

// A carrier of one thread, which is in the place of what it runs until it begins.
void carrier_thread_of_one(void* argument) {
  Carrier& carrier = *static_cast<Carrier*>(argument);
  live_as(carrier, [&] {
    GreenThread& green = *carrier.running.load(std::memory_order_relaxed);
    carrier.clock = ticks::now();
    after_leaving(carrier, green, resume(carrier, green));
  });
}

Carrier* take_carrier() {
  Carrier* carrier = carriers.take();
  if (carrier == nullptr) return nullptr;
  carrier->processor.store(nullptr, std::memory_order_relaxed);
  carrier->running.store(nullptr, std::memory_order_relaxed);
  carrier->sleep_word.store(0, std::memory_order_relaxed);
  carrier->in_region.store(false, std::memory_order_relaxed);
  carrier->is_first = carrier->has_forked = carrier->ends_with_thread = carrier->kernel_mask_known = false;
  carrier->alternate_stack = nullptr;
  carrier->forking = nullptr;
  carrier->watched = {};
  carrier->statistics = Statistics();
  return carrier;
}

// 0 or an error number; then the carrier is given back.
int start_os_thread_of(Carrier& carrier, void (*life)(void*)) {
  scheduler::count_os_thread();
  int error = host::start_os_thread(life, &carrier);
  if (error != 0) fold_and_release(carrier);
  return error;
}

// Carrier 0 resumes here when the first thread of the process first leaves the process's own stack.
Carrier* carrier_zero;

void begin_carrier_zero(boost::context::detail::transfer_t from) {
  Carrier& carrier = *carrier_zero;
  GreenThread& main = *carrier.running.load(std::memory_order_relaxed);
  load_thread_pointer(carrier.thread_pointer);
  sanitizer::leave_first(main.thread_pointer, carrier.thread_pointer);
  main.context = from.fctx;
  note_leaving(carrier, main);
  carrier.running.store(nullptr, std::memory_order_relaxed);
  main.carrier.store(nullptr, std::memory_order_relaxed);
  if (after_leaving(carrier, main, static_cast<Leaving>(reinterpret_cast<uintptr_t>(from.data)))) run_carrier(carrier);
  // The OS thread that started the process never ends before it: its id is the process's.
  for (;;) kernel::invoke(SYS_pause);
}

void run_as_carrier_zero(Carrier& carrier, GreenThread& green) {
  carrier.running.store(&green, std::memory_order_relaxed);
  green.carrier.store(&carrier, std::memory_order_relaxed);
  green.local->carrier = &carrier;
  carrier.clock = ticks::now();
  note_entering(carrier, green);
}

}  // namespace

namespace scheduler {

void count_os_thread() {
  unsigned now = os_threads.fetch_add(1) + 1;
  unsigned most = os_threads_most.load();
  while (now > most && !os_threads_most.compare_exchange_weak(most, now)) continue;
}

int start(const Options& options, GreenThread& main, Carrier*& carrier_out, void* (*make_carrier_block)(Local**)) {
  if (processor_count() == 0 && !make_processors(options.processors)) return ENOMEM;
  wants_monitor = options.monitor;
  Stack* stack = take_stack(carrier_stack_bytes, 4096);
  Carrier* carrier = take_carrier();
  if (stack == nullptr || carrier == nullptr) return ENOMEM;
  if (long failed = event_loop::open(); failed < 0) return (int)-failed;
  os_threads.store(0);
  count_os_thread();
  if (int error = start_carrier(); error != 0) return error;
  if (int error = monitor::start(wants_monitor); error != 0) return error;
  carrier->thread_pointer = make_carrier_block(&carrier->local);
  if (carrier->thread_pointer == nullptr) return ENOMEM;
  sanitizer::begin(carrier->thread_pointer);
  carrier->local->carrier = carrier;
  carrier->local->critical = 0;
  carrier->kernel_tid = (int)kernel::invoke(SYS_gettid);
  carrier->context = boost::context::detail::make_fcontext(stack->top(), 0, begin_carrier_zero);
  carrier_zero = carrier;
  carrier->is_first = true;
  carrier_out = carrier;
  share_out_processors(carrier);
  run_as_carrier_zero(*carrier, main);
  ticks::note();
  is_started = true;
  monitor::nudge();  // it may have found nobody running before there was anybody
  return 0;
}

bool started() { return is_started; }
unsigned os_threads_peak() { return os_threads_most.load(); }
Statistics statistics() {
  Statistics sum = {};
  {
    Held held(ended_carriers_lock);
    sum = of_ended_carriers;
  }
  sum.hand_offs += hand_offs();
  carriers.for_each([&](Carrier& carrier) { sum.add(carrier.statistics); });
  return sum;
}

void for_each_carrier(void (*visit)(Carrier&, void*), void* argument) {
  carriers.for_each([&](Carrier& carrier) { visit(carrier, argument); });
}

int start_carrier() {
  Carrier* carrier = take_carrier();
  if (carrier == nullptr) return EAGAIN;
  carrier_is_coming(true);
  int error = start_os_thread_of(*carrier, carrier_thread);
  if (error != 0) carrier_is_coming(false);
  return error;
}

int start_bound(GreenThread& green) {
  Carrier* carrier = take_carrier();
  if (carrier == nullptr) return EAGAIN;
  green.bound.store(true, std::memory_order_relaxed);
  green.bound_for_life = true;
  carrier->ends_with_thread = true;
  carrier->running.store(&green, std::memory_order_relaxed);
  return start_os_thread_of(*carrier, carrier_thread_of_one);
}

void ensure_os_threads() {
  if (monitor::running()) return;
  event_loop::ensure_open();
  if (int error = start_carrier(); error != 0) host::no_os_thread(error);
  if (int error = monitor::start(wants_monitor); error != 0) host::no_os_thread(error);
}

void before_fork() {
  lock_stacks();
  carriers.lock().lock();
}

void after_fork_in_parent() {
  carriers.lock().unlock();
  unlock_stacks();
}

uint32_t forks() { return count_of_forks; }

void after_fork_in_child(GreenThread* caller, Carrier* carrier) {
  after_fork_in_parent();
  ended_carriers_lock.reset();
  ++count_of_forks;
  event_loop::close_inherited();
  forget_registrations();
  parking_lot::forget_all();
  monitor::forget();
  forget_idle();
  carrier_zero = carrier;
  if (carrier != nullptr) carrier->is_first = true;
  os_threads.store(0);
  count_os_thread();
  share_out_processors(carrier);
  if (carrier == nullptr) return;
  carrier->kernel_tid = (int)kernel::invoke(SYS_gettid);
  run_as_carrier_zero(*carrier, *caller);
}

}  // namespace scheduler

}  // namespace unblock
