#include "tools/view/counters.h"

#include <algorithm>

#include "tools/view/failures.h"

namespace unblock::tools::view {
namespace {

// Adds one record of Statistics.
void add_statistics(const Published& published, const char* bytes, Counters& counters) {
  auto number = [&](const char* name) { return published.field("Statistics", name).of(bytes); };
  counters.switches += number("switches");
  counters.steals += number("steals");
  counters.regions += number("regions");
  counters.hand_offs += number("hand_offs");
  Field parks = published.field("Statistics", "parks");
  for (uint32_t kind = 0; kind < parks.size / sizeof(uint64_t); ++kind) {
    if (kind == published.value("WaitKind", "none")) continue;
    Field one = {parks.offset + kind * (uint32_t)sizeof(uint64_t), sizeof(uint64_t)};
    counters.parks[published.name_of("WaitKind", kind)] += one.of(bytes);
  }
}

}  // namespace

Counters read_counters(const Greens& greens) {
  const Published& published = greens.published();
  Counters counters;
  auto root = [&](const char* name, Field field) { return greens.number_at(published.root(name), field); };
  auto tally = [&](const char* name) { return root("tally", published.field("ThreadTally", name)); };
  counters.made = tally("made");
  counters.alive = tally("alive");
  counters.peak = tally("peak");
  if (uint64_t samples = tally("sampled_threads"); samples != 0) {
    counters.bytes_per_green_thread = tally("sampled_bytes") / samples;
  }
  counters.os_threads = root("os_threads", {0, sizeof(unsigned)});
  counters.os_threads_peak = root("os_threads_most", {0, sizeof(unsigned)});
  counters.processors = root("processor_count", {0, sizeof(unsigned)});
  counters.queued = root("injected_now", {0, sizeof(size_t)});
  uint64_t processor = root("processors", {0, sizeof(void*)});
  for (uint64_t i = 0; i < counters.processors; ++i, processor += published.size_of("Processor")) {
    counters.queued += greens.number_at(processor, published.field("Processor", "length"));
  }
  counters.hand_offs = root("hand_offs", {0, sizeof(uint64_t)});
  std::vector<char> ended = greens.bytes_at(published.root("of_ended_carriers"), published.size_of("Statistics"));
  add_statistics(published, ended.data(), counters);
  uint32_t at = published.field("Carrier", "statistics").offset;
  for (const CarrierState& each : greens.read_carriers()) {
    std::vector<char> statistics = greens.bytes_at(each.record + at, published.size_of("Statistics"));
    add_statistics(published, statistics.data(), counters);
  }
  return counters;
}

}  // namespace unblock::tools::view
