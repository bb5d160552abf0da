#pragma once
// What the process has done so far, counted where it happens. A carrier counts alone and folds its numbers into the
// process's when it ends, so counting costs no shared cache line.

#include <stdint.h>

#include <atomic>

namespace unblock {

// What a thread waits for, in the field's words; each is a line of the report. A reader from outside finds in
// GreenThread::waiting_for: for a descriptor, its number and above 32 bits the direction; for poll, the address of the
// pollfds and above 48 bits how many there are, or null for select; for join, the other thread's `life`; for sleep
// nothing; otherwise the address of the object.
enum class WaitKind : uint8_t {
  none,
  descriptor,
  poll,
  mutex,
  condition,
  semaphore,
  rwlock,
  once,
  barrier,
  spin,
  futex,
  join,
  sleep,
  signal,
  child,
  count
};

// A number that one thread counts, for the cost of a plain one, while others may read it.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter& other) : value_(other) {}
  Counter& operator=(const Counter& other) {
    value_.store(other, std::memory_order_relaxed);
    return *this;
  }
  operator uint64_t() const { return value_.load(std::memory_order_relaxed); }
  void operator+=(uint64_t more) { value_.store(*this + more, std::memory_order_relaxed); }
  void operator++() { *this += 1; }

 private:
  std::atomic<uint64_t> value_{0};
};

struct Statistics {
  Counter parks[(int)WaitKind::count];  // waits that left the stack
  Counter switches;                     // green threads resumed
  Counter steals;                       // green threads that another processor took
  Counter regions;                      // blocking regions entered
  Counter hand_offs;                    // processors taken from a carrier that kept its green thread

  void add(const Statistics& other) {
    for (int i = 0; i < (int)WaitKind::count; ++i) parks[i] += other.parks[i];
    switches += other.switches;
    steals += other.steals;
    regions += other.regions;
    hand_offs += other.hand_offs;
  }
};

}  // namespace unblock
