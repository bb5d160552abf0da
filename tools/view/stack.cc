#include "tools/view/stack.h"

#include <algorithm>
#include <map>
#include <set>

#include "tools/view/columns.h"
#include "tools/view/failures.h"
#include "tools/view/options.h"
#include "tools/view/unwinder.h"

namespace unblock::tools::view {
namespace {

constexpr std::string_view help_text = R"(Usage: unblock stack [OPTION…] PID [ID…]
       unblock stack [OPTION…] --core FILE [ID…]

Prints the stacks of the green threads of process PID, or only of those whose ids are given (unblock ps lists them):
functions, and lines of the source where there is debug information, which also tells of functions that the compiler has
put into others (inlined). Of threads that the program started with --creation-stacks, where they were created, too.

Nothing in the process is changed. Threads that wait are read without anybody noticing. One that is running has its
registers in a CPU: its OS thread is stopped by ptrace(2) for some ten microseconds. One that is inside a system call
which such a stop would end with EINTR is not stopped; its stack may then be incomplete.

Options:
  --core FILE      look at a core file instead of a process
  --merge          print each stack once, with the number and the ids of the threads that have it
  --collapsed      print stacks in one line each, outermost function first, and a count: the form flame graphs are made of
  --full           also print the frames of the library below the call that waits, and those that start a thread
  -h, --help       print this text and exit

Examples:
  unblock stack 1234 --merge
  unblock stack 1234 17 18
  unblock stack --core core.1234

Exit status: as unblock ps.
)";

struct Wishes {
  bool merge = false, collapsed = false, full = false;
  std::set<uint64_t> ids;
};

struct ThreadStack {
  Green green;
  Stack stack;
  std::string wait;
};

std::string text_of(const Frame& frame) {
  const Place& place = frame.place;
  std::string text = place.function.empty() ? hexadecimal(frame.address) : printable(place.function);
  if (frame.is_inlined) text += " (inlined)";
  if (!place.file.empty()) return text + " at " + place.file + ":" + std::to_string(place.line);
  if (!place.module.empty()) return text + " in " + place.module;
  return text;
}

std::string text_of(const std::vector<Frame>& frames) {
  std::string text;
  for (size_t i = 0; i < frames.size(); ++i) {
    std::string number = "#" + std::to_string(i);
    text += "  " + number + std::string(number.size() < 4 ? 4 - number.size() : 1, ' ') + text_of(frames[i]) + "\n";
  }
  return text;
}

std::string heading_of(const ThreadStack& each) {
  const Green& green = each.green;
  std::string text = "Green thread " + std::to_string(green.id);
  if (!green.name.empty()) text += " '" + printable(green.name) + "'";
  text += std::string(", ") + name_of(green.state);
  if (!each.wait.empty()) text += ": " + each.wait;
  if (green.since) text += ", for " + text_of_seconds(green.since);
  return text + "\n";
}

std::string remark_of(const Stack& stack) { return stack.remark.empty() ? "" : "  (" + stack.remark + ")\n"; }

std::string creation_of(Unwinder& unwinder, const Green& green, bool full) {
  if (green.creation_stack.empty()) return "";
  std::vector<Frame> frames = unwinder.frames_of(green.creation_stack);
  if (!full) trim(frames);
  return "  created by " + std::to_string(green.creator) + ":\n" + text_of(frames);
}

std::string each_text(Unwinder& unwinder, const std::vector<ThreadStack>& all, bool full) {
  std::string text;
  for (const ThreadStack& each : all) {
    text += (text.empty() ? "" : "\n") + heading_of(each) + text_of(each.stack.frames) + remark_of(each.stack) +
            creation_of(unwinder, each.green, full);
  }
  return text;
}

std::string ids_of(const std::vector<const ThreadStack*>& group) {
  constexpr size_t most = 16;
  std::string text;
  for (size_t i = 0; i < group.size() && i < most; ++i) {
    text += (i > 0 ? " " : "") + std::to_string(group[i]->green.id);
  }
  return text + (group.size() > most ? " …" : "");
}

// Identical are stacks of the same addresses. The largest groups come first.
std::string merged_text(const std::vector<ThreadStack>& all) {
  std::map<std::pair<std::vector<uint64_t>, std::string>, std::vector<const ThreadStack*>> groups;
  for (const ThreadStack& each : all) {
    std::vector<uint64_t> addresses;
    for (const Frame& frame : each.stack.frames) addresses.push_back(frame.address);
    groups[{addresses, each.stack.remark}].push_back(&each);
  }
  std::vector<const std::vector<const ThreadStack*>*> order;
  for (auto& [key, group] : groups) order.push_back(&group);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->size() > b->size(); });
  std::string text;
  for (auto* group : order) {
    const ThreadStack& one = *group->front();
    text += text.empty() ? "" : "\n";
    text += std::to_string(group->size()) + (group->size() == 1 ? " green thread" : " green threads");
    text += std::string(", ") + name_of(one.green.state) + ": " + ids_of(*group) + "\n";
    text += text_of(one.stack.frames) + remark_of(one.stack);
  }
  return text;
}

