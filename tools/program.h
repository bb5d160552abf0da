#pragma once
// The program that the operator named: which file it is, and what the launcher thinks of it.

#include <string>

#include "tools/judgement.h"

namespace unblock::tools {

struct Program {
  std::string path;
  Judgement judgement;  // never `impossible`
};

// Finds the program that execvp would execute for `name`, and judges it for a library whose file is `library`. Throws
// Failure when there is none.
Program find_program(const std::string& name, const ElfFile& library);

}  // namespace unblock::tools
