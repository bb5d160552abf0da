#pragma once
// What an ELF file says about how it is loaded. Reads hostile files: every answer comes from bytes that were checked to
// lie in the file, and a file that makes no sense is no ELF file.

#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

namespace unblock::tools {

struct ElfFile {
  uint16_t type = 0;     // ET_EXEC, ET_DYN, …
  uint16_t machine = 0;  // EM_X86_64, …
  bool is_64_bit = false;
  bool is_dynamic = false;          // has a dynamic section
  std::string interpreter;          // the dynamic loader that it asks for; empty: none
  std::string soname;               // its own name as a library; empty: none
  std::vector<std::string> needed;  // the libraries that it names, in order
  std::string rpath;                // where the loader is to look for them and for what they need (DT_RPATH)
  std::string runpath;              // where it is to look for them alone (DT_RUNPATH), which makes it ignore rpath
  uint64_t flags_1 = 0;             // DF_1_…

  bool is_loadable() const;  // a program or a shared library, not an object file or a core dump
  bool is_for_same_machine(const ElfFile& other) const;
  std::string machine_name() const;  // "x86-64"
};

// Reads the file behind `descriptor`, which stays open and the caller's. Empty when its headers are damaged.
std::optional<ElfFile> read_elf(int descriptor);

// The base name of `path`.
std::string base_name(const std::string& path);

}  // namespace unblock::tools
