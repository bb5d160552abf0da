#pragma once
// What sanitizers must be told of each switch. Empty without them, and used by the switch alone.
//
// ThreadSanitizer keeps the state of a thread in that thread's block, behind a word that says which state is current. A
// green thread is a fibre to it; the word in its own block always names that fibre, and the word in a carrier's block
// names whoever runs on the carrier. Nothing here is instrumented: a function that enters with one state and returns
// with another would upset both of them.
//
// AddressSanitizer finds no thread of its own on a block that it has not made, and leaves stacks alone. It only has to
// forget what the last frames of a thread have poisoned, since nobody returns from them.

#include "scheduler/green_thread.h"

#ifdef __SANITIZE_THREAD__

#include <sanitizer/tsan_interface.h>
#include <stddef.h>

#define UNBLOCK_NOT_INSTRUMENTED __attribute__((no_sanitize_thread)) inline

namespace unblock::sanitizer {

// Where in a block the word stands, measured on one that the runtime has made: no other word of the static thread-local
// variables, which lie below the thread pointer, has this value.
UNBLOCK_NOT_INSTRUMENTED ptrdiff_t place_of_current() {
  void* current = __tsan_get_current_fiber();
  void* block;
  __asm__("movq %%fs:0, %0" : "=r"(block));
  auto word = static_cast<void**>(block);
  while (*--word != current) continue;
  return reinterpret_cast<char*>(word) - static_cast<char*>(block);
}

UNBLOCK_NOT_INSTRUMENTED void** current_in(void* block) {
  static const ptrdiff_t place = place_of_current();
  return reinterpret_cast<void**>(static_cast<char*>(block) + place);
}

// A block was made that will be loaded. Called on one that the runtime knows.
UNBLOCK_NOT_INSTRUMENTED void begin(void* block) { *current_in(block) = __tsan_create_fiber(0); }

// Called on the carrier's block, before that of `block` is loaded. Returns what to come back to.
UNBLOCK_NOT_INSTRUMENTED void* enter(void* block) {
  void* before = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(*current_in(block), 0);
  return before;
}

// Called on the carrier's block once it is loaded again.
UNBLOCK_NOT_INSTRUMENTED void leave(void* back_to) { __tsan_switch_to_fiber(back_to, 0); }

// The first thread of the process has left its stack for a carrier's. Called on the carrier's block.
UNBLOCK_NOT_INSTRUMENTED void leave_first(void* left_block, void* carrier_block) {
  void* carrier_state = *current_in(carrier_block);
  *current_in(carrier_block) = *current_in(left_block);
  leave(carrier_state);
}

// The thread has left its stack for ever.
UNBLOCK_NOT_INSTRUMENTED void end(GreenThread& green, void*) {
  __tsan_destroy_fiber(*current_in(green.thread_pointer));
}

}  // namespace unblock::sanitizer

#undef UNBLOCK_NOT_INSTRUMENTED

#else

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace unblock::sanitizer {

inline void begin(void*) {}
inline void* enter(void*) { return nullptr; }
inline void leave(void*) {}
inline void leave_first(void*, void*) {}

inline void end([[maybe_unused]] GreenThread& green, [[maybe_unused]] void* last_frame) {
#ifdef __SANITIZE_ADDRESS__
  if (green.stack == nullptr) return;
  __asan_unpoison_memory_region(last_frame, (size_t)(green.stack->top() - static_cast<char*>(last_frame)));
#endif
}

}  // namespace unblock::sanitizer

#endif
