#pragma once
// The library that the command preloads.

#include <string>

#include "tools/elf_file.h"

namespace unblock::tools {

struct Library {
  std::string path;  // absolute
  ElfFile file;
};

// Finds libunblock.so: what UNBLOCK_LIBRARY names; else beside this command, as it is built; else in the library folder
// that belongs to this command's, as it is installed. Throws Failure when there is none, or when it cannot be used.
Library find_library();

}  // namespace unblock::tools
