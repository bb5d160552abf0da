#pragma once
// Commands of our own: words in PROGRAM's place, as the very first argument. `unblock -- ps` and `unblock ./ps` run a
// program of that name.

#include <string>
#include <vector>

namespace unblock::tools {

struct Command {
  const char* name;
  // Gets the words behind the name; returns the exit code. May throw Failure.
  int (*run)(const std::vector<std::string>& words);
};

// Null: `word` is no command of ours.
const Command* find_command(const std::string& word);

}  // namespace unblock::tools
