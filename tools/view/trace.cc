#include "tools/view/trace.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/view/failures.h"
#include "tools/view/greens.h"
#include "tools/view/options.h"

namespace unblock::tools::view {
namespace {

constexpr std::string_view help =
    R"(Usage: unblock trace PID -o FILE [--seconds N]

Records for N seconds (1 by default, 0.01 to 600) what the scheduler of process PID does, and writes it to FILE as
Chrome's trace events (JSON), which ui.perfetto.dev and chrome://tracing open: for each OS thread what ran on it; for
each green thread when it ran, waited and for what, and was ready to run; who woke whom; hand-offs.

Options:
  -o, --output FILE  where to (it is written at the end)
  --seconds N        for how long
  -h, --help         print this text and exit

The process is asked by one number that is written into its memory, which needs the same rights as a debugger; it stops
by itself when the time is over. Each OS thread of it keeps its last 32,768 events (1 MiB); what was overwritten before
it was read is counted, and the file and one line on standard error say so.
)";

uint64_t monotonic() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1'000'000'000 + (uint64_t)time.tv_nsec;
}

struct Event {
  uint64_t ticks, thread, other;
  uint8_t event, wait_kind;
  int kernel_tid;
};

// Reads the rings of the target.
class Recorder {
 public:
  explicit Recorder(const Greens& greens)
      : target_(greens.target()),
        published_(greens.published()),
        written_(published_.field("TraceRing", "written")),
        next_(published_.field("TraceRing", "next")),
        kernel_tid_(published_.field("TraceRing", "kernel_tid")),
        slots_(published_.field("TraceRing", "slots")),
        number_(published_.field("TraceSlot", "number")),
        ticks_(published_.field("TraceSlot", "ticks")),
        what_(published_.field("TraceSlot", "what")),
        other_(published_.field("TraceSlot", "other")),
        slot_size_(published_.size_of("TraceSlot")),
        slot_count_(published_.value("TraceRing", "slot_count")) {
    bool has_head = true;
    for (Field each : {written_, next_, kernel_tid_}) has_head = has_head && published_.fits(each, slots_.offset);
    if (!has_head || slot_count_ == 0 || slot_count_ > slots_.size / slot_size_) published_.is_damaged();
  }

  // Rings hold what was noted before; that is passed over.
  void begin(uint64_t until) {
    for_each_ring([&](uint64_t ring, uint64_t written, int) { read_until_[ring] = written; });
    uint64_t address = published_.root("trace_until");
    iovec from = {&until, sizeof until}, to = {reinterpret_cast<void*>(address), sizeof until};
    if (process_vm_writev(target_.pid(), &from, 1, &to, 1, 0) != (ssize_t)sizeof until) {
      target_.explain_failed_read();
      fail(exit_not_permitted, target_.name() + ": cannot be written to: " + strerror(errno));
    }
  }

  void read_new() {
    for_each_ring([&](uint64_t ring, uint64_t written, int kernel_tid) { read_ring(ring, written, kernel_tid); });
  }

  std::vector<Event>& events() { return events_; }
  uint64_t lost() const { return lost_; }

 private:
  template <class Visit>
  void for_each_ring(Visit visit) {
    std::vector<char> head(slots_.offset);
    uint64_t ring = target_.memory().value<uint64_t>(published_.root("trace_rings")).value_or(0);
    for (int rings = 0; ring != 0 && rings < 100'000; ++rings) {
      if (!target_.memory().read_all(ring, head.data(), head.size())) return;
      visit(ring, written_.of(head.data()), (int)kernel_tid_.of(head.data()));
      ring = next_.of(head.data());
    }
  }

  void read_ring(uint64_t ring, uint64_t written, int kernel_tid) {
    uint64_t& from = read_until_[ring];
    if (written <= from) return;
    if (written - from >= slot_count_) {
      lost_ += written - from - (slot_count_ - 1);
      from = written - (slot_count_ - 1);
    }
    std::vector<char> copy(slot_size_ * slot_count_), again(copy.size());
    if (!target_.memory().read_all(ring + slots_.offset, copy.data(), copy.size())) return;
    if (!target_.memory().read_all(ring + slots_.offset, again.data(), again.size())) return;
    for (uint64_t number = from + 1; number <= written; ++number) {
      size_t at = number % slot_count_ * slot_size_;
      bool is_whole = number_.of(&copy[at]) == number && number_.of(&again[at]) == number;
      is_whole ? add(&copy[at], kernel_tid) : (void)++lost_;
    }
    from = written;
  }