// Semicolons separate frames there.
std::string collapsed_name(const Frame& frame) {
  std::string name = frame.place.function.empty() ? hexadecimal(frame.address) : printable(frame.place.function);
  std::replace(name.begin(), name.end(), ';', ':');
  return name;
}

std::string collapsed_text(const std::vector<ThreadStack>& all) {
  std::map<std::string, size_t> counts;
  for (const ThreadStack& each : all) {
    std::string line = each.stack.frames.empty() ? "(" + each.stack.remark + ")" : "";
    for (auto frame = each.stack.frames.rbegin(); frame != each.stack.frames.rend(); ++frame) {
      line += (line.empty() ? "" : ";") + collapsed_name(*frame);
    }
    ++counts[line];
  }
  std::string text;
  for (auto& [line, count] : counts) text += line + " " + std::to_string(count) + "\n";
  return text;
}

std::set<uint64_t> parse_ids(const std::vector<std::string>& words) {
  std::set<uint64_t> ids;
  for (const std::string& word : words) {
    bool is_number = !word.empty() && word.find_first_not_of("0123456789") == std::string::npos && word.size() < 19;
    if (!is_number) fail(exit_own_failure, "'" + word + "' is not the id of a green thread");
    ids.insert(std::stoull(word));
  }
  return ids;
}

std::vector<Green> wanted_of(const Greens& source, const std::set<uint64_t>& ids) {
  std::vector<Green> greens = source.read();
  if (ids.empty()) return greens;
  std::erase_if(greens, [&](const Green& each) { return ids.count(each.id) == 0; });
  for (uint64_t id : ids) {
    bool found = std::any_of(greens.begin(), greens.end(), [&](const Green& each) { return each.id == id; });
    if (!found) fail(exit_no_process, source.target().name() + " has no green thread " + std::to_string(id));
  }
  return greens;
}

}  // namespace

int stack(const std::vector<std::string>& words) {
  Wishes wishes;
  Options options(help_text);
  options.accept_core();
  options.app().add_flag("--merge", wishes.merge);
  options.app().add_flag("--collapsed", wishes.collapsed);
  options.app().add_flag("--full", wishes.full);
  options.parse(words);
  wishes.ids = parse_ids(options.rest());
  std::unique_ptr<Target> target = options.open();
  Greens source(*target);
  source.demand_active();
  std::vector<Green> all = source.read();
  std::vector<Green> wanted = wanted_of(source, wishes.ids);
  Symbols symbols(*target);
  Unwinder unwinder(source, symbols);
  Waits waits(source, all);
  std::vector<ThreadStack> stacks;
  for (Green& green : wanted) {
    Stack stack = unwinder.stack_of(green);
    if (!wishes.full) trim(stack.frames);
    stacks.push_back({green, std::move(stack), waits.of(green).text()});
  }
  if (wishes.collapsed) {
    print(collapsed_text(stacks));
  } else {
    print(wishes.merge ? merged_text(stacks) : each_text(unwinder, stacks, wishes.full));
  }
  return 0;
}

}  // namespace unblock::tools::view
