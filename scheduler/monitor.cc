#include "scheduler/monitor.h"

#include <fcntl.h>
#include <string.h>

#include <initializer_list>

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
bool starter_runs;
std::atomic<uint32_t> asleep;          // the monitor: 1: waits without a timeout; whoever runs sets 0 and wakes it
std::atomic<uint32_t> starter_asleep;  // the starter: 1: waits; whoever wants a carrier sets 0 and wakes it
std::atomic<uint32_t> question;        // the kernel's number of a thread that somebody asks about; 0: nobody asks
std::atomic<uint32_t> answer;          // to that: 0: not yet
std::atomic<bool> starter_called;
bool has_own_descriptors;  // the monitor

constexpr uint32_t answer_no = 1, answer_yes = 2;

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

namespace {

// Closes every descriptor of this OS thread's table, which nobody else has, by what /proc lists. False: some stay open.
bool close_all_that_are_listed() {
  char path[64] = "/proc/self/task/", digits[24];
  strcat(strcat(path, kernel::decimal(digits, (int)kernel::invoke(SYS_gettid))), "/fd");
  long list = kernel::invoke(SYS_open, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (list < 0) return false;
  alignas(8) char entries[4096];
  long bytes;
  while ((bytes = kernel::invoke(SYS_getdents64, list, entries, sizeof entries)) > 0) {
    constexpr int at_length = 16, at_name = 19;  // of struct linux_dirent64
    for (long at = 0; at < bytes; at += *reinterpret_cast<unsigned short*>(entries + at + at_length)) {
      long fd = 0;
      const char* name = entries + at + at_name;
      if (*name == '.') continue;
      for (; *name != 0; ++name) fd = 10 * fd + (*name - '0');
      if (fd != list) kernel::invoke(SYS_close, fd);
    }
  }
  kernel::invoke(SYS_close, list);
  return bytes == 0;
}

// Gives the calling OS thread an empty table of descriptors. [own-descriptors] Filters of containers often forbid
// unshare(2), which close_range(2) then does as well.
bool leave_the_programs_descriptors() {
  constexpr int clone_files = 0x400, close_range_unshare = 2;
  if (kernel::invoke(SYS_close_range, 0, ~0u, close_range_unshare) == 0) return true;
  return kernel::invoke(SYS_unshare, clone_files) == 0 && close_all_that_are_listed();
}

// Call from: the monitor's OS thread.
bool finds_runnable(int kernel_tid) {
  if (!has_own_descriptors) return false;
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

void answer_question() {
  uint32_t about = question.load(std::memory_order_acquire);
  if (about == 0) return;
  answer.store(finds_runnable((int)about) ? answer_yes : answer_no, std::memory_order_release);
  question.store(0, std::memory_order_release);
  kernel::futex_wake(answer, 1);
}

void wake(std::atomic<uint32_t>& sleeper) {
  if (sleeper.load(std::memory_order_seq_cst) != 0 && sleeper.exchange(0, std::memory_order_seq_cst) != 0) {
    kernel::futex_wake(sleeper, 1);
  }
}

}  // namespace

bool is_runnable(int kernel_tid) {
  answer.store(0, std::memory_order_relaxed);
  question.store((uint32_t)kernel_tid, std::memory_order_seq_cst);
  kernel::futex_wake(question, 1);  // it ticks
  wake(asleep);                     // [publish-then-recheck] or sleeps
  while (answer.load(std::memory_order_acquire) == 0) kernel::futex_wait(answer, 0);
  return answer.load(std::memory_order_acquire) == answer_yes;
}

namespace {

// Has the carrier kept its thread by computing or by blocking in the kernel? One that is merely waiting for a CPU
// gains nothing from a hand-off: there would be one more to wait. What it has computed adds up over the looks that
// find the same pick, so that a hog is found also where others leave it a small part of a CPU.
bool keeps_its_processor(Processor& processor, Carrier& owner) {
  return cpu_time(owner.kernel_tid) - processor.seen_cpu_time >= hog_nanoseconds || !finds_runnable(owner.kernel_tid);
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

void watch(void*) {
  int idle_looks = 0;
  has_own_descriptors = leave_the_programs_descriptors();
  for (;;) {
    if (idle_looks < idle_looks_before_sleep) {
      timespec tick = kernel::to_timespec(tick_nanoseconds);
      kernel::futex_wait(question, 0, &tick);
      ticks::note();
      idle_looks = look() ? 0 : idle_looks + 1;
      host::monitor_looked();
    } else {
      asleep.store(1, std::memory_order_seq_cst);
      // [publish-then-recheck] against nudge() and is_runnable()
      if (!somebody_runs() && question.load(std::memory_order_seq_cst) == 0) kernel::futex_wait(asleep, 1);
      asleep.store(0, std::memory_order_seq_cst);
      idle_looks = 0;
    }
    if (scheduler::carrier_wanted()) wake(starter_asleep);
    answer_question();
  }
}

void start_carriers(void*) {
  host::starter_begins();
  for (;;) {
    start_wanted_carrier();
    if (starter_called.exchange(false, std::memory_order_seq_cst)) host::starter_is_called();
    starter_asleep.store(1, std::memory_order_seq_cst);
    // [publish-then-recheck] against nudge() and call_starter()
    bool is_needed = scheduler::carrier_wanted() || starter_called.load(std::memory_order_seq_cst);
    if (!is_needed) kernel::futex_wait(starter_asleep, 1);
    starter_asleep.store(0, std::memory_order_seq_cst);
  }
}

}  // namespace

int start(bool ticks) {
  if (!starter_runs) {
    if (int error = host::start_os_thread(start_carriers, nullptr); error != 0) return error;
    scheduler::count_os_thread();
    starter_runs = true;
  }
  if (ticks) {
    if (int error = host::start_os_thread(watch, nullptr); error != 0) return error;
    scheduler::count_os_thread();
  }
  is_running = true;
  return 0;
}

void nudge() {
  if (scheduler::carrier_wanted()) wake(starter_asleep);
  wake(asleep);
}

void call_starter() {
  starter_called.store(true, std::memory_order_seq_cst);
  wake(starter_asleep);
}

void forget() {
  is_running = starter_runs = has_own_descriptors = false;
  for (auto* word : {&asleep, &starter_asleep, &question, &answer}) word->store(0, std::memory_order_relaxed);
}

bool running() { return is_running; }

}  // namespace unblock::monitor
