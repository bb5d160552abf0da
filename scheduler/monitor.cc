#include "scheduler/monitor.h"

#include "scheduler/scheduler.h"

namespace unblock::monitor {
namespace {

// Idle looks in a row before it stops ticking.
constexpr int idle_looks_before_sleep = 4;
// A thread found this often, with few waits between, gets an OS thread of its own.
constexpr uint32_t detections_before_binding = 16;

bool is_running;
bool is_ticking;
std::atomic<uint32_t> asleep;  // 1: waits without a timeout; whoever runs or wants something sets 0 and wakes it
std::atomic<uint32_t> never;

void count_detection(Carrier& carrier) {
  if (carrier.in_region.load(std::memory_order_relaxed)) return;
  GreenThread* hog = carrier.running.load(std::memory_order_relaxed);
  if (hog == nullptr) return;
  hog->quiet_parks = 0;
  if (++hog->detections >= detections_before_binding) hog->bound.store(true, std::memory_order_relaxed);
}

// True when somebody ran since the last look.
bool look_at(Processor& processor) {
  Carrier* owner;
  uint64_t picks;
  {
    Held held(processor.lock);
    owner = processor.owner;
    picks = processor.picks;
    if (owner == nullptr || processor.waiting) {
      bool moved = picks != processor.seen_picks;
      processor.seen_picks = picks;
      return moved;
    }
  }
  if (picks == processor.seen_picks && scheduler::hand_off(processor, *owner, picks)) count_detection(*owner);
  processor.seen_picks = picks;
  return true;
}

bool look() {
  bool active = false;
  for (unsigned i = 0; i < scheduler::processor_count(); ++i) active |= look_at(scheduler::processor_at(i));
  return active;
}

void start_wanted_carriers() {
  while (scheduler::carriers_wanted()) {
    int error = scheduler::start_carrier();
    if (error == 0) continue;
    host::no_os_thread(error);
    return;
  }
}

bool somebody_runs() {
  for (unsigned i = 0; i < scheduler::processor_count(); ++i) {
    Processor& processor = scheduler::processor_at(i);
    Held held(processor.lock);
    if (processor.owner != nullptr && !processor.waiting) return true;
  }
  return false;
}

void run(void*) {
  int idle_looks = 0;
  for (;;) {
    start_wanted_carriers();
    if (is_ticking && idle_looks < idle_looks_before_sleep) {
      timespec tick = kernel::to_timespec(tick_nanoseconds);
      kernel::futex_wait(never, 0, &tick);
      idle_looks = look() ? 0 : idle_looks + 1;
      continue;
    }
    asleep.store(1, std::memory_order_seq_cst);
    // [publish-then-recheck] against nudge()
    if (!(is_ticking && somebody_runs()) && !scheduler::carriers_wanted()) kernel::futex_wait(asleep, 1);
    asleep.store(0, std::memory_order_seq_cst);
    idle_looks = 0;
  }
}

}  // namespace

int start(bool ticks) {
  is_ticking = ticks;
  int error = host::start_os_thread(run, nullptr);
  is_running = error == 0;
  return error;
}

void nudge() {
  if (asleep.load(std::memory_order_seq_cst) != 0 && asleep.exchange(0, std::memory_order_seq_cst) != 0) {
    kernel::futex_wake(asleep, 1);
  }
}

void forget() {
  is_running = false;
  asleep.store(0, std::memory_order_relaxed);
}

bool running() { return is_running; }

}  // namespace unblock::monitor
