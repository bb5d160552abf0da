#pragma once
// A trace of what the scheduler does: who runs where, who waits for what, who wakes whom. A reader from outside
// (`unblock trace`) switches it on by writing `until`, a moment of the time-stamp counter, and reads the rings; off, it
// costs one load for each switch and each wake. It ends by itself, also when the reader was killed.
//
// Rings. Each carrier has one, made when it first notes something; who is no carrier (the monitor, OS threads that are
// not ours) shares one. A writer takes the next number, fills its slot, and at last writes the number into it: a reader
// that finds the number of the slot before and after it has copied it has a whole event. The oldest events are
// overwritten; numbers that a reader has not found are what was lost.
//
// Thread-safe, async-signal-safe. Allocates by mmap, once for each carrier.

#include <stdint.h>

#include <atomic>

namespace unblock {
struct Carrier;
struct GreenThread;
}  // namespace unblock

namespace unblock::trace {

enum class Event : uint8_t { none, run, wait, yield, end, wake, hand_off };

struct Slot {
  std::atomic<uint64_t> number;  // 1 for the first event of the ring; 0: being written
  uint64_t ticks;
  uint64_t what;   // the thread's id, above 16 bits; the event; above 8 bits, of a wait, its kind
  uint64_t other;  // wake: the id of who woke it, 0 when no thread did; wait: what for, as GreenThread::waiting_for
};

struct Ring {
  static constexpr uint64_t slot_count = 1 << 15;
  std::atomic<uint64_t> written;
  Ring* next;      // immutable once it is listed
  int kernel_tid;  // of the carrier that writes it now; 0: who is no carrier
  Slot slots[slot_count];
};

extern std::atomic<uint64_t> until;  // 0: off
extern std::atomic<Ring*> rings;

inline bool on() { return __builtin_expect(until.load(std::memory_order_relaxed) != 0, 0); }

// Call only when on(). `carrier` is the calling thread's, or null.
void note(Carrier* carrier, Event event, const GreenThread& green, uint64_t other = 0);

}  // namespace unblock::trace
