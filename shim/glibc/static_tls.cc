#include "shim/glibc/static_tls.h"

#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include <utility>

#include "scheduler/check.h"
#include "scheduler/lock.h"
#include "scheduler/thread_pointer.h"
#include "shim/glibc/block_layout.h"
#include "shim/glibc/symbols.h"
#include "shim/glibc/thread_block.h"

extern r_debug _r_debug __attribute__((weak));

namespace unblock::glibc {
namespace {

// Taken inside the loader's own lock, never around it.
Lock blocks_lock;
BlockRecord* blocks;           // guarded(blocks_lock)
unsigned long windows_opened;  // guarded(blocks_lock)

// The window. Its lock is held for as long as a dlopen takes.
Lock window_lock;
std::atomic<void*> window_owner;  // thread pointer of the holder; only the holder can find its own here
unsigned window_depth;            // owner
char* bytes_before;               // owner: the caller's thread-local area, when the caller's block is one of ours

// A library with static thread-local data. The module number tells it from a later one at the same address.
struct Library {
  const link_map* map;
  size_t module;
  size_t place;  // its data begin so many bytes below the thread pointer
  const char* image;
  size_t image_size;
  size_t size;
  bool is_loaded;
};

// guarded(window_lock)
struct {
  Library* entries;
  size_t count;
  size_t capacity;
} known;

void* map_memory(size_t size) {
  const long memory =
      kernel::invoke(SYS_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  UNBLOCK_CHECK(memory > 0 || memory <= -4096);
  return reinterpret_cast<void*>(memory);
}

Library* find_known(const Library& library) {
  for (size_t i = 0; i < known.count; i++) {
    if (known.entries[i].map == library.map && known.entries[i].module == library.module) return &known.entries[i];
  }
  return nullptr;
}

void append_known(const Library& library) {
  if (known.count == known.capacity) {
    const size_t capacity = known.capacity ? 2 * known.capacity : 4096 / sizeof(Library);
    auto entries = static_cast<Library*>(map_memory(capacity * sizeof(Library)));
    if (known.entries) {
      memcpy(entries, known.entries, known.count * sizeof(Library));
      kernel::invoke(SYS_munmap, known.entries, known.capacity * sizeof(Library));
    }
    known.entries = entries;
    known.capacity = capacity;
  }
  known.entries[known.count++] = library;
}

void forget_unloaded() {
  size_t kept = 0;
  for (size_t i = 0; i < known.count; i++) {
    if (known.entries[i].is_loaded) known.entries[kept++] = known.entries[i];
  }
  known.count = kept;
}

// True when the library has static thread-local data, which `library` then describes.
bool describe(const link_map* map, Library& library) {
  auto fields = reinterpret_cast<const size_t*>(reinterpret_cast<const char*>(map) + layout.map_tls_offset);
  library = {map, fields[1], fields[0], nullptr, 0, 0, true};
  // The loader writes 0 or -1 or -2 where there is no place in the static area.
  if (!library.module || !library.place || library.place > layout.size_below) return false;
  return any_program_header(map, [&](const Elf64_Phdr& header) {
    if (header.p_type != PT_TLS) return false;
    library.image = reinterpret_cast<const char*>(map->l_addr + header.p_vaddr);
    library.image_size = header.p_filesz;
    library.size = header.p_memsz;
    return library.size <= library.place;
  });
}

// Calls f for each library with static thread-local data, in all name spaces. The program itself is left out: it never
// comes later, and one that was linked at a fixed address does not have its headers at its load address.
template <typename F>
void for_each_static_library(F f) {
  struct Extended {
    r_debug base;
    Extended* next;  // since glibc 2.35, when the version is 2 or more
  };
  auto space = reinterpret_cast<Extended*>(&_r_debug);
  while (space) {
    for (const link_map* map = space->base.r_map; map; map = map->l_next) {
      Library library;
      if (map != _r_debug.r_map && describe(map, library)) f(library);
    }
    space = space->base.r_version >= 2 ? space->next : nullptr;
  }
}

// True when libc itself put the library's data into a block, because it was made after the library came. Its table of
// thread-local data then says where they are. In a block that is older than the window the entry may be a leftover of
// another library.
bool already_has(const BlockRecord& record, const Library& library) {
  struct Entry {
    size_t value;
    void* to_free;
  };
  if (record.windows_before < windows_opened) return false;
  void* block = record.thread_pointer;
  auto table = field<const Entry*>(block, offset::dtv);
  return table && table[-1].value >= library.module &&
         table[library.module].value == reinterpret_cast<size_t>(block) - library.place;
}

char initial_byte(const Library& library, size_t i) { return i < library.image_size ? library.image[i] : 0; }

// The constructors have run on this block: what they wrote stays.
void fill_untouched_bytes(char* data, const char* before, const Library& library) {
  for (size_t i = 0; i < library.size; i++) {
    if (data[i] == before[i]) data[i] = initial_byte(library, i);
  }
}

void bring_into(const BlockRecord& record, const Library& library) {
  void* block = record.thread_pointer;
  char* data = static_cast<char*>(block) - library.place;
  if (bytes_before && block == thread_pointer()) {
    return fill_untouched_bytes(data, bytes_before + layout.size_below - library.place, library);
  }
  if (already_has(record, library)) return;
  memcpy(data, library.image, library.image_size);
  memset(data + library.image_size, 0, library.size - library.image_size);
}

void bring_into_all_blocks(const Library& library) {
  Held held(blocks_lock);
  for (BlockRecord* record = blocks; record; record = record->next) bring_into(*record, library);
}

void learn_libraries(bool bring) {
  for (size_t i = 0; i < known.count; i++) known.entries[i].is_loaded = false;
  for_each_static_library([&](const Library& library) {
    if (Library* old = find_known(library)) {
      old->is_loaded = true;
      return;
    }
    append_known(library);
    if (bring) bring_into_all_blocks(library);
  });
  forget_unloaded();
}

// The loader's list of libraries stands still during dl_iterate_phdr, which is the only public way to make it.
void with_loader_locked(int (*action)(dl_phdr_info*, size_t, void*)) {
  using Iterate = int(int (*)(dl_phdr_info*, size_t, void*), void*);
  static Iterate* iterate = reinterpret_cast<Iterate*>(find("dl_iterate_phdr"));
  iterate(action, nullptr);
}

int learn(dl_phdr_info*, size_t, void*) {
  learn_libraries(false);
  return 1;
}

int learn_and_bring(dl_phdr_info*, size_t, void*) {
  learn_libraries(true);
  return 1;
}

}  // namespace

StaticTlsWindow::StaticTlsWindow() {
  void* block = thread_pointer();
  if (window_owner.load(std::memory_order_relaxed) == block) {
    window_depth++;
    return;
  }
  window_lock.lock();
  window_owner.store(block, std::memory_order_relaxed);
  window_depth = 1;
  if (!layout.map_tls_offset) return;  // no block was ever made
  {
    Held held(blocks_lock);
    windows_opened++;
  }
  with_loader_locked(learn);
  if (!is_green_block(block)) return;
  bytes_before = static_cast<char*>(map_memory(layout.size_below));
  memcpy(bytes_before, static_cast<char*>(block) - layout.size_below, layout.size_below);
}

StaticTlsWindow::~StaticTlsWindow() {
  if (--window_depth) return;
  if (layout.map_tls_offset) with_loader_locked(learn_and_bring);
  if (bytes_before) kernel::invoke(SYS_munmap, bytes_before, layout.size_below);
  bytes_before = nullptr;
  window_owner.store(nullptr, std::memory_order_relaxed);
  window_lock.unlock();
}

void know_all_libraries() { with_loader_locked(learn); }

namespace {

void link_front(BlockRecord& record) {
  record.previous = nullptr;
  record.next = blocks;
  if (blocks) blocks->previous = &record;
  blocks = &record;
}

}  // namespace

void list_block(BlockRecord& record) {
  Held held(blocks_lock);
  record.windows_before = windows_opened;
  link_front(record);
}

void unlist_block(BlockRecord& record) {
  Held held(blocks_lock);
  (record.previous ? record.previous->next : blocks) = record.next;
  if (record.next) record.next->previous = record.previous;
}

void swap_libc_variables(void* block, void* other) {
  Library libc;
  if (!describe(libc_library(), libc)) return;
  char* ours = static_cast<char*>(block) - libc.place;
  char* theirs = static_cast<char*>(other) - libc.place;
  for (size_t i = 0; i < libc.size; i++) std::swap(ours[i], theirs[i]);
}

void keep_only_blocks(void* first, void* second) {
  blocks_lock.reset();
  BlockRecord* all = blocks;
  blocks = nullptr;
  while (all) {
    BlockRecord* record = all;
    all = record->next;
    if (record->thread_pointer == first || record->thread_pointer == second) link_front(*record);
  }
  void* owner = window_owner.load(std::memory_order_relaxed);
  if (owner && owner == first) return;
  if (bytes_before) kernel::invoke(SYS_munmap, bytes_before, layout.size_below);
  bytes_before = nullptr;
  window_owner.store(nullptr, std::memory_order_relaxed);
  window_lock.reset();
}

}  // namespace unblock::glibc
