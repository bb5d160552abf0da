#include "shim/shared_memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "scheduler/lock.h"
#include "shim/real.h"

namespace unblock::shared_memory {
namespace {

struct Range {
  uintptr_t first, end;
};

constexpr int most_ranges = 1024;
Range ranges[most_ranges];  // guarded(ranges_lock)
std::atomic<int> count;     // written under ranges_lock
std::atomic<bool> too_many;
Lock ranges_lock;

void add(const void* memory, size_t size) {
  if (memory == MAP_FAILED || size == 0) return;
  auto first = reinterpret_cast<uintptr_t>(memory);
  Held held(ranges_lock);
  int used = count.load(std::memory_order_relaxed);
  for (Range* each = ranges; each != ranges + used; ++each) {
    if (first > each->end || first + size < each->first) continue;
    if (first < each->first) each->first = first;
    if (first + size > each->end) each->end = first + size;
    return;
  }
  if (used == most_ranges) return too_many.store(true, std::memory_order_relaxed);
  ranges[used] = {first, first + size};
  count.store(used + 1, std::memory_order_release);
}

}  // namespace

bool contains(const void* address) {
  if (count.load(std::memory_order_acquire) == 0) return false;
  if (too_many.load(std::memory_order_relaxed)) return true;
  auto wanted = reinterpret_cast<uintptr_t>(address);
  Held held(ranges_lock);
  for (int i = 0; i < count.load(std::memory_order_relaxed); ++i) {
    if (wanted >= ranges[i].first && wanted < ranges[i].end) return true;
  }
  return false;
}

void after_fork_in_child() { ranges_lock.reset(); }

}  // namespace unblock::shared_memory

using namespace unblock;

namespace {

bool shares(int flags) { return (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE; }

}  // namespace

// mmap(2), mremap(2), shmat(2): what they share is remembered.
INTERPOSED void* mmap(void* wish, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  void* memory = real::mmap(wish, size, protection, flags, fd, offset);
  if (shares(flags)) shared_memory::add(memory, size);
  return memory;
}
INTERPOSED void* mmap64(void* wish, size_t size, int protection, int flags, int fd, off64_t offset) noexcept {
  return mmap(wish, size, protection, flags, fd, offset);
}

INTERPOSED void* mremap(void* old, size_t old_size, size_t size, int flags, ...) noexcept {
  va_list list;
  va_start(list, flags);
  void* wish = flags & MREMAP_FIXED ? va_arg(list, void*) : nullptr;
  va_end(list);
  bool shared = shared_memory::contains(old);
  void* memory = real::mremap(old, old_size, size, flags, wish);
  if (shared) shared_memory::add(memory, size);
  return memory;
}

INTERPOSED void* shmat(int id, const void* wish, int flags) noexcept {
  void* memory = real::shmat(id, wish, flags);
  shmid_ds facts;
  if (memory != MAP_FAILED && shmctl(id, IPC_STAT, &facts) == 0) shared_memory::add(memory, facts.shm_segsz);
  return memory;
}
