#include "scheduler/monitor.h"

#include <fcntl.h>
#include <string.h>

#include "scheduler/scheduler.h"
#include "scheduler/ticks.h"

namespace unblock::monitor {
namespace {

// Idle looks in a row before it stops ticking.
constexpr int idle_looks_before_sleep = 1;
// A thread found this often, with few waits between, gets an OS thread of its own.
constexpr uint32_t detections_before_binding = 16;
// So much CPU time within one pick, which usually takes some microseconds, makes a hog.
constexpr int64_t hog_nanoseconds = tick_nanoseconds / 5;

bool is_running;
bool is_ticking;
std::atomic<uint32_t> asleep;  // 1: waits without a timeout; whoever runs or wants something sets 0 and wakes it
std::atomic<uint32_t> never;

void count_detection(Carrier& carrier) {
  if (carrier.in_region.load(std::memory_order_relaxed)) return;
  GreenThread* hog = carrier.running.load(std::memory_order_relaxed);
  if (hog == nullptr) return;
  hog->quiet_parks.store(0, std::memory_order_relaxed);
  uint32_t detections = hog->detections.fetch_add(1, std::memory_order_relaxed) + 1;
  if (detections >= detections_before_binding) hog->bound.store(true, std::memory_order_relaxed);
}

}  // namespace

int64_t cpu_time(int kernel_tid) {
  constexpr int per_thread_schedule_clock = 6;  // clock_getcpuclockid's encoding, see CLOCK_THREAD_CPUTIME_ID
  timespec time = {};
  kernel::invoke(SYS_clock_gettime, ~kernel_tid << 3 | per_thread_schedule_clock, &time);
  return kernel::nanoseconds(time);
}

bool is_runnable(int kernel_tid) {
  char path[64] = "/proc/self/task/", digits[24], text[512];
  strcat(strcat(path, kernel::decimal(digits, kernel_tid)), "/stat");
  long file = kernel::invoke(SYS_open, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  long size = kernel::invoke(SYS_read, file, text, sizeof text - 1);
  kernel::invoke(SYS_close, file);
  text[size > 0 ? size : 0] = 0;
  const char* name_end = strrchr(text, ')');
  return name_end != nullptr && name_end[1] == ' ' && name_end[2] == 'R';
}

namespace {

// Has the carrier kept its thread by computing or by blocking in the kernel? One that is merely waiting for a CPU
// gains nothing from a hand-off: there would be one more to wait. What it has computed adds up over the looks that
// find the same pick, so that a hog is found also where others leave it a small part of a CPU.
bool keeps_its_processor(Processor& processor, Carrier& owner) {
  return cpu_time(owner.kernel_tid) - processor.seen_cpu_time >= hog_nanoseconds || !is_runnable(owner.kernel_tid);
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
      processor.seen_owner = nullptr;
      return moved;
    }
  }
  if (picks != processor.seen_picks || owner != processor.seen_owner) {
    processor.seen_picks = picks;
    processor.seen_owner = owner;
    processor.seen_cpu_time = cpu_time(owner->kernel_tid);
    return true;
  }
  if (!keeps_its_processor(processor, *owner)) return true;
  if (scheduler::hand_off(processor, *owner, picks)) {
    GreenThread* hog = owner->running.load(std::memory_order_relaxed);
    if (trace::on() && hog != nullptr) trace::note(nullptr, trace::Event::hand_off, *hog);
    count_detection(*owner);
  }
  return true;
}

bool look() {
  bool active = false;
  for (unsigned i = 0; i < scheduler::processor_count(); ++i) active |= look_at(scheduler::processor_at(i));
  return active;
}

void start_wanted_carrier() {
  if (!scheduler::carrier_wanted()) return;
  if (int error = scheduler::start_carrier(); error != 0) host::no_os_thread(error);
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
  host::monitor_begins();
  for (;;) {
    start_wanted_carrier();
    if (is_ticking && idle_looks < idle_looks_before_sleep) {
      timespec tick = kernel::to_timespec(tick_nanoseconds);
      kernel::futex_wait(never, 0, &tick);
      ticks::note();
      idle_looks = look() ? 0 : idle_looks + 1;
      host::monitor_looked();
      continue;
    }
    asleep.store(1, std::memory_order_seq_cst);
    // [publish-then-recheck] against nudge()
    if (!(is_ticking && somebody_runs()) && !scheduler::carrier_wanted()) kernel::futex_wait(asleep, 1);
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
