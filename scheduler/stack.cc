#include "scheduler/stack.h"

#include <sys/mman.h>

#include "scheduler/pool.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace unblock {

// All stacks of one size and guard. There are few classes: programs use one or two stack sizes.
struct StackClass {
  size_t size;        // immutable
  size_t guard_size;  // immutable
  StackClass* next;   // immutable once published
  Stack* warm;        // guarded(stacks_lock)
  Stack* cold;        // guarded(stacks_lock): pages already given back
  size_t warm_count;  // guarded(stacks_lock)
  size_t made;        // guarded(stacks_lock)
};

namespace {

constexpr size_t page_size = 4096;
constexpr size_t warm_limit = 1024;  // some 12 MiB when all of them are warm
constexpr size_t most_stacks_in_a_slab = 64;
constexpr size_t most_bytes_in_a_slab = size_t{1} << 30;

Lock stacks_lock;
StackClass* classes;  // guarded(stacks_lock)
Pool<Stack> records;
Pool<StackClass> class_records;

size_t round_up(size_t bytes) { return (bytes + page_size - 1) & ~(page_size - 1); }

StackClass* class_for(size_t size, size_t guard_size) {
  for (StackClass* each = classes; each != nullptr; each = each->next) {
    if (each->size == size && each->guard_size == guard_size) return each;
  }
  StackClass* made = class_records.take();
  if (made == nullptr) return nullptr;
  *made = {size, guard_size, classes, nullptr, nullptr, 0, 0};
  return classes = made;
}

// MADV_GUARD_INSTALL (Linux 6.13) costs no mapping of its own; mprotect works everywhere and under mlockall.
bool guard(char* base, size_t guard_size) {
  if (guard_size == 0) return true;
  if (kernel::invoke(SYS_madvise, base, guard_size, MADV_GUARD_INSTALL) == 0) return true;
  return kernel::invoke(SYS_mprotect, base, guard_size, PROT_NONE) == 0;
}

char* map(size_t bytes) {
  long memory = kernel::invoke(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory < 0 && memory > -4096) return nullptr;
  kernel::invoke(SYS_madvise, memory, bytes, MADV_NOHUGEPAGE);
  return reinterpret_cast<char*>(memory);
}

// Adds one slab of stacks to the class: as many as it has made so far, so that a program with three threads
// reserves little and one with a million calls mmap seldom.
bool add_slab(StackClass& wanted) {
  size_t count = wanted.made < 1 ? 1 : wanted.made;
  if (count > most_stacks_in_a_slab) count = most_stacks_in_a_slab;
  while (count > 1 && count * wanted.size > most_bytes_in_a_slab) count /= 2;
  char* memory = map(count * wanted.size);
  if (memory == nullptr && count > 1) memory = map((count = 1) * wanted.size);
  if (memory == nullptr) return false;
  size_t added = 0;
  for (size_t i = count; i-- > 0;) {
    char* base = memory + i * wanted.size;
    Stack* stack = records.take();
    if (stack == nullptr || !guard(base, wanted.guard_size)) {
      if (stack != nullptr) records.give_back(stack);
      kernel::invoke(SYS_munmap, base, wanted.size);
      continue;
    }
    *stack = {base, wanted.size, wanted.guard_size, &wanted, wanted.cold};
    wanted.cold = stack;
    ++added;
  }
  wanted.made += added;
  return added > 0;
}

Stack* pop(Stack*& list) {
  Stack* stack = list;
  list = stack->next;
  return stack;
}

}  // namespace

Stack* take_stack(size_t size, size_t guard_size) {
  if (guard_size > SIZE_MAX / 2 || size > SIZE_MAX / 2) return nullptr;  // no address space has so much
  guard_size = round_up(guard_size);
  size = round_up(size) + guard_size;
  Held held(stacks_lock);
  StackClass* wanted = class_for(size, guard_size);
  if (wanted == nullptr) return nullptr;
  if (wanted->warm != nullptr) {
    --wanted->warm_count;
    return pop(wanted->warm);
  }
  if (wanted->cold == nullptr && !add_slab(*wanted)) return nullptr;
  return pop(wanted->cold);
}

Stack* wrap_stack(void* memory, size_t size) {
  Stack* stack = records.take();
  if (stack != nullptr) *stack = {static_cast<char*>(memory), size, 0, nullptr, nullptr};
  return stack;
}

void give_back_stack(Stack* stack) {
  StackClass* origin = stack->origin;
  if (origin == nullptr) return records.give_back(stack);
  Held held(stacks_lock);
  if (origin->warm_count < warm_limit) {
    ++origin->warm_count;
    stack->next = origin->warm;
    origin->warm = stack;
    return;
  }
  kernel::invoke(SYS_madvise, stack->base + stack->guard_size, stack->size - stack->guard_size, MADV_DONTNEED);
  stack->next = origin->cold;
  origin->cold = stack;
}

void lock_stacks() {
  Critical::enter();
  stacks_lock.lock();
  records.lock().lock();
  class_records.lock().lock();
}

void unlock_stacks() {
  class_records.lock().unlock();
  records.lock().unlock();
  stacks_lock.unlock();
  Critical::leave();
}

}  // namespace unblock
