#include "scheduler/parking_lot.h"

#include <sys/mman.h>

#include <new>

#include "scheduler/chaos.h"

namespace unblock {

struct Bucket {
  Lock lock;
  std::atomic<uint32_t> count;  // parked or about to be; written by anyone, read without the lock
  Parked *first, *last;         // guarded(lock)
};

namespace parking_lot {
namespace {

struct Table {
  unsigned shift;  // immutable: 64 - log2(size)
  Bucket* buckets;

  size_t size() const { return size_t{1} << (64 - shift); }
  Bucket& bucket_of(const void* address) const {
    return buckets[((uint64_t)(uintptr_t)address * 0x9e3779b97f4a7c15u) >> shift];
  }
};

constexpr unsigned first_shift = 64 - 8;
Bucket first_buckets[1 << 8];
Table first_table = {first_shift, first_buckets};
std::atomic<Table*> current{&first_table};
std::atomic<size_t> parked_threads;
Lock growing;

// The bucket of the address, locked, in the table that is current once it is locked.
Bucket& lock_bucket(const void* address) {
  for (;;) {
    Table* table = current.load(std::memory_order_seq_cst);
    Bucket& bucket = table->bucket_of(address);
    bucket.lock.lock();
    if (table == current.load(std::memory_order_seq_cst)) return bucket;
    bucket.lock.unlock();
  }
}

void link(Bucket& bucket, Parked& parked) {
  parked.next = nullptr;
  parked.previous = bucket.last;
  (bucket.last == nullptr ? bucket.first : bucket.last->next) = &parked;
  bucket.last = &parked;
  __atomic_store_n(&parked.bucket, &bucket, __ATOMIC_RELEASE);
}

void unlink(Bucket& bucket, Parked& parked) {
  (parked.previous == nullptr ? bucket.first : parked.previous->next) = parked.next;
  (parked.next == nullptr ? bucket.last : parked.next->previous) = parked.previous;
  bucket.count.fetch_sub(1, std::memory_order_seq_cst);
  __atomic_store_n(&parked.bucket, nullptr, __ATOMIC_RELEASE);
}

// [unlink-before-return] The bucket may change under us: by a requeue, or when the table grows.
void leave(Parked& parked) {
  Critical critical;
  for (;;) {
    Bucket* bucket = __atomic_load_n(&parked.bucket, __ATOMIC_ACQUIRE);
    if (bucket == nullptr || !parked.waiter->is_of_this_process()) return;
    UNBLOCK_CHAOS_POINT();
    bucket->lock.lock();
    if (bucket == __atomic_load_n(&parked.bucket, __ATOMIC_ACQUIRE)) unlink(*bucket, parked);
    bucket->lock.unlock();
  }
}

Table* make_table(unsigned shift) {
  size_t bytes = sizeof(Table) + (size_t{1} << (64 - shift)) * sizeof(Bucket);
  long memory = kernel::invoke(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return nullptr;
  Table* table = reinterpret_cast<Table*>(memory);
  *table = {shift, reinterpret_cast<Bucket*>(table + 1)};
  return table;
}

// Moves everybody to a table four times as large. The old one stays: a late reader may still look at its counts, and
// all old ones together are smaller than the new one.
void grow(Table* full) {
  Held held(growing);
  if (full != current.load(std::memory_order_seq_cst)) return;
  Table* larger = make_table(full->shift - 2);
  if (larger == nullptr) return;  // longer chains are slower, not wrong
  for (size_t i = 0; i < full->size(); ++i) full->buckets[i].lock.lock();
  for (size_t i = 0; i < full->size(); ++i) {
    while (Parked* parked = full->buckets[i].first) {
      full->buckets[i].first = parked->next;
      Bucket& bucket = larger->bucket_of(parked->address);
      bucket.count.fetch_add(1, std::memory_order_relaxed);
      bucket.lock.lock();  // a waiter that has been ended meanwhile finds its new bucket and leaves it
      link(bucket, *parked);
      bucket.lock.unlock();
    }
    full->buckets[i].last = nullptr;
  }
  current.store(larger, std::memory_order_seq_cst);
  for (size_t i = full->size(); i-- > 0;) full->buckets[i].lock.unlock();
}

void grow_if_full() {
  Table* table = current.load(std::memory_order_relaxed);
  if (parked_threads.load(std::memory_order_relaxed) > 2 * table->size()) grow(table);
}

Parking parking_of(Wakeup wakeup) {
  switch (wakeup) {
    case Wakeup::timed_out: return Parking::timed_out;
    case Wakeup::interrupted: return Parking::interrupted;
    case Wakeup::cancelled: return Parking::cancelled;
    default: return Parking::woken;
  }
}

// Ends the wait and unlinks it. False: it had ended already, and unlinks itself.
bool wake_one(Bucket& bucket, Parked& parked) {
  if (!parked.waiter->wake(Wakeup::ready)) return false;
  unlink(bucket, parked);
  return true;
}

int wake_all_but(Bucket& bucket, const void* address, Parked* me) {
  int woken = 0;
  for (Parked *each = bucket.first, *next; each != nullptr; each = next) {
    next = each->next;
    if (each != me && each->address == address) woken += wake_one(bucket, *each);
  }
  return woken;
}

// Links `parked` unless the recheck says that nothing needs to be waited for.
bool enter(Parked& parked, Recheck (*recheck)(void*), void* argument) {
  Critical critical;
  for (;;) {
    Table* table = current.load(std::memory_order_seq_cst);
    Bucket& bucket = table->bucket_of(parked.address);
    bucket.count.fetch_add(1, std::memory_order_seq_cst);  // [publish-then-recheck]
    UNBLOCK_CHAOS_POINT();
    bucket.lock.lock();
    if (table != current.load(std::memory_order_seq_cst)) {
      bucket.count.fetch_sub(1, std::memory_order_seq_cst);
      bucket.lock.unlock();
      continue;
    }
    Recheck decision = recheck(argument);
    if (decision == Recheck::park) {
      link(bucket, parked);
    } else {
      if (decision == Recheck::leave_and_wake_all) wake_all_but(bucket, parked.address, &parked);
      bucket.count.fetch_sub(1, std::memory_order_seq_cst);
    }
    bucket.lock.unlock();
    return decision == Recheck::park;
  }
}

// The buckets of two addresses, which may be one and the same, locked in the order of their places.
struct TwoBuckets {
  TwoBuckets(const void* first_address, const void* second_address) : address(first_address) {
    for (;;) {
      Table* table = current.load(std::memory_order_seq_cst);
      first = &table->bucket_of(first_address);
      second = &table->bucket_of(second_address);
      (first < second ? first : second)->lock.lock();
      if (first != second) (first < second ? second : first)->lock.lock();
      if (table == current.load(std::memory_order_seq_cst)) return;
      unlock();
    }
  }
  ~TwoBuckets() { unlock(); }

  // visit(parked) may unlink or move it; false ends the visits. Who is moved within one bucket is not visited again.
  template <class Visit>
  void for_each_at_first(Visit visit) {
    Parked* last = first->last;
    for (Parked *each = first->first, *next; each != nullptr; each = next) {
      next = each == last ? nullptr : each->next;
      if (each->address == address && !visit(*each)) return;
    }
  }

  Bucket *first, *second;

 private:
  void unlock() {
    if (first != second) (first < second ? second : first)->lock.unlock();
    (first < second ? first : second)->lock.unlock();
  }

  const void* address;
};

// Not through a state in which the waiter believes itself unlinked: it takes the lock of whatever it reads.
void move(TwoBuckets& buckets, Parked& parked, const void* to) {
  Bucket& source = *buckets.first;
  buckets.second->count.fetch_add(1, std::memory_order_seq_cst);
  (parked.previous == nullptr ? source.first : parked.previous->next) = parked.next;
  (parked.next == nullptr ? source.last : parked.next->previous) = parked.previous;
  source.count.fetch_sub(1, std::memory_order_seq_cst);
  parked.address = to;
  link(*buckets.second, parked);
}

const void* first_destination(const void* from) {
  if (!anyone_at(from)) return nullptr;
  Bucket& bucket = lock_bucket(from);
  Parked* each = bucket.first;
  while (each != nullptr && each->address != from) each = each->next;
  const void* destination = each != nullptr ? each->moves_to : nullptr;
  bucket.lock.unlock();
  return destination;
}

}  // namespace

Parking park_erased(const void* address, WaitKind kind, Deadline deadline, uint32_t tag, Recheck (*recheck)(void*),
                    void* recheck_argument, bool (*before_wait)(void*), void* before_argument, const void* moves_to) {
  Waiter waiter(kind, address);
  Parked parked = {&waiter, address, tag, moves_to, nullptr, nullptr, nullptr};
  if (!enter(parked, recheck, recheck_argument)) {
    waiter.cancel();
    return Parking::not_needed;
  }
  parked_threads.fetch_add(1, std::memory_order_relaxed);
  grow_if_full();
  Parking result = Parking::not_needed;
  if (before_wait == nullptr || before_wait(before_argument)) {
    result = parking_of(waiter.wait(deadline));
  } else {
    waiter.cancel();
  }
  leave(parked);
  parked_threads.fetch_sub(1, std::memory_order_relaxed);
  return result;
}

bool anyone_at(const void* address) {
  return current.load(std::memory_order_seq_cst)->bucket_of(address).count.load(std::memory_order_seq_cst) != 0;
}

int unpark_erased(const void* address, int most, Choice (*choose)(uint32_t, int, void*), void* argument) {
  if (!anyone_at(address)) return 0;
  UNBLOCK_CHAOS_POINT();
  Critical critical;
  Bucket& bucket = lock_bucket(address);
  int woken = 0;
  for (Parked *each = bucket.first, *next; each != nullptr && woken < most; each = next) {
    next = each->next;
    if (each->address != address) continue;
    Choice choice = choose(each->tag, woken, argument);
    if (choice == Choice::stop) break;
    if (choice == Choice::wake) woken += wake_one(bucket, *each);
  }
  bucket.lock.unlock();
  return woken;
}

int unpark(const void* address, int most) {
  return unpark(address, most, [](uint32_t, int) { return Choice::wake; });
}

int requeue_erased(const void* from, const void* to, int most, int most_moved, bool (*still)(void*), void* argument,
                   int* moved) {
  *moved = 0;
  Critical critical;
  TwoBuckets buckets(from, to);
  if (!still(argument)) return -1;
  int woken = 0;
  buckets.for_each_at_first([&](Parked& parked) {
    if (woken < most) {
      woken += wake_one(*buckets.first, parked);
    } else if (*moved < most_moved) {
      move(buckets, parked, to);
      ++*moved;
    } else {
      return false;
    }
    return true;
  });
  return woken;
}

void move_all(const void* from, bool (*held)(const void*)) {
  Critical critical;
  const void* to = first_destination(from);
  if (to == nullptr) {
    unpark(from, INT32_MAX);
    return;
  }
  TwoBuckets buckets(from, to);
  bool somebody_moved = false;
  buckets.for_each_at_first([&](Parked& parked) {
    if (parked.moves_to == to) {
      move(buckets, parked, to);
      somebody_moved = true;
    } else {
      wake_one(*buckets.first, parked);
    }
    return true;
  });
  // [publish-then-recheck] Who releases the object from here on sees that somebody waits there.
  if (!somebody_moved || held(to)) return;
  for (Parked *each = buckets.second->first, *next; each != nullptr; each = next) {
    next = each->next;
    if (each->address == to && wake_one(*buckets.second, *each)) return;
  }
}

void forget_all() {
  Table* table = current.load(std::memory_order_relaxed);
  for (size_t i = 0; i < table->size(); ++i) new (&table->buckets[i]) Bucket();
  parked_threads.store(0, std::memory_order_relaxed);
  growing.reset();
}

}  // namespace parking_lot
}  // namespace unblock
