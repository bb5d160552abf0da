#pragma once
// Stacks: large virtual, small real. Memory is reserved in slabs, touched as it is used, guarded at its low end, and
// recycled last-in-first-out so that the next thread finds warm pages. A stack that comes back when enough of its size
// are warm gives its pages to the kernel at once. Thread-safe.

#include <stddef.h>
#include <stdint.h>

namespace unblock {

struct StackClass;

struct Stack {
  char* base;          // lowest byte, of the guard when there is one
  size_t size;         // guard included
  size_t guard_size;   // bytes at `base` that fault when touched
  StackClass* origin;  // where it is recycled; null when the memory is the program's own
  Stack* next;         // guarded(origin's lock)

  char* top() const { return base + size; }
};

// A stack of `size` usable bytes (rounded up to pages) above `guard_size` bytes that fault. Null when memory or
// mappings are exhausted; the caller reports EAGAIN as pthread_create(3) does.
Stack* take_stack(size_t size, size_t guard_size);

// Wraps memory that belongs to the program (pthread_attr_setstack(3)). Never guarded, never recycled.
Stack* wrap_stack(void* memory, size_t size);

void give_back_stack(Stack* stack);

// The fork child holds these locks across the fork; see scheduler.h.
void lock_stacks();
void unlock_stacks();

}  // namespace unblock
