// Where glibc keeps what in a thread block, found and checked at run time.
//
// A thread block is what the thread pointer points into: the static thread-local variables of all libraries below it,
// and glibc's `struct pthread` from it upwards. Its layout belongs to glibc and changes between versions. Each offset
// here comes from what glibc exports for debuggers or from a known place, and is then checked against a thread that
// glibc made itself: the probe thread, whose tid, stack, robust list and cancel state we know from elsewhere.
//
// Only this room includes this header. Thread-safety: written once by find_layout(), immutable afterwards.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unblock::glibc {

struct Layout {
  // Of the whole block.
  size_t alignment;
  size_t size_below;  // bytes below the thread pointer, a multiple of alignment
  size_t size_above;  // bytes from the thread pointer upwards

  // Offsets from the thread pointer.
  ptrdiff_t list;  // links of glibc's list of stacks
  ptrdiff_t tid;
  ptrdiff_t robust_head;
  ptrdiff_t cancel_word;
  ptrdiff_t cancel_state;      // byte with the "disabled" flag; the cancel word's own, except in 2.34 and 2.35
  ptrdiff_t specific;          // table of second-level arrays of thread-specific data
  ptrdiff_t user_stack;        // byte: the stack is not glibc's to free
  ptrdiff_t stack;             // address, size, guard size, reported guard size
  ptrdiff_t resolver;          // struct __res_state
  ptrdiff_t resolver_pointer;  // glibc's thread-local pointer to it
  ptrdiff_t rseq;              // 0: this version has none

  // Offset of l_tls_offset in the loader's record of a library; l_tls_modid follows it.
  size_t map_tls_offset;

  // Functions that are in no header.
  void* (*allocate_tls)(void*);
  void (*deallocate_tls)(void*, bool);
  void (*initialise_ctype)();
  void (*register_cancel)(void*);
  void (*unregister_cancel)(void*);
  void (*run_thread_local_destructors)();
  void (*run_key_destructors)();
  void (*free_thread_resources)();
};

extern Layout layout;

// The known parts of the block that are part of the platform's ABI or equal in all versions.
namespace offset {
constexpr ptrdiff_t self = 0;
constexpr ptrdiff_t dtv = 8;
constexpr ptrdiff_t self_again = 16;
constexpr ptrdiff_t multiple_threads = 24;
constexpr ptrdiff_t system_call_entry = 32;
constexpr ptrdiff_t stack_guard = 40;
constexpr ptrdiff_t pointer_guard = 48;
constexpr ptrdiff_t feature_bits = 72;
constexpr size_t rseq_cpu_id = 4;
}  // namespace offset

template <typename T>
T& field(void* thread_pointer, ptrdiff_t offset) {
  return *reinterpret_cast<T*>(static_cast<char*>(thread_pointer) + offset);
}

// Fills `layout`. Returns null, or why this libc cannot be used, as the end of a sentence. Makes and joins one thread,
// which ends libc's single-thread shortcuts and lets it install its handler for signal 33.
const char* find_layout();

}  // namespace unblock::glibc
