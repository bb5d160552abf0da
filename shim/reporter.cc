#include "shim/reporter.h"

#include "scheduler/monitor.h"
#include "scheduler/roots.h"
#include "shim/configuration.h"
#include "shim/dump.h"
#include "shim/lock_waits.h"
#include "shim/named_lines.h"
#include "shim/signals.h"

namespace unblock::reporter {
namespace {

constexpr uint32_t asleep = 0, called = 1;
std::atomic<uint32_t> word;
std::atomic<bool> is_running;
Lines lines;

constexpr int most_places = 256;
uint64_t places[most_places];
int place_count;

struct Hog {
  Thread* thread;
  Carrier* carrier;
  int64_t nanoseconds;
  bool computes;
};

void begin_watching(Watched& watched, const Carrier& carrier, int64_t now) {
  watched = {carrier.statistics.switches + 1, carrier.statistics.regions, now, 0, 0, false};
  watched.cpu_time = monitor::cpu_time(carrier.kernel_tid);
}

enum class Found { nothing, suspect, hog };

// Does the carrier run a hog that was not told of, or what may become one?
Found look_at(Carrier& carrier, int64_t now, int64_t threshold, Hog& hog) {
  Watched& watched = carrier.watched;
  GreenThread* green = carrier.running.load(std::memory_order_acquire);
  if (green == nullptr || green->bound.load(std::memory_order_relaxed)) {
    watched.switches = 0;
    return Found::nothing;
  }
  bool in_region = carrier.in_region.load(std::memory_order_relaxed);
  if (in_region || watched.switches != carrier.statistics.switches + 1) {
    bool same_region = in_region && watched.region_since != 0 && watched.regions == carrier.statistics.regions;
    int64_t region_since = same_region ? watched.region_since : now;
    begin_watching(watched, carrier, now);
    if (in_region) watched.region_since = region_since;
    return in_region ? Found::nothing : Found::suspect;
  }
  watched.region_since = 0;
  if (watched.told) return Found::nothing;
  if (now - watched.since < threshold) return Found::suspect;
  hog = {&thread_of(*green), &carrier, now - watched.since, true};
  // One that mostly waited for a CPU has kept nobody from running.
  if (monitor::cpu_time(carrier.kernel_tid) - watched.cpu_time < threshold / 4) {
    if (monitor::is_runnable(carrier.kernel_tid)) return Found::suspect;
    hog.computes = false;
  }
  watched.told = true;
  return Found::hog;
}

// A place is a function: the instruction differs from one look to the next.
uint64_t function_of(const StackOf& stack) {
  void* place = stack.place();
  if (place == nullptr) return 0;
  void* function = call_chain::function_at(place);
  return reinterpret_cast<uint64_t>(function != nullptr ? function : place);
}

void report(const Hog& hog) {
  StackOf stack;
  if (hog.computes) stack = stack_of_running(*hog.thread);
  if (hog.computes && stack.count == 0) {  // it has left by now, or has not had a CPU
    hog.carrier->watched.told = false;
    return;
  }
  if (is_known(hog.computes ? function_of(stack) : reinterpret_cast<uint64_t>(hog.thread->start))) return;
  lines << "unblock: hog: thread " << hog.thread->id << " \"" << hog.thread->name << "\" has kept its processor for "
        << (uint64_t)(hog.nanoseconds / 1'000'000) << " ms, "
        << (hog.computes ? "computing at\n" : "in a system call that blocks (see 'unblock stack')\n");
  named_lines::add(lines, stack);
  named_lines::print(lines);
}

// True when another look is due although nothing tells of it: a hog may have no processor any more, and while all
// processors are idle the monitor sleeps.
bool look_for_hogs(int64_t threshold) {
  constexpr int most_at_a_look = 16;
  Hog hogs[most_at_a_look];
  int count = 0;
  bool has_suspects = false;
  int64_t now = kernel::now();
  carriers.for_each([&](Carrier& carrier) {
    if (count == most_at_a_look) return;
    Found found = look_at(carrier, now, threshold, hogs[count]);
    if (found == Found::hog) ++count;
    has_suspects |= found != Found::nothing;
  });
  for (int i = 0; i < count; ++i) report(hogs[i]);
  return has_suspects;
}

// Looking at all threads takes long where there are many: no more than a twentieth of the time. Returns for how long
// nobody may look yet; 0: this was a look.
int64_t look_at_locks(int64_t threshold) {
  static int64_t next;
  int64_t now = kernel::now();
  if (now < next) return next - now;
  int64_t took = lock_waits::look(threshold, lines);
  next = now + took + (20 * took > threshold ? 20 * took : threshold);
  return 0;
}

void run(void*) {
  int64_t threshold = configuration::current().report_threshold;
  int64_t until_still = threshold + threshold / 8, pause = 0;  // 0: for ever
  bool had_suspects = false;
  for (;;) {
    timespec time = kernel::to_timespec(pause);
    if (word.load(std::memory_order_acquire) == asleep) kernel::futex_wait(word, asleep, pause != 0 ? &time : nullptr);
    bool somebody_runs = word.exchange(asleep, std::memory_order_acq_rel) == called;
    bool has_suspects = look_for_hogs(threshold);
    int64_t owed = look_at_locks(threshold);
    bool is_still = !somebody_runs && !had_suspects && owed == 0;
    pause = has_suspects ? threshold / 4 : is_still ? 0 : owed > until_still ? owed : until_still;
    had_suspects = has_suspects;
  }
}

}  // namespace

bool is_known(uint64_t place) {
  for (int i = 0; i < place_count; ++i) {
    if (places[i] == place) return true;
  }
  if (place_count == most_places) return true;
  places[place_count++] = place;
  if (place_count == most_places) kernel::say_line("256 places were reported; further ones are not");
  return false;
}

void after_fork_in_child() {
  is_running.store(false, std::memory_order_relaxed);
  place_count = 0;
  lines.clear();
}

}  // namespace unblock::reporter

namespace unblock::host {

void starter_begins() {
  dump::start_receiver();
  if (configuration::current().report_threshold == 0 || reporter::is_running.exchange(true)) return;
  if (int error = start_os_thread(reporter::run, nullptr); error != 0) no_os_thread(error);
}

void monitor_looked() {
  if (signals::may_have_to_offer()) monitor::call_starter();
  if (!reporter::is_running.load(std::memory_order_relaxed)) return;
  reporter::word.store(reporter::called, std::memory_order_release);
  kernel::futex_wake(reporter::word, 1);
}

}  // namespace unblock::host
