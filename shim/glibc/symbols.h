// The real functions of libc, found without its help.
//
// A wrapper that asks dlsym() for the function behind it meets itself again: on glibc 2.33 and earlier dlsym() calls
// pthread functions through the PLT, and on every version a miss allocates. So the symbol tables of the libraries that
// make up glibc are read here directly. Nothing is called, nothing is allocated and nothing is written except one table
// of library addresses, so everything in this header works as soon as libc is relocated: before its constructors, and
// inside a malloc of somebody else.
//
// Thread-safety: any thread, any time; async-signal-safe.
#pragma once

#include <elf.h>
#include <link.h>

#include <cstddef>

namespace unblock::glibc {

// Returns the function or object of that name as a program linked today would get it: the default version (`@@`), or
// the newest older version when the name is kept only for programs of the past. GLIBC_PRIVATE names are found as well.
// Returns null when glibc has no such name, and for thread-local variables.
void* find(const char* name);

// True when the libc of this process is a glibc that `find` can read.
bool is_glibc();

// glibc's own version number, such as "2.36"; an empty string where there is no glibc.
const char* libc_version();

// True when our names stand before libc's in the global scope, as they do after LD_PRELOAD or when the program was
// linked with us. After dlopen or dlmopen they do not, and nobody's calls reach us.
bool stands_before_libc();

// For this room only: where a name is defined.
struct Definition {
  const link_map* library;  // null when there is none
  const Elf64_Sym* symbol;
};
Definition definition_of(const char* name);

// For this room only: libc.so.6 itself, or null.
const link_map* libc_library();

// Calls f(program_header) for each program header of a library, until f returns true.
template <typename F>
bool any_program_header(const link_map* library, F f) {
  auto header = reinterpret_cast<const Elf64_Ehdr*>(library->l_addr);
  auto entries = reinterpret_cast<const Elf64_Phdr*>(library->l_addr + header->e_phoff);
  for (size_t i = 0; i < header->e_phnum; i++) {
    if (f(entries[i])) return true;
  }
  return false;
}

}  // namespace unblock::glibc