  void add(const char* slot, int kernel_tid) {
    uint64_t what = what_.of(slot);
    events_.push_back({ticks_.of(slot), what >> 16, other_.of(slot), (uint8_t)what, (uint8_t)(what >> 8), kernel_tid});
  }

  const Target& target_;
  const Published& published_;
  Field written_, next_, kernel_tid_, slots_, number_, ticks_, what_, other_;
  uint64_t slot_size_, slot_count_;
  std::map<uint64_t, uint64_t> read_until_;
  std::vector<Event> events_;
  uint64_t lost_ = 0;
};

// Chrome's format: processes 1 and 2 are the OS threads and the green threads; times are microseconds.
class Timeline {
 public:
  Timeline(const Published& published, uint64_t begin, double ticks_per_microsecond)
      : published_(published), begin_(begin), rate_(ticks_per_microsecond) {
    for (const char* word : {"run", "wait", "yield", "end", "wake", "hand_off"}) {
      kinds_[(uint8_t)published.value("TraceEvent", word)] = word;
    }
    name("process_name", 1, 0, "OS threads");
    name("process_name", 2, 0, "green threads");
  }

  void name_thread(uint64_t id, const std::string& text) {
    name("thread_name", 2, id, std::to_string(id) + " " + text);
  }

  // What the thread was doing when the trace began.
  void begin_waiting(uint64_t id, const std::string& kind) { open(threads_[id], begin_, "wait: " + kind); }

  void add(const Event& event) {
    const std::string& kind = kinds_[event.event];
    Thread& thread = threads_[event.thread];
    if (kind == "run") {
      close(thread, event.ticks, event.thread);
      open(thread, event.ticks, "run");
      thread.kernel_tid = event.kernel_tid;
      if (thread.flow != 0) flow("f", thread.flow, event.ticks, event.thread);
      thread.flow = 0;
    } else if (kind == "wait" || kind == "yield" || kind == "end") {
      if (thread.state == "run")
        slice(1, (uint64_t)thread.kernel_tid, thread.since, event.ticks, label(event.thread), {});
      close(thread, event.ticks, event.thread);
      if (kind == "wait") open(thread, event.ticks, "wait: " + published_.name_of("WaitKind", event.wait_kind));
      if (kind == "yield") open(thread, event.ticks, "ready");
      thread.object = event.other;
    } else if (kind == "wake") {
      if (thread.state == "run" || thread.state == "ready") return;
      close(thread, event.ticks, event.thread);
      open(thread, event.ticks, "ready");
      thread.woken_by = event.other;
      if (event.other == 0) return;
      thread.flow = ++flows_;
      flow("s", thread.flow, event.ticks, event.other);
    } else if (kind == "hand_off") {
      events_.push_back({{"ph", "i"},
                         {"s", "t"},
                         {"name", "hand-off"},
                         {"pid", 2},
                         {"tid", event.thread},
                         {"ts", time(event.ticks)}});
    }
  }

  void finish(uint64_t end) {
    for (auto& [id, thread] : threads_) {
      if (thread.state == "run") slice(1, (uint64_t)thread.kernel_tid, thread.since, end, label(id), {});
      close(thread, end, id);
    }
  }

  std::string text(uint64_t lost) const {
    nlohmann::json all = {{"traceEvents", events_}, {"displayTimeUnit", "ns"}, {"otherData", {{"lost events", lost}}}};
    return all.dump() + "\n";
  }

 private:
  struct Thread {
    std::string state;  // empty: not known yet
    uint64_t since = 0, object = 0, woken_by = 0, flow = 0;
    int kernel_tid = 0;
  };

  double time(uint64_t ticks) const { return ticks > begin_ ? (double)(ticks - begin_) / rate_ : 0; }
  static std::string label(uint64_t id) { return "thread " + std::to_string(id); }

  void open(Thread& thread, uint64_t ticks, std::string state) {
    thread.state = std::move(state);
    thread.since = ticks;
  }

