#pragma once
// Whether unblock can help a program, told before it runs.

#include <string>
#include <vector>

#include "tools/elf_file.h"

namespace unblock::tools {

struct Judgement {
  enum class Verdict {
    green,       // the library will be loaded
    native,      // the program may run, but without the library: `reason` says why
    impossible,  // the program cannot be executed: `reason` says why, `error` is execve's
  };
  Verdict verdict = Verdict::green;
  std::string reason = {};               // the end of a sentence about the program: "is statically linked"
  int error = 0;                         // why it cannot be executed
  std::vector<std::string> needed = {};  // the libraries that the program names, as far as they are known
  std::string path = {};                 // the file that runs in the end; empty: none that could be told
};

// Judges the executable file `program` for a library whose file is `library`. A script is judged by the interpreter
// that runs in the end. What cannot be read is taken to be an ordinary program.
Judgement judge(const std::string& program, const ElfFile& library);

// Whether execvp lets the shell run `program` when the kernel says ENOEXEC: a text, and no ELF file.
bool is_for_shell(const std::string& program);

}  // namespace unblock::tools
