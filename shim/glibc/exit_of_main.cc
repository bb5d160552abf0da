// libc keeps the place to unwind to as a jmp_buf that the thread block points to, with the stack and instruction
// pointers mangled: exclusive-or with the pointer guard, then rotated. Registering a buffer of our own tells us those
// that are there (it keeps the previous one). Libc's is the outermost; inside it are those of pthread_cleanup_push in C.
// The instruction pointer is what we exchange.

#include "shim/glibc/exit_of_main.h"

#include <stdint.h>

#include "shim/glibc/block_layout.h"

namespace unblock::glibc {
namespace {

void (*end_of_main)();

// struct __cancel_jmp_buf_tag and what follows it, as <pthread.h> lays out __pthread_unwind_buf_t.
struct UnwindBuffer {
  uint64_t registers[8];  // rbx, rbp, r12 to r15, stack pointer, instruction pointer
  int mask_was_saved;
  UnwindBuffer* previous;
  void* more[3];
};

uint64_t mangle(uint64_t pointer) {
  uint64_t guard;
  __asm__("movq %%fs:48, %0" : "=r"(guard));
  pointer ^= guard;
  return pointer << 17 | pointer >> 47;
}

// Entered by a jump with the stack of libc's frame: aligned as for a call, then never left.
__attribute__((naked)) void land() {
  __asm__(
      "andq $-16, %%rsp\n"
      "callq *%0\n"
      "ud2" ::"m"(end_of_main));
}

}  // namespace

void catch_exit_of_main(void (*end)()) {
  end_of_main = end;
  UnwindBuffer probe = {};
  layout.register_cancel(&probe);
  layout.unregister_cancel(&probe);
  UnwindBuffer* libcs = probe.previous;
  if (libcs == nullptr) return;
  while (libcs->previous != nullptr) libcs = libcs->previous;
  libcs->registers[7] = mangle(reinterpret_cast<uint64_t>(&land));
}

}  // namespace unblock::glibc
