#include "shim/glibc/symbols.h"

#include <atomic>
#include <cstdint>

// Weak, so that libc alone stays the only library we ask for; the dynamic loader, which defines it, is always there.
extern r_debug _r_debug __attribute__((weak));
extern Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));

namespace unblock::glibc {
namespace {

constexpr uint16_t hidden_version = 0x8000;
constexpr uint16_t first_named_version = 2;

// The libraries that make up glibc, in the order in which a name is looked up. Up to 2.33 libpthread defines much of
// libc a second time, and programs use that copy because it comes first. Since 2.34 libc has everything and the others
// are empty.
constexpr const char* sonames[] = {"libpthread.so.0", "libc.so.6",      "librt.so.1",   "libdl.so.2",
                                   "libanl.so.1",     "libresolv.so.2", "libutil.so.1", "ld-linux-x86-64.so.2"};
constexpr size_t libc_index = 1;
constexpr size_t library_count = sizeof sonames / sizeof *sonames;

// The parts of a library's dynamic section that a look-up reads.
struct Tables {
  const link_map* library = nullptr;  // null when the library is not loaded
  const Elf64_Sym* symbols = nullptr;
  const char* names = nullptr;
  const uint16_t* versions = nullptr;
  const uint32_t* gnu_hash = nullptr;
  const char* soname = nullptr;

  bool complete() const { return symbols && names && versions && gnu_hash && soname; }
};

// Not strcmp: its resolver may not have run yet when we are first called.
bool equal(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

template <typename T>
const T* address(const link_map* library, Elf64_Addr value) {
  // The loader relocates the pointers of a dynamic section in place, except in a section it cannot write (the vDSO).
  return reinterpret_cast<const T*>(value < library->l_addr ? value + library->l_addr : value);
}

Tables read_tables(const link_map* library) {
  Tables tables;
  Elf64_Xword soname = 0;
  for (const Elf64_Dyn* entry = library->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
    switch (entry->d_tag) {
      case DT_SYMTAB: tables.symbols = address<Elf64_Sym>(library, entry->d_un.d_ptr); break;
      case DT_STRTAB: tables.names = address<char>(library, entry->d_un.d_ptr); break;
      case DT_VERSYM: tables.versions = address<uint16_t>(library, entry->d_un.d_ptr); break;
      case DT_GNU_HASH: tables.gnu_hash = address<uint32_t>(library, entry->d_un.d_ptr); break;
      case DT_SONAME: soname = entry->d_un.d_val; break;
    }
  }
  if (soname && tables.names) tables.soname = tables.names + soname;
  tables.library = library;
  return tables;
}

struct Libraries {
  Tables tables[library_count];
  bool before_libc = false;
};

Libraries read_libraries() {
  Libraries libraries;
  bool seen_us = false;
  for (const link_map* library = &_r_debug ? _r_debug.r_map : nullptr; library; library = library->l_next) {
    if (library->l_ld == _DYNAMIC) seen_us = true;
    Tables tables = read_tables(library);
    if (!tables.complete()) continue;
    for (size_t i = 0; i < library_count; i++) {
      if (libraries.tables[i].library || !equal(tables.soname, sonames[i])) continue;
      libraries.tables[i] = tables;
      // The list of loaded libraries has the order of the global scope: the program, what was preloaded, and then what
      // they need, level by level. What dlopen adds comes at the end.
      if (i == libc_index) libraries.before_libc = seen_us;
    }
  }
  return libraries;
}

const Libraries& libraries() {
  static Libraries known;
  static std::atomic<int> state;  // 0: unread, 1: being read, 2: read
  if (state.load(std::memory_order_acquire) == 2) return known;
  int unread = 0;
  if (state.compare_exchange_strong(unread, 1, std::memory_order_relaxed)) {
    known = read_libraries();
    state.store(2, std::memory_order_release);  // pairs with the acquire above
    return known;
  }
  // Another thread is reading the same thing: a few microseconds, and it waits for nobody.
  while (state.load(std::memory_order_acquire) != 2) __builtin_ia32_pause();
  return known;
}

uint32_t hash_of(const char* name) {
  uint32_t hash = 5381;
  for (; *name; name++) hash = hash * 33 + static_cast<unsigned char>(*name);
  return hash;
}

bool bloom_filter_excludes(const uint32_t* header, uint32_t hash) {
  const uint32_t words = header[2], shift = header[3];
  auto filter = reinterpret_cast<const uint64_t*>(header + 4);
  const uint64_t bits = uint64_t{1} << (hash % 64) | uint64_t{1} << ((hash >> shift) % 64);
  return (filter[(hash / 64) % words] & bits) != bits;
}

struct Match {
  const Elf64_Sym* symbol = nullptr;
  bool is_default = false;
};

Match look_up(const Tables& tables, const char* name, uint32_t hash) {
  const uint32_t* header = tables.gnu_hash;
  const uint32_t buckets = header[0], first_symbol = header[1], filter_words = header[2];
  if (!buckets || bloom_filter_excludes(header, hash)) return {};
  const uint32_t* bucket = header + 4 + 2 * filter_words;
  const uint32_t* chain = bucket + buckets;
  uint32_t index = bucket[hash % buckets];
  if (index < first_symbol) return {};

  Match best;
  uint16_t best_version = 0;
  for (;; index++) {
    const uint32_t stored = chain[index - first_symbol];
    const Elf64_Sym* symbol = tables.symbols + index;
    if ((stored | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF && equal(tables.names + symbol->st_name, name)) {
      const uint16_t version = tables.versions[index];
      if (version >= first_named_version && !(version & hidden_version)) return {symbol, true};
      // Version indexes grow with the versions they stand for.
      if (version > best_version) best = {symbol, false}, best_version = version;
    }
    if (stored & 1) return best;
  }
}

}  // namespace

Definition definition_of(const char* name) {
  const uint32_t hash = hash_of(name);
  Definition of_the_past{};
  for (const Tables& tables : libraries().tables) {
    if (!tables.library) continue;
    Match match = look_up(tables, name, hash);
    if (match.is_default) return {tables.library, match.symbol};
    if (match.symbol && !of_the_past.library) of_the_past = {tables.library, match.symbol};
  }
  return of_the_past;
}

void* find(const char* name) {
  Definition definition = definition_of(name);
  if (!definition.library) return nullptr;
  auto target = reinterpret_cast<void*>(definition.library->l_addr + definition.symbol->st_value);
  switch (ELF64_ST_TYPE(definition.symbol->st_info)) {
    case STT_TLS: return nullptr;
    case STT_GNU_IFUNC: return reinterpret_cast<void* (*)()>(target)();  // it chooses the body for this processor
    default: return target;
  }
}

const link_map* libc_library() { return libraries().tables[libc_index].library; }

const char* libc_version() {
  auto version = reinterpret_cast<const char* (*)()>(find("gnu_get_libc_version"));
  return version ? version() : "";
}

bool is_glibc() { return libc_library() && find("gnu_get_libc_version"); }

bool stands_before_libc() { return libraries().before_libc; }

}  // namespace unblock::glibc
