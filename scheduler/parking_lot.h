#pragma once
// The parking lot: where threads wait for an address. Locks, condition variables, semaphores, joins and raw futexes
// all wait here, green threads and OS threads alike, while the bytes of the object stay libc's.
//
// States. A bucket holds the parked waiters of the addresses that fall into it, in order of arrival, and counts them
// in a word that wakers read without the lock. The table grows with the number of parked threads.
//
// Protocol.
//   Who waits                                      Who wakes
//   1. tries; busy                                 1. changes the object (an atomic operation: a full fence)
//   2. counts itself in the bucket, takes its      2. reads the bucket's count; zero: done
//      lock, links itself                          3. takes the bucket's lock, ends the waits it wants to end,
//   3. asks again (`recheck`), under the lock           first come first served, and unlinks those it ended
//   4. false: unlinks itself, returns
//   5. waits; then unlinks itself under the
//      lock if it is still linked
//
// Races. The object changes between 1 and 3: the recheck sees it [publish-then-recheck]: either the waiter's recheck
// comes after the change, or the waker's read of the count comes after the waiter's increment; both are sequentially
// consistent. The waiter times out while a waker wakes it: one of them ends the wait [one-winner]; a waker that lost
// takes the next waiter, so no wake-up is spent on somebody who did not get it. The object is freed by its owner right
// after an unlock: a waker never touches it after step 1, the address is only a number from there on.
//
// Rejected. Waiters in the object's own bytes (libc's layout, static initialisers, use before our constructor);
// a fixed table (chains grow with ten thousand sleepers on ten thousand addresses).

#include "scheduler/wait.h"

namespace unblock {

// One parked thread, on its own stack.
struct Parked {
  Waiter* waiter;
  const void* address;      // guarded(bucket lock)
  uint32_t tag;             // what it wants of the object: the family's own words (reader, writer, a bit set)
  const void* moves_to;     // where move_all() may put it, or null; immutable
  struct Bucket* bucket;    // null when unlinked; guarded(bucket lock)
  Parked *next, *previous;  // guarded(bucket lock)
};

enum class Parking : uint8_t { woken, not_needed, timed_out, interrupted, cancelled };

// What the recheck under the bucket's lock decides. `leave_and_wake_all` is for whoever completes a barrier: the others
// are woken in the same breath, before anyone of the next round can join them.
enum class Recheck : uint8_t { park, leave, leave_and_wake_all };

// What an unpark does with one of the parked.
enum class Choice : uint8_t { wake, skip, stop };

namespace parking_lot {

// Parks the calling thread at `address` if recheck() says so; it runs under the bucket's lock and must not wait.
// woken: an unpark chose this thread. `before_wait` runs once after linking, outside the lock (a condition variable
// unlocks its mutex there) and may call the wait off by answering false; it may be null.
// Suspends: the calling green thread. Holds the carrier: when may_switch() is false.
Parking park_erased(const void* address, WaitKind kind, Deadline deadline, uint32_t tag, Recheck (*recheck)(void*),
                    void* recheck_argument, bool (*before_wait)(void*), void* before_argument, const void* moves_to);

template <class Check>
Parking park(const void* address, WaitKind kind, Deadline deadline, Check recheck, uint32_t tag = 0) {
  return park_erased(
      address, kind, deadline, tag, [](void* erased) -> Recheck { return (*static_cast<Check*>(erased))(); }, &recheck,
      nullptr, nullptr, nullptr);
}

// `moves_to`: see move_all().
template <class Before>
Parking park_then(const void* address, WaitKind kind, Deadline deadline, const void* moves_to, Before before_wait) {
  return park_erased(
      address, kind, deadline, 0, [](void*) { return Recheck::park; }, nullptr,
      [](void* erased) -> bool { return (*static_cast<Before*>(erased))(); }, &before_wait, moves_to);
}

// Might somebody be parked at this address? After a full fence, false is certain.
bool anyone_at(const void* address);

// Wakes up to `most` waiters at `address` for which choose(tag, woken so far) is true, first come first served, until
// it says `stop`. Returns how many. Never blocks, allocates nothing; async-signal-safe within a Critical.
int unpark_erased(const void* address, int most, Choice (*choose)(uint32_t tag, int woken, void*), void* argument);

template <class Choose>
int unpark(const void* address, int most, Choose choose) {
  return unpark_erased(
      address, most, [](uint32_t tag, int woken, void* erased) { return (*static_cast<Choose*>(erased))(tag, woken); },
      &choose);
}
int unpark(const void* address, int most);

// Wakes up to `most` waiters at `from` and moves up to `most_moved` of the others to `to`, in order. still() runs
// under both buckets' locks; false: nothing is done and -1 is returned. Returns the number woken; `moved` counts the
// moved ones.
int requeue_erased(const void* from, const void* to, int most, int most_moved, bool (*still)(void*), void* argument,
                   int* moved);
template <class Still>
int requeue(const void* from, const void* to, int most, int most_moved, int* moved, Still still) {
  return requeue_erased(
      from, to, most, most_moved, [](void* erased) -> bool { return (*static_cast<Still*>(erased))(); }, &still, moved);
}

// Everybody who waits at `from` is to go on with the object that they named as `moves_to`. Moves them there, so that
// they do not all wake to find it busy; whoever releases it wakes one. held(object) runs under both buckets' locks, after
// the move and while one of them still waits there: false when nobody has the object; then the first one is woken.
// Those who named nothing, or another object than the first, are woken.
void move_all(const void* from, bool (*held)(const void* object));

// The child of a fork has no waiters.
void forget_all();

}  // namespace parking_lot
}  // namespace unblock