  void close(Thread& thread, uint64_t ticks, uint64_t id) {
    if (thread.state.empty()) return;
    nlohmann::json arguments = nlohmann::json::object();
    if (thread.state == "run") arguments["OS thread"] = thread.kernel_tid;
    if (thread.state == "ready" && thread.woken_by != 0) arguments["woken by"] = label(thread.woken_by);
    if (thread.state.compare(0, 4, "wait") == 0 && thread.object != 0) arguments["for"] = waited_for(thread);
    slice(2, id, thread.since, ticks, thread.state, arguments);
    thread.state.clear();
    thread.woken_by = 0;
  }

  static std::string waited_for(const Thread& thread) {
    if (thread.state != "wait: descriptor") return hexadecimal(thread.object);
    return "descriptor " + std::to_string((uint32_t)thread.object);
  }

  static std::string hexadecimal(uint64_t number) {
    char text[24];
    snprintf(text, sizeof text, "0x%lx", (unsigned long)number);
    return text;
  }

  void slice(int process, uint64_t id, uint64_t from, uint64_t to, const std::string& name,
             const nlohmann::json& arguments) {
    double begin = time(from);
    events_.push_back({{"ph", "X"},
                       {"name", name},
                       {"pid", process},
                       {"tid", id},
                       {"ts", begin},
                       {"dur", time(to) > begin ? time(to) - begin : 0},
                       {"args", arguments}});
  }

  void flow(const char* phase, uint64_t number, uint64_t ticks, uint64_t id) {
    nlohmann::json event = {{"ph", phase}, {"name", "wake"}, {"cat", "wake"},    {"id", number},
                            {"pid", 2},    {"tid", id},      {"ts", time(ticks)}};
    if (*phase == 'f') event["bp"] = "e";
    events_.push_back(std::move(event));
  }

  void name(const char* what, int process, uint64_t id, const std::string& text) {
    events_.push_back({{"ph", "M"}, {"name", what}, {"pid", process}, {"tid", id}, {"args", {{"name", text}}}});
  }

  const Published& published_;
  uint64_t begin_;
  double rate_;
  std::map<uint8_t, std::string> kinds_;
  std::map<uint64_t, Thread> threads_;
  std::vector<nlohmann::json> events_;
  uint64_t flows_ = 0;
};

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) fail(exit_own_failure, path + ": " + strerror(errno));
}

// The counter's rate is that of ours: the target runs on the same machine.
double ticks_per_nanosecond() {
  uint64_t ticks = __rdtsc(), time = monotonic();
  timespec wait = {0, 10'000'000};
  nanosleep(&wait, nullptr);
  return (double)(__rdtsc() - ticks) / (double)(monotonic() - time);
}

}  // namespace

int trace(const std::vector<std::string>& words) {
  Options options(help);
  std::string output;
  double seconds = 1;
  options.app().add_option("-o,--output", output)->required();
  options.app().add_option("--seconds", seconds)->check(CLI::Range(0.01, 600.0));
  options.parse(words);
  std::unique_ptr<Target> target = options.open();
  Greens greens(*target);
  greens.demand_active();
  std::map<uint64_t, std::string> names;
  std::vector<Green> at_begin = greens.read();
  for (const Green& each : at_begin) names[each.id] = each.name;

  double rate = ticks_per_nanosecond();
  Recorder recorder(greens);
  uint64_t begin = __rdtsc(), end = begin + (uint64_t)(rate * seconds * 1e9);
  recorder.begin(end);
  timespec between_looks = {0, 10'000'000};
  while (__rdtsc() < end) {
    nanosleep(&between_looks, nullptr);
    recorder.read_new();
  }
  recorder.read_new();
  for (const Green& each : greens.read()) names[each.id] = each.name;

  std::vector<Event>& events = recorder.events();
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.ticks < b.ticks; });
  Timeline timeline(greens.published(), begin, rate * 1e3);
  for (const Green& each : at_begin) {
    if (!each.wait_kind.empty() && !each.is_on_carrier()) timeline.begin_waiting(each.id, each.wait_kind);
  }
  for (const auto& [id, name] : names) timeline.name_thread(id, name);
  for (const Event& each : events) timeline.add(each);
  timeline.finish(end);
  write_file(output, timeline.text(recorder.lost()));
  if (recorder.lost() != 0) say(std::to_string(recorder.lost()) + " events were overwritten before they were read");
  return 0;
}

}  // namespace unblock::tools::view
