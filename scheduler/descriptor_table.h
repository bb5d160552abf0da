#pragma once
// DescriptorTable<T>: one T for each descriptor number, in chunks that are made at first use and never move or go
// away, so a reference to an entry stays good for ever. Look-ups take no lock.

#include <sys/mman.h>

#include "scheduler/kernel.h"

namespace unblock {

template <class T>
class DescriptorTable {
 public:
  // The entry of `fd`, made if need be. Null for numbers that no kernel gives and when memory is exhausted.
  T* at(int fd) {
    if ((unsigned)fd >= chunk_count * chunk_entries) return nullptr;
    std::atomic<T*>& chunk = chunks_[(unsigned)fd / chunk_entries];
    T* entries = chunk.load(std::memory_order_acquire);
    if (__builtin_expect(entries == nullptr, 0)) entries = make(chunk);
    return entries == nullptr ? nullptr : &entries[(unsigned)fd % chunk_entries];
  }

  // The entry of `fd` if its chunk has been made.
  T* existing(int fd) {
    if ((unsigned)fd >= chunk_count * chunk_entries) return nullptr;
    T* entries = chunks_[(unsigned)fd / chunk_entries].load(std::memory_order_acquire);
    return entries == nullptr ? nullptr : &entries[(unsigned)fd % chunk_entries];
  }

  template <class Visit>
  void for_each(Visit visit) {
    for (unsigned c = 0; c < chunks_made_.load(std::memory_order_acquire); ++c) {
      T* entries = chunks_[c].load(std::memory_order_acquire);
      for (unsigned i = 0; entries != nullptr && i < chunk_entries; ++i)
        visit((int)(c * chunk_entries + i), entries[i]);
    }
  }

 private:
  static constexpr unsigned chunk_entries = 1024;
  static constexpr unsigned chunk_count = 1u << 20;  // 2^30 numbers: all that fs.nr_open allows

  // All-zero bytes are a valid, unused T; two threads may race, the loser gives its chunk back.
  T* make(std::atomic<T*>& chunk) {
    constexpr size_t bytes = chunk_entries * sizeof(T);
    long memory = kernel::invoke(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory < 0 && memory > -4096) return nullptr;
    T* made = reinterpret_cast<T*>(memory);
    T* present = nullptr;
    unsigned needed = (unsigned)(&chunk - chunks_) + 1;
    unsigned most = chunks_made_.load(std::memory_order_relaxed);
    while (needed > most && !chunks_made_.compare_exchange_weak(most, needed)) continue;
    if (chunk.compare_exchange_strong(present, made, std::memory_order_acq_rel)) return made;
    kernel::invoke(SYS_munmap, memory, bytes);
    return present;
  }

  std::atomic<unsigned> chunks_made_;    // no chunk at or beyond this one has been made
  std::atomic<T*> chunks_[chunk_count];  // zero pages until touched
};

}  // namespace unblock
