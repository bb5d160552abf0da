#include "scheduler/readiness.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "scheduler/chaos.h"
#include "scheduler/descriptor_table.h"
#include "scheduler/event_loop.h"
#include "scheduler/region.h"

namespace unblock {

struct Readiness {
  Lock lock;
  std::atomic<uint8_t> marks;          // atomic; set under the lock, cleared without
  std::atomic<bool> registered;        // written under the lock
  std::atomic<bool> trusted;           // written under the lock
  std::atomic<bool> has_no_readiness;  // the kernel will not watch it: a regular file; written under the lock
  uint32_t generation;                 // guarded(lock)
  std::atomic<uint32_t> waiting;       // interests linked; written under the lock
  Interest *first, *last;              // guarded(lock)
};

namespace {

constexpr uint8_t in = (uint8_t)Direction::in, out = (uint8_t)Direction::out;
constexpr uint8_t hang_up = 4, peer_done = 8, urgent = 16;

// The sticky marks that make a try in this direction worth its system call.
constexpr uint8_t sticky(uint8_t direction) { return direction == in ? hang_up | peer_done | urgent : hang_up; }
constexpr uint32_t watched_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

DescriptorTable<Readiness> table;

void link(Readiness& readiness, Interest& interest) {
  interest.readiness = &readiness;
  interest.next = nullptr;
  interest.previous = readiness.last;
  (readiness.last == nullptr ? readiness.first : readiness.last->next) = &interest;
  readiness.last = &interest;
  readiness.waiting.fetch_add(1, std::memory_order_seq_cst);
}

void unlink(Readiness& readiness, Interest& interest) {
  (interest.previous == nullptr ? readiness.first : interest.previous->next) = interest.next;
  (interest.next == nullptr ? readiness.last : interest.next->previous) = interest.previous;
  interest.readiness = nullptr;
  readiness.waiting.fetch_sub(1, std::memory_order_relaxed);
}

// Registers with the loop, or asks the kernel whether an untrusted registration still stands. [verify-untrusted]
bool ensure_registered(int fd, Readiness& readiness) {
  if (readiness.registered && readiness.trusted) return true;
  if (readiness.registered && event_loop::modify(fd, readiness.generation, watched_events) == 0) return true;
  if (readiness.registered) ++readiness.generation;
  long result = event_loop::add(fd, readiness.generation, watched_events);
  if (result == -EEXIST) result = event_loop::modify(fd, readiness.generation, watched_events);
  readiness.has_no_readiness = result == -EPERM;
  return readiness.registered = result == 0;
}

// Ends the wait of every poller, and of the first transfer that is still waiting, in these directions.
void wake_waiting(Readiness& readiness, uint8_t directions, bool transfers_only) {
  uint8_t for_transfers = directions;  // those in which no transfer has been woken yet [pass-on]
  for (Interest* each = readiness.first; each != nullptr; each = each->next) {
    if (each->shared) {
      if (!transfers_only && (each->directions & directions)) each->waiter->wake(Wakeup::ready);
    } else if ((each->directions & for_transfers) && each->waiter->wake(Wakeup::ready)) {
      for_transfers &= ~each->directions;
    }
  }
}

void evict(Readiness& readiness) {
  for (Interest* each = readiness.first; each != nullptr; each = each->next) each->waiter->wake(Wakeup::closed);
}

// Without the loop: poll(2) on the carrier, in a blocking region.
Wakeup wait_in_place(int fd, Direction direction, Deadline deadline) {
  Region region;
  pollfd one = {fd, (short)(direction == Direction::in ? POLLIN | POLLRDHUP : POLLOUT), 0};
  timespec left = deadline.is_never() ? timespec{} : deadline.left();
  long result = kernel::invoke(SYS_ppoll, &one, 1, deadline.is_never() ? nullptr : &left, nullptr, 8);
  if (result == -EINTR) return Wakeup::interrupted;
  return result == 0 ? Wakeup::timed_out : Wakeup::ready;
}

}  // namespace

Wakeup wait_for_descriptor(int fd, Direction direction, Deadline deadline) {
  Readiness* readiness = table.at(fd);
  if (readiness == nullptr || !may_switch()) return wait_in_place(fd, direction, deadline);
  uint8_t enough = (uint8_t)((uint8_t)direction | sticky((uint8_t)direction));
  Waiter waiter(WaitKind::descriptor, (void*)((intptr_t)direction << 32 | fd));
  Interest interest = {&waiter, (uint8_t)direction, false, nullptr, nullptr, nullptr};
  enum { linked, marked, refused } outcome;
  UNBLOCK_CHAOS_POINT();
  {
    Held held(readiness->lock);
    if (!ensure_registered(fd, *readiness)) {
      outcome = refused;
    } else {
      link(*readiness, interest);  // [publish-then-recheck]: set_mark, then a look at `waiting`
      outcome = readiness->marks.load(std::memory_order_seq_cst) & enough ? marked : linked;
      if (outcome == marked) unlink(*readiness, interest);
    }
  }
  if (outcome != linked) {
    waiter.cancel();
    return outcome == marked ? Wakeup::ready : wait_in_place(fd, direction, deadline);
  }
  Wakeup result = waiter.wait(deadline);
  unwatch(interest);
  return result;
}

uint8_t begin_try(int fd, Direction direction) {
  Readiness* readiness = table.existing(fd);
  if (readiness == nullptr) return 0;
  uint8_t marks = readiness->marks.load(std::memory_order_relaxed);
  if ((marks & (uint8_t)direction) == 0) return marks;
  return readiness->marks.fetch_and((uint8_t) ~(uint8_t)direction, std::memory_order_seq_cst);
}

bool try_failed(int fd, Direction direction, uint8_t marks_before) {
  uint8_t stale = marks_before & sticky((uint8_t)direction);
  Readiness* readiness = stale != 0 ? table.existing(fd) : nullptr;
  if (readiness != nullptr) readiness->marks.fetch_and((uint8_t)~stale, std::memory_order_seq_cst);
  return readiness != nullptr;
}

void set_mark(int fd, Direction direction) {
  Readiness* readiness = table.existing(fd);
  if (readiness != nullptr && readiness->registered &&
      !(readiness->marks.load(std::memory_order_relaxed) & (uint8_t)direction)) {
    readiness->marks.fetch_or((uint8_t)direction, std::memory_order_seq_cst);
  }
}

bool never_waits(int fd) {
  Readiness* readiness = table.existing(fd);
  return readiness != nullptr && readiness->has_no_readiness.load(std::memory_order_relaxed);
}

bool worth_trying(int fd, Direction direction) {
  Readiness* readiness = table.existing(fd);
  if (readiness == nullptr || !readiness->registered || !readiness->trusted) return true;
  return (readiness->marks.load(std::memory_order_acquire) & ((uint8_t)direction | sticky((uint8_t)direction))) != 0;
}

void pass_on(int fd, Direction direction) {
  Readiness* readiness = table.existing(fd);
  if (readiness == nullptr || readiness->waiting.load(std::memory_order_seq_cst) == 0) return;
  Held held(readiness->lock);
  wake_waiting(*readiness, (uint8_t)direction, true);
}

bool watch(int fd, Interest& interest) {
  Readiness* readiness = table.at(fd);
  if (readiness == nullptr) return false;
  Held held(readiness->lock);
  if (!ensure_registered(fd, *readiness)) return false;
  link(*readiness, interest);
  return true;
}

void unwatch(Interest& interest) {
  Readiness* readiness = interest.readiness;
  if (readiness == nullptr || !interest.waiter->is_of_this_process()) return;
  Held held(readiness->lock);  // [unlink-before-return]
  if (interest.readiness != nullptr) unlink(*readiness, interest);
}

void open_descriptor(int fd, bool trusted) {
  Readiness* readiness = table.existing(fd);
  if (readiness == nullptr) {
    if (!trusted) return;
    readiness = table.at(fd);
    if (readiness == nullptr) return;
  }
  Held held(readiness->lock);
  ++readiness->generation;  // [generation]
  readiness->registered = false;
  readiness->has_no_readiness = false;
  readiness->trusted = trusted;
  readiness->marks.store(0, std::memory_order_relaxed);
  evict(*readiness);
}

void close_descriptor(int fd, bool shared) {
  Readiness* readiness = table.existing(fd);
  if (readiness == nullptr) return;
  Held held(readiness->lock);
  if (readiness->registered && shared) event_loop::remove(fd);
  ++readiness->generation;  // [generation]
  readiness->registered = false;
  readiness->trusted = false;
  readiness->marks.store(0, std::memory_order_relaxed);
  evict(*readiness);
}

void descriptor_event(int fd, uint32_t generation, uint32_t events) {
  Readiness* readiness = table.existing(fd);
  if (readiness == nullptr) return;
  UNBLOCK_CHAOS_POINT();
  Held held(readiness->lock);
  if (readiness->generation != generation || !readiness->registered) return;
  uint8_t marks = 0;
  if (events & (EPOLLIN | EPOLLRDHUP)) marks |= in;
  if (events & EPOLLOUT) marks |= out;
  if (events & (EPOLLHUP | EPOLLERR)) marks |= in | out;
  if (events & EPOLLHUP) marks |= hang_up;
  if (events & EPOLLRDHUP) marks |= peer_done;
  if (events & EPOLLPRI) marks |= urgent | in;
  readiness->marks.fetch_or(marks, std::memory_order_seq_cst);
  wake_waiting(*readiness, marks & (in | out), false);
}

void stir_descriptor(int fd) {
  Readiness* readiness = table.existing(fd);
  if (readiness == nullptr) return;
  Held held(readiness->lock);
  readiness->marks.fetch_or(in | out, std::memory_order_seq_cst);
  for (Interest* each = readiness->first; each != nullptr; each = each->next) each->waiter->wake(Wakeup::ready);
}

void renew_registrations() {
  table.for_each([](int, Readiness& readiness) {
    Held held(readiness.lock);
    if (!readiness.registered) return;
    ++readiness.generation;
    readiness.registered = false;
    readiness.marks.store(0, std::memory_order_relaxed);
    for (Interest* each = readiness.first; each != nullptr; each = each->next) each->waiter->wake(Wakeup::ready);
  });
}

void forget_registrations() {
  table.for_each([](int, Readiness& readiness) {
    readiness.lock.reset();
    ++readiness.generation;
    readiness.registered = false;
    readiness.marks.store(0, std::memory_order_relaxed);
    readiness.waiting.store(0, std::memory_order_relaxed);
    readiness.first = readiness.last = nullptr;
  });
}

}  // namespace unblock
