#include "shim/report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "scheduler/scheduler.h"
#include "shim/configuration.h"
#include "shim/entries.h"
#include "shim/lifecycle.h"
#include "shim/real.h"
#include "shim/thread.h"

namespace unblock::report {

unblock_counts counts() {
  unblock_counts all = {};
  if (!lifecycle::active()) return all;
  Statistics statistics = scheduler::statistics();
  ThreadCounts threads = thread_counts();
  auto parks = [&](WaitKind kind) { return statistics.parks[(int)kind]; };
  all.active = 1;
  all.processors = scheduler::processor_count();
  all.green_threads_made = threads.made;
  all.green_threads_peak = threads.peak;
  all.os_threads_peak = scheduler::os_threads_peak();
  all.switches = statistics.switches;
  for (uint64_t each : statistics.parks) all.parks += each;
  all.parks_descriptor = parks(WaitKind::descriptor);
  all.parks_mutex = parks(WaitKind::mutex);
  all.parks_condition = parks(WaitKind::condition);
  all.parks_semaphore = parks(WaitKind::semaphore);
  all.parks_rwlock = parks(WaitKind::rwlock);
  all.parks_once = parks(WaitKind::once);
  all.parks_barrier = parks(WaitKind::barrier);
  all.parks_spin = parks(WaitKind::spin);
  all.parks_futex = parks(WaitKind::futex);
  all.parks_join = parks(WaitKind::join);
  all.parks_sleep = parks(WaitKind::sleep);
  all.parks_signal = parks(WaitKind::signal);
  all.parks_child = parks(WaitKind::child);
  all.parks_poll = parks(WaitKind::poll);
  all.hand_offs = statistics.hand_offs;
  all.regions = statistics.regions;
  all.steals = statistics.steals;
  all.bytes_per_green_thread = threads.bytes;
  return all;
}

namespace {

struct Line {
  const char* name;
  uint64_t unblock_counts::*value;
};

constexpr Line lines[] = {
    {"green_threads_made", &unblock_counts::green_threads_made},
    {"green_threads_peak", &unblock_counts::green_threads_peak},
    {"os_threads_peak", &unblock_counts::os_threads_peak},
    {"processors", &unblock_counts::processors},
    {"switches", &unblock_counts::switches},
    {"parks", &unblock_counts::parks},
    {"parks_descriptor", &unblock_counts::parks_descriptor},
    {"parks_poll", &unblock_counts::parks_poll},
    {"parks_mutex", &unblock_counts::parks_mutex},
    {"parks_condition", &unblock_counts::parks_condition},
    {"parks_semaphore", &unblock_counts::parks_semaphore},
    {"parks_rwlock", &unblock_counts::parks_rwlock},
    {"parks_once", &unblock_counts::parks_once},
    {"parks_barrier", &unblock_counts::parks_barrier},
    {"parks_spin", &unblock_counts::parks_spin},
    {"parks_futex", &unblock_counts::parks_futex},
    {"parks_join", &unblock_counts::parks_join},
    {"parks_sleep", &unblock_counts::parks_sleep},
    {"parks_signal", &unblock_counts::parks_signal},
    {"parks_child", &unblock_counts::parks_child},
    {"hand_offs", &unblock_counts::hand_offs},
    {"regions", &unblock_counts::regions},
    {"steals", &unblock_counts::steals},
    {"bytes_per_green_thread", &unblock_counts::bytes_per_green_thread},
};

// A report is built in memory and written in one call, so that those of several processes do not mix.
class Text {
 public:
  void add(const char* text) {
    for (; *text != 0 && length_ < sizeof bytes_; ++text) bytes_[length_++] = *text;
  }
  void add(uint64_t number) {
    char digits[24];
    add(kernel::decimal(digits, (int64_t)number));
  }
  void write_to(long fd) { kernel::invoke(SYS_write, fd, bytes_, length_); }

 private:
  char bytes_[4096];
  size_t length_ = 0;
};

// `name value` lines, appended to a file.
void write_for_programs(const char* path) {
  Text text;
  text.add("pid ");
  text.add((uint64_t)kernel::invoke(SYS_getpid));
  text.add(lifecycle::active() ? "\nactive 1\n" : "\nactive 0\nreason ");
  if (!lifecycle::active()) {
    text.add(lifecycle::native_reason());
    text.add("\n");
  }
  unblock_counts all = counts();
  for (const Line& line : lines) {
    text.add(line.name);
    text.add(" ");
    text.add(all.*line.value);
    text.add("\n");
  }
  text.add("libc_entries ");
  text.add(entries::count());
  text.add("\n");
  long file = kernel::invoke(SYS_open, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return kernel::say_line("statistics cannot be written to ", path);
  text.write_to(file);
  kernel::invoke(SYS_close, file);
}

// The same for people: zero counts are left out.
void write_for_people() {
  Text text;
  unblock_counts all = counts();
  if (!lifecycle::active()) {
    text.add("unblock: threads stayed native: ");
    text.add(lifecycle::native_reason());
    text.add("\n");
  }
  if (entries::reason() != nullptr) {
    text.add("unblock: look-ups of names, syslog and the like block their OS thread while they wait: ");
    text.add(entries::reason());
    text.add("\n");
  }
  for (const Line& line : lines) {
    if (all.*line.value == 0) continue;
    text.add("unblock: ");
    text.add(line.name);
    for (size_t i = strlen(line.name); i < 24; ++i) text.add(" ");
    text.add(all.*line.value);
    text.add("\n");
  }
  text.write_to(2);
}

std::atomic<int> reported_by;

}  // namespace

void print_at_exit() {
  const char* wanted = configuration::current().statistics;
  if (wanted == nullptr || (!lifecycle::active() && lifecycle::native_reason() == nullptr)) return;
  int process = (int)kernel::invoke(SYS_getpid);
  if (reported_by.exchange(process) == process) return;
  wanted[0] == '/' ? write_for_programs(wanted) : write_for_people();
}

}  // namespace unblock::report

using namespace unblock;

// _exit(2), _Exit(3) and quick_exit(3) run no destructors of ours.
INTERPOSED void _exit(int code) {
  report::print_at_exit();
  real::_exit(code);
  __builtin_unreachable();
}
INTERPOSED void _Exit(int code) noexcept { _exit(code); }
INTERPOSED void quick_exit(int code) noexcept {
  report::print_at_exit();
  real::quick_exit(code);
  __builtin_unreachable();
}

namespace {
__attribute__((destructor)) void unload() { report::print_at_exit(); }
}  // namespace
