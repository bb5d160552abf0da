#pragma once
// One page of `unblock top`: what a process does, in so many columns and lines.

#include <chrono>

#include "tools/view/columns.h"
#include "tools/view/counters.h"

namespace unblock::tools::view {

// What was read at one moment.
struct Sample {
  std::chrono::steady_clock::time_point taken;
  std::vector<Green> greens;
  Counters counters;
  std::vector<uint64_t> queues;  // lengths, of each processor
  uint64_t resident_bytes = 0, virtual_bytes = 0;
};

Sample take_sample(const Greens& source);

struct PageForm {
  size_t columns = 80;
  size_t lines = 24;
  bool has_colours = false;
  char order = 'c';  // the key that chooses it; see order_help
  bool is_reversed = false;
};

// The keys that choose an order, for the last line and for --help.
constexpr const char* order_help = "c CPU, f for how long, i id, n name, s state";
bool is_order(char key);

// `before` and `now` are two samples of the same process.
std::vector<std::string> page_of(const Greens& source, Symbols& symbols, const Sample& before, const Sample& now,
                                 const PageForm& form);

}  // namespace unblock::tools::view
