#pragma once
// Pool<T>: objects that are made once and then recycled, never given back to the kernel. A late waker may therefore
// look at an object whose thread has ended: it finds another epoch there, not somebody else's memory
// [type-stable-threads]. Memory comes from mmap, so the program's allocator never sees us. Thread-safe.

#include <sys/mman.h>

#include <new>

#include "scheduler/lock.h"

namespace unblock {

template <class T>
class Pool {
 public:
  // An object that keeps the contents of its last use, or was zero-initialised and constructed. Null: out of memory.
  T* take() {
    Held held(lock_);
    if (free_ == nullptr && !grow()) return nullptr;
    Slot* slot = free_;
    free_ = slot->next_free;
    slot->taken = true;
    ++taken_;
    return &slot->object;
  }

  void give_back(T* object) {
    Held held(lock_);
    Slot* slot = slot_of(object);
    slot->taken = false;
    slot->next_free = free_;
    free_ = slot;
    --taken_;
  }

  // Calls visit(object) for each object in use, the pool locked meanwhile: visit must not take or give back.
  template <class Visit>
  void for_each(Visit visit) {
    Held held(lock_);
    for (Chunk* chunk = chunks_; chunk != nullptr; chunk = chunk->next) {
      for (size_t i = 0; i < chunk->used; ++i) {
        if (chunk->slots[i].taken) visit(chunk->slots[i].object);
      }
    }
  }

  // The same without the lock, for who may have been interrupted anywhere: it may meet an object that is just taken or
  // given back. Async-signal-safe.
  template <class Visit>
  void for_each_unlocked(Visit visit) {
    for (Chunk* chunk = chunks_; chunk != nullptr; chunk = chunk->next) {
      for (size_t i = 0; i < chunk->used; ++i) {
        if (chunk->slots[i].taken) visit(chunk->slots[i].object);
      }
    }
  }

  size_t taken() const { return taken_; }
  Lock& lock() { return lock_; }

 private:
  friend struct PoolLayout;  // tells a reader from outside where things are; see shim/layout.cc

  struct Slot {
    T object;
    Slot* next_free;
    bool taken;
  };
  static constexpr size_t chunk_bytes = 256 * 1024;
  struct Chunk {
    Chunk* next;
    size_t used;
    Slot slots[(chunk_bytes - 64) / sizeof(Slot)];
  };
  static_assert(sizeof(Chunk) <= chunk_bytes);

  static Slot* slot_of(T* object) { return reinterpret_cast<Slot*>(object); }

  // Slots of the newest chunk are constructed one at a time, so that untouched ones cost no memory.
  bool grow() {
    constexpr size_t slots_in_a_chunk = sizeof(Chunk::slots) / sizeof(Slot);
    if (chunks_ == nullptr || chunks_->used == slots_in_a_chunk) {
      long memory =
          kernel::invoke(SYS_mmap, nullptr, chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory < 0 && memory > -4096) return false;
      Chunk* chunk = reinterpret_cast<Chunk*>(memory);
      chunk->next = chunks_;
      chunks_ = chunk;
    }
    Slot* slot = &chunks_->slots[chunks_->used++];
    new (&slot->object) T();
    slot->next_free = free_;
    free_ = slot;
    return true;
  }

  Lock lock_;
  Slot* free_ = nullptr;     // guarded(lock_)
  Chunk* chunks_ = nullptr;  // guarded(lock_)
  size_t taken_ = 0;         // guarded(lock_); read without it for reports
};

}  // namespace unblock
