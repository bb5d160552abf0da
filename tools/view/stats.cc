#include "tools/view/stats.h"

#include <nlohmann/json.hpp>

#include "tools/view/counters.h"
#include "tools/view/options.h"

namespace unblock::tools::view {
namespace {

struct Metric {
  const char* name;
  const char* type;  // "counter": only grows; "gauge": a state
  const char* help;
  uint64_t Counters::*value;
};

constexpr Metric metrics[] = {
    {"unblock_green_threads", "gauge", "Green threads that are alive, main among them.", &Counters::alive},
    {"unblock_green_threads_peak", "gauge", "Most green threads that were alive at a time.", &Counters::peak},
    {"unblock_green_threads_made_total", "counter", "Green threads made since the first, main among them.",
     &Counters::made},
    {"unblock_runnable", "gauge", "Green threads that could run and wait for a processor.", &Counters::queued},
    {"unblock_processors", "gauge", "Green threads that can run at a time.", &Counters::processors},
    {"unblock_os_threads", "gauge", "OS threads of the library: carriers and the monitor.", &Counters::os_threads},
    {"unblock_os_threads_peak", "gauge", "Most OS threads of the library at a time.", &Counters::os_threads_peak},
    {"unblock_switches_total", "counter", "Times that a green thread was resumed.", &Counters::switches},
    {"unblock_regions_total", "counter",
     "Calls that blocked their OS thread in a way that the library knows, such as reading a file.", &Counters::regions},
    {"unblock_hand_offs_total", "counter",
     "Processors taken from a green thread that kept one too long, by computing or in a system call.",
     &Counters::hand_offs},
    {"unblock_steals_total", "counter", "Green threads that an idle processor took from a busy one.",
     &Counters::steals},
    {"unblock_bytes_per_green_thread", "gauge",
     "Memory that the stack and the block of a green thread took, averaged over a sample; 0 before the first sample.",
     &Counters::bytes_per_green_thread},
};

constexpr Metric parks = {"unblock_parks_total", "counter",
                          "Waits that left the processor to others, by what was waited for.", nullptr};

constexpr Metric about = {"unblock_info", "gauge", "Always 1; the label says which version of the library it is.",
                          nullptr};

std::string help_text() {
  std::string text = R"(Usage: unblock stats [OPTION…] PID
       unblock stats [OPTION…] --core FILE

Prints what the library in process PID has counted since its threads became green, in the text form of Prometheus. The
process is only read from. Counters are read one after another while threads run, so sums may be off by what happens
meanwhile.

Options:
  --core FILE      look at a core file instead of a process
  --json           print one object instead: names without prefix, parks as an object of kinds
  -h, --help       print this text and exit

Metrics (a counter only grows, a gauge is a state):
)";
  auto add = [&](const Metric& each, const char* label) {
    text += "  " + std::string(each.name) + label + " (" + each.type + ")\n      " + each.help + "\n";
  };
  for (const Metric& each : metrics) add(each, "");
  add(parks, "{kind=\"…\"}");
  text +=
      R"(      Kinds: descriptor (one descriptor), poll (poll and select), mutex, condition, semaphore, rwlock, once, barrier,
      spin, futex (the system call), join, sleep, signal, child.
)";
  add(about, "{version=\"…\"}");
  return text + "\nExit status: as unblock ps.\n";
}

void add_heading(std::string& text, const Metric& metric) {
  text += "# HELP " + std::string(metric.name) + " " + metric.help + "\n";
  text += "# TYPE " + std::string(metric.name) + " " + metric.type + "\n";
}

std::string prometheus_text(const Counters& counters, const std::string& version) {
  std::string text;
  for (const Metric& each : metrics) {
    add_heading(text, each);
    text += std::string(each.name) + " " + std::to_string(counters.*each.value) + "\n";
  }
  add_heading(text, parks);
  for (auto& [kind, count] : counters.parks) {
    text += std::string(parks.name) + "{kind=\"" + kind + "\"} " + std::to_string(count) + "\n";
  }
  add_heading(text, about);
  return text + about.name + "{version=\"" + version + "\"} 1\n";
}

// Without the prefix that all share, and without the ending that marks a counter.
std::string json_name(std::string name) {
  name.erase(0, std::string_view("unblock_").size());
  if (name.ends_with("_total")) name.resize(name.size() - std::string_view("_total").size());
  return name;
}

std::string json_text(const Counters& counters, const std::string& version) {
  nlohmann::ordered_json object;
  object["version"] = version;
  for (const Metric& each : metrics) object[json_name(each.name)] = counters.*each.value;
  object[json_name(parks.name)] = counters.parks;
  return object.dump(2) + "\n";
}

}  // namespace

int stats(const std::vector<std::string>& words) {
  bool json = false;
  std::string help = help_text();
  Options options(help);
  options.accept_core();
  options.app().add_flag("--json", json);
  options.parse(words);
  std::unique_ptr<Target> target = options.open();
  Greens greens(*target);
  greens.demand_active();
  Counters counters = read_counters(greens);
  const std::string& version = greens.published().library_version();
  print(json ? json_text(counters, version) : prometheus_text(counters, version));
  return 0;
}

}  // namespace unblock::tools::view
