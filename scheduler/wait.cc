#include "scheduler/wait.h"

#include <errno.h>

#include "scheduler/carrier.h"
#include "scheduler/chaos.h"
#include "scheduler/check.h"
#include "scheduler/region.h"
#include "scheduler/scheduler.h"
#include "scheduler/switch.h"
#include "scheduler/ticks.h"

namespace unblock {
namespace {

using Phase = WaitWord::Phase;
using enum WaitWord::Phase;
constexpr uint64_t epoch_unit = WaitWord::epoch_unit;

constexpr uint64_t epoch_of(uint64_t word) { return word / epoch_unit; }
constexpr Phase phase_of(uint64_t word) { return (Phase)(word & WaitWord::phase_mask); }
constexpr uint64_t word_of(uint64_t epoch, Phase phase, Wakeup result = Wakeup::ready) {
  return epoch * epoch_unit | (uint64_t)result << 8 | phase;
}
constexpr Wakeup result_of(uint64_t word) { return (Wakeup)(word >> 8 & 0xff); }

// What the monitor has found of a thread is forgotten after this many waits.
constexpr uint32_t parks_before_unbinding = 64;

constexpr uint32_t os_result(Wakeup result) { return 1 + (uint32_t)result; }

// [one-winner]
bool end_wait(GreenThread& green, uint64_t epoch, Wakeup result) {
  uint64_t word = green.wait_word.load(std::memory_order_acquire);
  while (epoch_of(word) == epoch && (phase_of(word) == armed || phase_of(word) == parked)) {
    if (!green.wait_word.compare_exchange_weak(word, word_of(epoch, ended, result), std::memory_order_acq_rel))
      continue;
    UNBLOCK_CHAOS_POINT();
    if (phase_of(word) == parked) make_runnable(green);
    return true;
  }
  return false;
}

}  // namespace

bool count_quiet_park(GreenThread& green) {
  if (green.quiet_parks.fetch_add(1, std::memory_order_relaxed) < parks_before_unbinding) return false;
  green.detections.store(0, std::memory_order_relaxed);
  return true;
}

bool may_switch() {
  GreenThread* green = here.green;
  if (green == nullptr || green->bound.load(std::memory_order_relaxed)) return false;
  if (here.pinned != 0) return false;
  if (__builtin_expect(here.in_handler == 0, 1)) return true;
  if (host::is_inside_handler(here.handler_frame)) return false;
  here.in_handler = 0;  // left by siglongjmp or setcontext
  return true;
}

bool Waiter::is_of_this_process() const { return forks_ == scheduler::forks(); }

Waiter::Waiter(WaitKind kind, const void* object) : kind_(kind), forks_(scheduler::forks()) {
  timer_.heap = nullptr;
  timer_.waiter = this;
  if (GreenThread* me = here.green; me != nullptr) {
    me->waiting_for = object;
    me->wait_kind = kind;
  }
  green_ = may_switch() ? here.green : nullptr;
  if (green_ == nullptr) return;
  here.waits = here.waits + 1;
  epoch_ = epoch_of(green_->wait_word.load(std::memory_order_relaxed)) + 1;
  green_->wait_word.store(word_of(epoch_, armed), std::memory_order_release);
}

Waiter::~Waiter() {
  if (green_ == nullptr) return;
  here.waits = here.waits - 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (__builtin_expect(here.signals_recorded, 0) && here.waits == 0 && here.critical == 0) {
    host::deliver_recorded_signals();
  }
}

bool Waiter::wake(Wakeup result) {
  if (green_ != nullptr) return end_wait(*green_, epoch_, result);
  uint32_t waiting = 0;
  if (!os_word_.compare_exchange_strong(waiting, os_result(result), std::memory_order_acq_rel)) return false;
  kernel::futex_wake(os_word_, 1);
  return true;
}

bool wake_thread(GreenThread& green, Wakeup result) {
  Critical critical;
  return end_wait(green, epoch_of(green.wait_word.load(std::memory_order_acquire)), result);
}

bool wake_os_wait(GreenThread& green, Wakeup result) {
  Held held(green.os_wait_lock);
  return green.os_waiter != nullptr && green.os_waiter->wake(result);
}

bool is_waiting(const GreenThread& green) {
  return phase_of(green.wait_word.load(std::memory_order_relaxed)) != running;
}

Wakeup Waiter::finish() {
  uint64_t word = green_->wait_word.load(std::memory_order_acquire);
  UNBLOCK_CHECK(phase_of(word) == ended && epoch_of(word) == epoch_);
  green_->wait_word.store(word_of(epoch_, running), std::memory_order_relaxed);
  green_->wait_kind = WaitKind::none;
  return result_of(word);
}

void Waiter::ends_as_os_thread() {
  if (here.green != nullptr) here.green->wait_kind = WaitKind::none;
}

void Waiter::cancel() {
  if (green_ == nullptr) return ends_as_os_thread();
  Critical critical;
  end_wait(*green_, epoch_, Wakeup::ready);
  finish();
}

Wakeup Waiter::wait(Deadline deadline) {
  if (green_ == nullptr) return wait_as_os_thread(deadline);
  if (!deadline.is_never()) {
    timer_.at = deadline.at;
    Critical critical;
    Processor* processor = here.carrier->processor.load(std::memory_order_relaxed);
    TimerHeap& heap = processor != nullptr ? processor->timers : scheduler::lone_timers();
    heap.insert(timer_);
    UNBLOCK_CHAOS_POINT();
    // [timer-before-sleep] Without a processor, or with one that was taken from us meanwhile and whose new owner may
    // be asleep already, nobody else looks at this timer in time.
    if (here.carrier->processor.load(std::memory_order_seq_cst) == nullptr) scheduler::kick_if_earlier(deadline.at);
  }
  Wakeup reason;
  if (host::reason_not_to_park(*green_, reason)) end_wait(*green_, epoch_, reason);  // [publish-then-recheck]
  if (phase_of(green_->wait_word.load(std::memory_order_acquire)) == armed) {
    ++here.carrier->statistics.parks[(int)kind_];
    green_->calls_without_wait = 0;
    UNBLOCK_CHAOS_POINT();
    switch_out(Leaving::park);
  }
  TimerHeap* heap = __atomic_load_n(&timer_.heap, __ATOMIC_ACQUIRE);  // pairs with TimerHeap::unlink
  if (heap != nullptr && is_of_this_process()) heap->remove(timer_);  // [unlink-before-return]
  return finish();
}

Wakeup Waiter::wait_as_os_thread(Deadline deadline) {
  Region region;
  GreenThread* green = here.green;
  if (green != nullptr) green->waiting_since = ticks::now();
  if (green != nullptr && !green->bound_for_life && count_quiet_park(*green)) {
    green->bound.store(false, std::memory_order_relaxed);
  }
  Waiter* outer = nullptr;  // that of what a signal handler has interrupted
  if (green != nullptr) {
    Held held(green->os_wait_lock);
    outer = green->os_waiter;
    green->os_waiter = this;
  }
  while (os_word_.load(std::memory_order_acquire) == 0) {
    timespec left = deadline.is_never() ? timespec{} : deadline.left();
    long result = kernel::futex_wait(os_word_, 0, deadline.is_never() ? nullptr : &left);
    if (result == -ETIMEDOUT) wake(Wakeup::timed_out);
    if (result == -EINTR) wake(Wakeup::interrupted);
  }
  if (green != nullptr) {
    Held held(green->os_wait_lock);  // [unlink-before-return]
    green->os_waiter = outer;
  }
  ends_as_os_thread();
  return (Wakeup)(os_word_.load(std::memory_order_acquire) - 1);
}

void yield() {
  if (!may_switch()) {
    kernel::invoke(SYS_sched_yield);
    return;
  }
  switch_out(Leaving::yield);
}

void give_way() {
  constexpr uint32_t calls_before_giving_way = 32;
  GreenThread* green = here.green;
  if (green == nullptr || ++green->calls_without_wait < calls_before_giving_way) return;
  green->calls_without_wait = 0;
  if (may_switch() && here.critical == 0) switch_out(Leaving::yield);
}

void finish_thread() {
  switch_out(Leaving::finish);
  __builtin_unreachable();
}

// Called by the scheduler once the context of a parking thread is saved. [saved-before-parked]
// False: the wait ended meanwhile, the thread is to run again.
bool park_saved(GreenThread& green) {
  UNBLOCK_CHAOS_POINT();
  uint64_t word = green.wait_word.load(std::memory_order_acquire);
  return phase_of(word) == armed &&
         green.wait_word.compare_exchange_strong(word, word_of(epoch_of(word), parked), std::memory_order_acq_rel);
}

bool hold_parked(GreenThread& green) {
  uint64_t word = green.wait_word.load(std::memory_order_acquire);
  return phase_of(word) == parked &&
         green.wait_word.compare_exchange_strong(word, word_of(epoch_of(word), armed), std::memory_order_acq_rel);
}

void let_go(GreenThread& green) {
  Critical critical;
  if (!park_saved(green)) make_runnable(green);
}

}  // namespace unblock
