#pragma once
// What the operator typed: our own options, then the words of the program. Our options end at the first word that is
// none, so whatever follows belongs to the program and is never read.

#include <string>
#include <vector>

namespace unblock::tools {

struct CommandLine {
  std::string processors;  // empty: not given
  std::string stack;       // empty: not given
  std::string statistics;  // "1": a report on standard error; a path: lines in that file; empty: not given
  bool monitor = true;
  bool deep = true;
  bool creation_stacks = false;
  std::string report_hogs;  // empty: not given
  std::string dump_signal;  // empty: not given
  bool dump_on_crash = false;
  std::vector<std::string> words;  // the program and its arguments
};

// Parses main's arguments. Throws Failure when an option is unknown or its value impossible.
// Answers --help and --version itself: prints them and exits with 0.
CommandLine parse_command_line(int count, const char* const* arguments);

}  // namespace unblock::tools
