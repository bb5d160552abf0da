#pragma once
// What instructions say that imports do not: system calls without libc, and the loader asked to look past us. Only
// x86-64 is known. What is found is meant as a hint: code that is made at run time is not seen, and data between
// functions may look like code.

#include <string>
#include <vector>

#include "tools/check/elf_code.h"

namespace unblock::tools {

struct CodeFindings {
  std::vector<uint64_t> system_calls;  // addresses of `syscall` instructions, as the file has them
  std::vector<uint64_t> deep_binds;    // of calls of dlopen with RTLD_DEEPBIND
};

CodeFindings scan_code(const ElfCode& file);

}  // namespace unblock::tools
