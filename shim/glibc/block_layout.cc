#include "shim/glibc/block_layout.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "scheduler/kernel.h"
#include "scheduler/thread_pointer.h"
#include "shim/glibc/symbols.h"

namespace unblock::glibc {

Layout layout;

namespace {

constexpr size_t second_level_bytes = 512;  // 32 keys of 16 bytes
constexpr size_t first_level_bytes = 256;   // 32 pointers
constexpr size_t most_bytes_above = 8192;   // far more than any struct pthread
constexpr size_t call_bytes = 5;            // call rel32
constexpr unsigned char call_opcode = 0xe8;

template <typename Function>
bool find_function(const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(find(name));
  return function != nullptr;
}

// An offset that glibc (2.34 and later) exports for debuggers, as {bits, elements, offset}; `otherwise` before that.
ptrdiff_t described(const char* name, ptrdiff_t otherwise) {
  auto description = static_cast<const uint32_t*>(find(name));
  return description ? static_cast<ptrdiff_t>(description[2]) : otherwise;
}

size_t round_up(size_t size, size_t alignment) { return (size + alignment - 1) / alignment * alignment; }

// --- the probe thread ---------------------------------------------------------------------------------------------

struct Probe {
  // Given.
  void* stack;
  size_t stack_size;
  int (*set_cancel_state)(int, int*);
  // Found.
  void* thread_pointer;
  const unsigned char* return_address;  // in start_thread
  const char* failure;
};

bool tid_is_right(void* block) { return field<int>(block, layout.tid) == kernel::call(SYS_gettid); }

bool list_is_right(void* block) {
  char* links = static_cast<char*>(block) + layout.list;
  void* next = field<void*>(links, 0);
  return next && next != links && field<void*>(next, 8) == links;
}

bool find_robust_list(void* block) {
  robust_list_head* head = nullptr;
  size_t size = 0;
  if (kernel::invoke(SYS_get_robust_list, 0, &head, &size) < 0 || size != sizeof *head) return false;
  layout.robust_head = reinterpret_cast<char*>(head) - static_cast<char*>(block);
  if (layout.robust_head < 8 || layout.robust_head > static_cast<ptrdiff_t>(most_bytes_above)) return false;
  const bool is_empty = head && head->list.next == &head->list;
  return is_empty && field<void*>(head, -8) == head;
}

bool find_resolver_state(void* block) {
  layout.resolver = field<char*>(block, layout.resolver_pointer) - static_cast<char*>(block);
  return layout.resolver > layout.stack && layout.resolver < static_cast<ptrdiff_t>(layout.size_above);
}

bool specific_is_right(void* block) {
  return field<char*>(block, layout.specific) == static_cast<char*>(block) + layout.specific - second_level_bytes;
}

// The stack's address and size stand side by side. They are ours, so no other pair looks like them.
bool find_stack_fields(void* block, const Probe& probe) {
  for (size_t at = layout.specific; at + 16 <= layout.size_above; at += 8) {
    if (field<void*>(block, at) == probe.stack && field<size_t>(block, at + 8) == probe.stack_size) {
      layout.stack = at;
      return true;
    }
  }
  return false;
}

// Disabling cancellation changes one bit of the block and nothing else.
bool find_cancel_state(void* block, int (*set_cancel_state)(int, int*)) {
  static unsigned char before[most_bytes_above];
  auto bytes = static_cast<unsigned char*>(block);
  // The rseq area, where it is in the block, is its last member; the kernel writes there whenever it pleases.
  const size_t end = layout.rseq > 0 ? layout.rseq : layout.size_above;
  for (size_t i = 0; i < end; i++) before[i] = bytes[i];
  int state;
  set_cancel_state(PTHREAD_CANCEL_DISABLE, &state);
  size_t changes = 0;
  for (size_t i = 0; i < end; i++) {
    if (bytes[i] != before[i]) changes++, layout.cancel_state = i;
  }
  const bool is_right = changes == 1 && bytes[layout.cancel_state] == 1 && before[layout.cancel_state] == 0;
  set_cancel_state(state, &state);
  return is_right && field<int>(block, layout.cancel_word) == 0;
}

const char* inspect_own_block(const Probe& probe) {
  void* block = probe.thread_pointer;
  const size_t above = static_cast<char*>(probe.stack) + probe.stack_size - static_cast<char*>(block);
  if (above > most_bytes_above) return "its thread blocks are unusually large";
  layout.size_above = above;
  if (field<void*>(block, offset::self) != block || field<void*>(block, offset::self_again) != block) {
    return "its thread blocks do not point to themselves";
  }
  if (!field<void*>(block, offset::dtv)) return "its thread blocks have no table of thread-local data";
  if (!tid_is_right(block)) return "its thread id was not found";
  if (!list_is_right(block)) return "its list of stacks was not found";
  if (!find_robust_list(block)) return "its list of robust mutexes was not found";
  if (!specific_is_right(block)) return "its thread-specific data were not found";
  if (!find_stack_fields(block, probe)) return "its record of a thread's stack was not found";
  if (!find_resolver_state(block)) return "its resolver state was not found";
  if (field<char>(block, layout.user_stack) != 1) return "its mark of a foreign stack was not found";
  if (!find_cancel_state(block, probe.set_cancel_state)) return "its cancel state was not found";
  return nullptr;
}

void* probe_main(void* argument) {
  auto probe = static_cast<Probe*>(argument);
  probe->return_address = static_cast<const unsigned char*>(__builtin_return_address(0));
  probe->thread_pointer = thread_pointer();
  probe->failure = inspect_own_block(*probe);
  return nullptr;
}

// pthread functions of libc itself; the names belong to the shim.
struct Pthread {
  int (*create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  int (*join)(pthread_t, void**);
  int (*attr_init)(pthread_attr_t*);
  int (*attr_setstack)(pthread_attr_t*, void*, size_t);
  int (*attr_destroy)(pthread_attr_t*);

  bool complete() {
    return find_function("pthread_create", create) && find_function("pthread_join", join) &&
           find_function("pthread_attr_init", attr_init) && find_function("pthread_attr_setstack", attr_setstack) &&
           find_function("pthread_attr_destroy", attr_destroy);
  }
};

const char* run_probe(Probe& probe) {
  Pthread real;
  if (!real.complete() || !find_function("pthread_setcancelstate", probe.set_cancel_state)) {
    return "it lacks thread functions";
  }
  pthread_attr_t attributes;
  pthread_t thread;
  real.attr_init(&attributes);
  int error = real.attr_setstack(&attributes, probe.stack, probe.stack_size);
  if (!error) error = real.create(&thread, &attributes, probe_main, &probe);
  real.attr_destroy(&attributes);
  if (error) return "no OS thread could be made to look at its blocks";
  real.join(thread, nullptr);
  return probe.failure;
}

// Signals stay away from the probe thread: it is none of the program's.
const char* run_probe_on_own_stack(size_t static_size, Probe& probe) {
  probe.stack_size = round_up(static_size, 4096) + 256 * 1024;
  const long memory = kernel::invoke(SYS_mmap, nullptr, probe.stack_size, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory < 0 && memory > -4096) return "there is no memory for a thread that looks at its blocks";
  probe.stack = reinterpret_cast<void*>(memory);
  uint64_t all = ~uint64_t{0}, mask = 0;
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof mask);
  const char* failure = run_probe(probe);
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
  kernel::invoke(SYS_munmap, probe.stack, probe.stack_size);
  return failure;
}

// --- what start_thread does at a thread's end ----------------------------------------------------------------------

bool is_executable(const link_map* library, const unsigned char* from, const unsigned char* to) {
  return any_program_header(library, [&](const Elf64_Phdr& header) {
    auto begin = reinterpret_cast<const unsigned char*>(library->l_addr + header.p_vaddr);
    return header.p_type == PT_LOAD && (header.p_flags & PF_X) && from >= begin && to <= begin + header.p_memsz;
  });
}

int32_t displacement(const unsigned char* at) {
  int32_t value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

// Where a call instruction goes in the end. Up to 2.33 it goes through libpthread's procedure linkage table.
void* call_target(const link_map* library, const unsigned char* call) {
  const unsigned char* target = call + call_bytes + displacement(call + 1);
  if (!is_executable(library, target, target + 16)) return nullptr;
  const unsigned char* stub = target;
  if (stub[0] == 0xf3 && stub[1] == 0x0f && stub[2] == 0x1e && stub[3] == 0xfa) stub += 4;  // endbr64
  if (stub[0] == 0xf2) stub++;                                                              // bnd
  if (stub[0] != 0xff || stub[1] != 0x25) return const_cast<unsigned char*>(target);        // not jmp *slot(%rip)
  return *reinterpret_cast<void* const*>(stub + 6 + displacement(stub + 2));
}

// start_thread calls three functions in a row when the thread's own function has returned; the second is hidden in
// every version, the third since 2.34. The calls stand within a page of the place to which that function returned.
const char* find_end_of_thread(const unsigned char* return_address) {
  constexpr ptrdiff_t reach = 1536;
  const char* failure = "the end of its threads was not understood";
  const link_map* library = definition_of("pthread_create").library;
  void* first = find("__call_tls_dtors");
  if (!first || !is_executable(library, return_address, return_address + 1)) return failure;
  const unsigned char* found = nullptr;
  for (auto at = return_address - reach; at < return_address + reach; at++) {
    if (!is_executable(library, at, at + 3 * call_bytes)) continue;
    if (at[0] != call_opcode || at[call_bytes] != call_opcode || at[2 * call_bytes] != call_opcode) continue;
    if (call_target(library, at) != first) continue;
    if (found) return failure;
    found = at;
  }
  if (!found) return failure;
  void* second = call_target(library, found + call_bytes);
  void* third = call_target(library, found + 2 * call_bytes);
  if (!second || !third) return failure;
  layout.run_thread_local_destructors = reinterpret_cast<void (*)()>(first);
  layout.run_key_destructors = reinterpret_cast<void (*)()>(second);
  layout.free_thread_resources = reinterpret_cast<void (*)()>(third);
  return nullptr;
}

// --- what the calling thread can see -------------------------------------------------------------------------------

// libc's own thread-local data in the calling thread, as the loader reports them.
struct LibcTls {
  char* data = nullptr;
  size_t module = 0;
};

int note_libc_tls(dl_phdr_info* info, size_t, void* argument) {
  if (info->dlpi_addr != libc_library()->l_addr) return 0;
  *static_cast<LibcTls*>(argument) = {static_cast<char*>(info->dlpi_tls_data), info->dlpi_tls_modid};
  return 1;
}

// The loader keeps a library's place in the static thread-local area beside its module number.
bool find_map_fields(const LibcTls& tls) {
  constexpr size_t first = 256, last = 1400;
  const size_t place = static_cast<char*>(thread_pointer()) - tls.data;
  auto map = reinterpret_cast<const char*>(libc_library());
  auto matches = [&](size_t at) {
    return *reinterpret_cast<const size_t*>(map + at) == place &&
           *reinterpret_cast<const size_t*>(map + at + 8) == tls.module;
  };
  if (ptrdiff_t at = described("_thread_db_link_map_l_tls_offset", 0)) {
    layout.map_tls_offset = at;
    return described("_thread_db_link_map_l_tls_modid", 0) == at + 8 && matches(at);
  }
  for (size_t at = first; at < last; at += 8) {
    if (!matches(at)) continue;
    layout.map_tls_offset = at;
    return true;
  }
  return false;
}

const char* find_thread_local_places() {
  int (*iterate)(int (*)(dl_phdr_info*, size_t, void*), void*);
  void* (*resolver_state)();
  if (!find_function("dl_iterate_phdr", iterate) || !find_function("__res_state", resolver_state)) {
    return "it lacks dl_iterate_phdr or __res_state";
  }
  LibcTls tls;
  iterate(note_libc_tls, &tls);
  if (!tls.data) return "its own thread-local data were not found";
  if (!find_map_fields(tls)) return "the places of thread-local data were not found";
  Definition pointer = definition_of("__resp");
  if (pointer.library != libc_library()) return "its resolver state has no name";
  void** state = reinterpret_cast<void**>(tls.data + pointer.symbol->st_value);
  if (*state != resolver_state()) return "its resolver state is somewhere else";
  layout.resolver_pointer = reinterpret_cast<char*>(state) - static_cast<char*>(thread_pointer());
  return nullptr;
}

const char* find_functions() {
  const bool complete = find_function("_dl_allocate_tls", layout.allocate_tls) &&
                        find_function("_dl_deallocate_tls", layout.deallocate_tls) &&
                        find_function("__ctype_init", layout.initialise_ctype) &&
                        find_function("__pthread_register_cancel", layout.register_cancel) &&
                        find_function("__pthread_unregister_cancel", layout.unregister_cancel);
  return complete ? nullptr : "it lacks functions that make thread blocks";
}

// Everything that the probe thread then checks against itself.
void assume_known_offsets() {
  layout.list = described("_thread_db_pthread_list", 704);
  layout.tid = described("_thread_db_pthread_tid", 720);
  layout.cancel_word = described("_thread_db_pthread_cancelhandling", 776);
  layout.specific = described("_thread_db_pthread_specific", 1296);
  // Four flags follow the table: used, report events, user stack, stopped at start.
  layout.user_stack = layout.specific + first_level_bytes + 2;
  auto rseq = static_cast<const ptrdiff_t*>(find("__rseq_offset"));
  layout.rseq = rseq ? *rseq : 0;
}

}  // namespace

const char* find_layout() {
  if (!is_glibc()) return "this C library is not glibc";
  if (const char* failure = find_functions()) return failure;
  void (*static_info)(size_t*, size_t*);
  if (!find_function("_dl_get_tls_static_info", static_info)) return "it does not tell how large its blocks are";
  size_t static_size = 0;
  static_info(&static_size, &layout.alignment);
  assume_known_offsets();
  if (const char* failure = find_thread_local_places()) return failure;

  Probe probe{};
  if (const char* failure = run_probe_on_own_stack(static_size, probe)) return failure;
  if (static_size + layout.alignment <= layout.size_above) return "its blocks are larger than it says";
  // The size that it tells covers both directions; rounding above may have taken up to an alignment's worth.
  layout.size_below = round_up(static_size + layout.alignment - 1 - layout.size_above, layout.alignment);
  if (-layout.resolver_pointer > static_cast<ptrdiff_t>(layout.size_below))
    return "its blocks are smaller than it says";
  return find_end_of_thread(probe.return_address);
}

}  // namespace unblock::glibc
