#include "shim/glibc/stdio_slots.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdint>

#include "scheduler/kernel.h"
#include "shim/glibc/symbols.h"

namespace unblock::glibc {
namespace {

// All versions from 2.31 to 2.41 have so many. A libc with fewer keeps some elsewhere.
constexpr size_t expected_slots = 18;
constexpr uintptr_t page_size = 4096;
constexpr int uncancellable = 2;  // in _flags2

struct Change {
  void* original;
  void* replacement;
};

Change changes[3];  // read, write, close; written before the slots, immutable afterwards

// The part of libc's data that is read-only once it is relocated. The tables are in it.
struct Region {
  char* begin = nullptr;
  char* end = nullptr;
};

Region relocated_read_only() {
  Region region;
  const link_map* libc = libc_library();
  any_program_header(libc, [&](const Elf64_Phdr& header) {
    if (header.p_type != PT_GNU_RELRO) return false;
    const uintptr_t begin = libc->l_addr + header.p_vaddr, end = begin + header.p_memsz;
    region = {reinterpret_cast<char*>(begin / page_size * page_size),
              reinterpret_cast<char*>(end / page_size * page_size)};
    return true;
  });
  return region;
}

// Calls f(slot, replacement) for each slot.
template <typename F>
void for_each_slot(const Region& region, F f) {
  for (auto slot = reinterpret_cast<void**>(region.begin); slot < reinterpret_cast<void**>(region.end); slot++) {
    for (const Change& change : changes) {
      if (*slot == change.original) {
        f(slot, change.replacement);
        break;
      }
    }
  }
}

bool protect(const Region& region, int protection) {
  return kernel::invoke(SYS_mprotect, region.begin, region.end - region.begin, protection) == 0;
}

void store(void** slot, void* function) { __atomic_store_n(slot, function, __ATOMIC_RELEASE); }

bool write_directly(const Region& region) {
  if (!protect(region, PROT_READ | PROT_WRITE)) return false;
  for_each_slot(region, store);
  protect(region, PROT_READ);
  return true;
}

// The kernel's own door to this process's memory asks for no protection. The first write tells whether it is open.
bool write_through_kernel(const Region& region) {
  const long memory = kernel::invoke(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC);
  if (memory < 0) return false;
  bool written = true;
  for_each_slot(region, [&](void** slot, void* function) {
    written = written && kernel::invoke(SYS_pwrite64, memory, &function, sizeof function, slot) == sizeof function;
  });
  kernel::invoke(SYS_close, memory);
  return written;
}

}  // namespace

const char* patch_stdio_slots(ReadSlot read, WriteSlot write, CloseSlot close) {
  changes[0] = {find("_IO_file_read"), reinterpret_cast<void*>(read)};
  changes[1] = {find("_IO_file_write"), reinterpret_cast<void*>(write)};
  changes[2] = {find("_IO_file_close"), reinterpret_cast<void*>(close)};
  for (const Change& change : changes) {
    if (!change.original) return "it does not name its functions for files";
  }
  const Region region = relocated_read_only();
  size_t slots = 0;
  for_each_slot(region, [&](void**, void*) { slots++; });
  if (slots < expected_slots) return "its tables of functions for files were not found";
  if (!write_directly(region) && !write_through_kernel(region)) return "its memory cannot be written";
  return nullptr;
}

ssize_t original_read(FILE* file, void* data, ssize_t size) {
  return reinterpret_cast<ReadSlot>(changes[0].original)(file, data, size);
}

ssize_t original_write(FILE* file, const void* data, ssize_t size) {
  return reinterpret_cast<WriteSlot>(changes[1].original)(file, data, size);
}

int original_close(FILE* file) { return reinterpret_cast<CloseSlot>(changes[2].original)(file); }

bool is_uncancellable(FILE* file) { return file->_flags2 & uncancellable; }

}  // namespace unblock::glibc
