#pragma once
// What `unblock check` finds out about a program without running it.

#include <map>
#include <string>
#include <vector>

#include "tools/check/call_class.h"
#include "tools/program.h"

namespace unblock::tools {

struct Warning {
  std::string kind;  // one word: "inline_system_calls"
  std::string file;  // the path of the file that it is about
  std::string text;  // the end of a sentence about that file
};

struct Findings {
  std::string asked;    // the file that the operator named
  std::string program;  // the file that runs in the end: another one when he named a script
  Judgement judgement;  // the launcher's
  std::vector<std::string> libraries;
  std::map<std::string, std::vector<std::string>> calls;  // of libc; by whom
  std::vector<Warning> warnings;
  bool is_complete = true;  // every file that belongs to the program could be read

  std::vector<std::string> calls_of(CallClass kind) const;
};

// Examines `program` for a library whose file is `library`.
Findings examine(const Program& program, const ElfFile& library);

}  // namespace unblock::tools
