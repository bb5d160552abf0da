#include "shim/configuration.h"

#include <string.h>

#include "scheduler/kernel.h"
#include "shim/cgroup.h"
#include "shim/setting.h"

namespace unblock::configuration {
namespace {

constinit Configuration configuration;
char statistics_path[4096];

void refuse(const char* name, const char* value, const char* accepted) {
  kernel::say_line(name, " '", value, "': not ", accepted, "; the default is used");
}

bool is(const char* value, const char* word) { return strcmp(value, word) == 0; }

void read_processors(const char* name, const char* value) {
  configuration.processors = processors_of(value);
  if (configuration.processors == 0) refuse(name, value, accepted_processors);
}

void read_stack(const char* name, const char* value) {
  configuration.stack_size_bytes = stack_bytes_of(value);
  if (configuration.stack_size_bytes == 0) refuse(name, value, accepted_stack);
}

void read_monitor(const char* name, const char* value) {
  configuration.monitor = !is(value, "0");
  if (configuration.monitor && !is(value, "1")) refuse(name, value, "0 or 1");
}

void read_deep(const char* name, const char* value) {
  configuration.deep = !is(value, "0");
  if (configuration.deep && !is(value, "1")) refuse(name, value, "0 or 1");
}

void read_statistics(const char* name, const char* value) {
  if (is(value, "0")) return;
  size_t size = strlen(value) + 1;
  bool is_path = value[0] == '/' && size <= sizeof statistics_path;
  if (!is_path && !is(value, "1")) return refuse(name, value, "0, 1 or an absolute path");
  memcpy(statistics_path, value, size);
  configuration.statistics = statistics_path;
}

void read_creation_stacks(const char* name, const char* value) {
  configuration.creation_stacks = is(value, "1");
  if (!configuration.creation_stacks && !is(value, "0")) refuse(name, value, "0 or 1");
}

void read_dump_signal(const char* name, const char* value) {
  configuration.dump_signal = signal_of(value);
  if (configuration.dump_signal == 0) refuse(name, value, accepted_signal);
}

void read_dump_on_crash(const char* name, const char* value) {
  configuration.dump_on_crash = is(value, "1");
  if (!configuration.dump_on_crash && !is(value, "0")) refuse(name, value, "0 or 1");
}

void read_report_hogs(const char* name, const char* value) {
  if (is(value, "0")) return;
  configuration.report_threshold = threshold_of(value);
  if (configuration.report_threshold == 0) refuse(name, value, accepted_threshold);
}

struct Variable {
  const char* name;
  void (*read)(const char* name, const char* value);
};

constexpr Variable variables[] = {
    {"UNBLOCK_PROCESSORS", read_processors},
    {"UNBLOCK_STACK", read_stack},
    {"UNBLOCK_MONITOR", read_monitor},
    {"UNBLOCK_DEEP", read_deep},
    {"UNBLOCK_STATS", read_statistics},
    {"UNBLOCK_CREATION_STACKS", read_creation_stacks},
    {"UNBLOCK_REPORT_HOGS", read_report_hogs},
    {"UNBLOCK_DUMP_SIGNAL", read_dump_signal},
    {"UNBLOCK_DUMP_ON_CRASH", read_dump_on_crash},
};

// The value of the first entry of that name, as getenv finds it; null when there is none.
const char* value_of(const char* const* environment, const char* name) {
  size_t length = strlen(name);
  for (; *environment != nullptr; ++environment) {
    if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') return *environment + length + 1;
  }
  return nullptr;
}

// How many CPUs the kernel lets this thread run on; most_processors when it does not say.
unsigned affinity_processors() {
  uint64_t mask[1024 / sizeof(uint64_t)] = {};  // 8,192 CPUs, the most that a kernel can be built for
  if (kernel::invoke(SYS_sched_getaffinity, 0, sizeof mask, mask) <= 0) return most_processors;
  unsigned count = 0;
  for (uint64_t word : mask) count += __builtin_popcountll(word);
  return count;
}

unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

}  // namespace

const Configuration& read(const char* const* environment) {
  configuration = {};
  for (const Variable& variable : variables) {
    const char* value = value_of(environment, variable.name);
    if (value != nullptr && *value != '\0') variable.read(variable.name, value);
  }
  if (configuration.report_threshold != 0 && !configuration.monitor) {
    kernel::say_line("UNBLOCK_REPORT_HOGS needs the monitor, which UNBLOCK_MONITOR=0 turns off; nothing is reported");
    configuration.report_threshold = 0;
  }
  return configuration;
}

const Configuration& current() { return configuration; }

unsigned automatic_processors() {
  return least(least(affinity_processors(), cgroup::quota_processors()), most_processors);
}

}  // namespace unblock::configuration
