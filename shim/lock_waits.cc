#include "shim/lock_waits.h"

#include "scheduler/carrier.h"
#include "scheduler/monitor.h"
#include "scheduler/ticks.h"
#include "shim/lock_owner.h"
#include "shim/named_lines.h"
#include "shim/reporter.h"
#include "shim/stack_of.h"
#include "shim/wait_words.h"

namespace unblock::lock_waits {
namespace {

// One wait of a thread, as it was when it was looked at.
struct Wait {
  WaitKind kind;
  const void* object;
  uint64_t word, since;  // what tells it from the thread's next wait
  bool operator==(const Wait&) const = default;
};

struct Object {
  const void* address;
  WaitKind kind;
  Thread* waiter;  // who has waited longest
  Wait wait;
  uint64_t waiters;
  int owner_tid;  // 0: not known
  Thread* owner;
  Wait owners_wait;
  bool is_done;
};

constexpr size_t most_objects = 1024;
Object objects[most_objects];
size_t object_count;

Wait wait_of(const Thread& thread) {
  const GreenThread& green = thread.green;
  return {green.wait_kind, green.waiting_for, green.wait_word.load(std::memory_order_acquire), green.waiting_since};
}

// What began before this moment lasts long.
struct Since {
  uint64_t ticks;
  int64_t nanoseconds;
};

uint64_t ticks_before(int64_t nanoseconds) {
  uint64_t now = ticks::now();
  int64_t elapsed = kernel::now() - ticks::begin.nanoseconds.load(std::memory_order_relaxed);
  double rate = (double)(now - ticks::begin.ticks.load(std::memory_order_relaxed)) / (double)(elapsed + 1);
  return now - (uint64_t)(rate * (double)nanoseconds);
}

Object* find(const void* address) {
  for (size_t i = 0; i < object_count; ++i) {
    if (objects[i].address == address) return &objects[i];
  }
  return nullptr;
}

void note_waiter(Thread& thread, uint64_t long_ago) {
  Wait wait = wait_of(thread);
  if (!has_owner(wait.kind) || wait.since > long_ago || !is_alive(thread)) return;
  Object* object = find(wait.object);
  if (object == nullptr) {
    if (object_count == most_objects) return;
    object = &objects[object_count++];
    *object = {wait.object, wait.kind, &thread, wait, 0, 0, nullptr, {}, false};
  }
  ++object->waiters;
  if (wait.since < object->wait.since) {
    object->waiter = &thread;
    object->wait = wait;
  }
}

void note_owner(Thread& thread) {
  for (size_t i = 0; i < object_count; ++i) {
    Object& object = objects[i];
    bool owns = object.kind == WaitKind::join ? joined(object.address) == &thread : object.owner_tid == thread.tid;
    if (!owns || !is_alive(thread)) continue;
    object.owner = &thread;
    object.owners_wait = wait_of(thread);
  }
}

void read_all(uint64_t long_ago) {
  object_count = 0;
  threads.for_each([&](Thread& each) { note_waiter(each, long_ago); });
  if (object_count == 0) return;
  for (size_t i = 0; i < object_count; ++i) {
    if (objects[i].kind != WaitKind::join) objects[i].owner_tid = owner_tid_of(objects[i].kind, objects[i].address);
  }
  threads.for_each(note_owner);
}

// What the owner of `object` waits for in its turn; null: for no lock.
Object* next_of(const Object& object) {
  return object.owner != nullptr && has_owner(object.owners_wait.kind) ? find(object.owners_wait.object) : nullptr;
}

// The second reading.
bool still_holds(const Object& object) {
  if (wait_of(*object.owner) != object.owners_wait) return false;
  return object.kind == WaitKind::join || owner_tid_of(object.kind, object.address) == object.owner_tid;
}

const char* noun(WaitKind kind) { return kind == WaitKind::rwlock ? "rwlock" : "mutex"; }

StackOf stack_of_waiting(Thread& thread) {
  StackOf stack = stack_of_parked(thread);
  return stack.count != 0 ? stack : stack_of_running(thread);  // one with an OS thread of its own
}

void tell_of_wait(Lines& lines, Thread& waiter, const Object& object) {
  lines << "unblock: " << waiter;
  if (object.kind == WaitKind::join) {
    lines << " waits for the end of " << *object.owner << ", at\n";
  } else {
    lines << " waits for " << noun(object.kind) << " " << object.address << ", which ";
    if (object.owner == &waiter) lines << "it holds itself, at\n";
    else lines << *object.owner << " holds, at\n";
  }
}

// `first` is in a cycle, whose every edge holds. The owner of each object waits for the next one.
void report_deadlock(Object& first, Lines& lines) {
  StackOf stacks[16];
  uint64_t count = 0, place = 0;
  Object* object = &first;
  do {
    if (count < 16) {
      stacks[count] = stack_of_waiting(*object->owner);
      place ^= reinterpret_cast<uint64_t>(stacks[count].place());
    }
    ++count;
    object->is_done = true;
    object = next_of(*object);
  } while (object != &first);
  if (reporter::is_known(place)) return;
  lines << "unblock: deadlock of " << count << (count == 1 ? " thread\n" : " threads\n");
  for (uint64_t i = 0; i < count && i < 16; ++i) {
    Object* next = next_of(*object);
    tell_of_wait(lines, *object->owner, *next);
    named_lines::add(lines, stacks[i]);
    object = next;
  }
  named_lines::print(lines);
}

bool is_certain(Object& first) {
  Object* object = &first;
  do {
    if (!still_holds(*object)) return false;
    object = next_of(*object);
  } while (object != &first);
  return true;
}

uint64_t milliseconds_since(uint64_t ticks) { return (uint64_t)(ticks::nanoseconds_since(ticks) / 1'000'000); }

void add_waiters(const Object& object, Lines& lines) {
  lines << "unblock: " << object.waiters << (object.waiters == 1 ? " thread waits" : " threads wait")
        << " for that lock, the longest: " << *object.waiter << ", at\n";
  named_lines::add(lines, stack_of_parked(*object.waiter));
}

// The owner waits for something that is no lock, while others wait for the lock.
void report_wait(const Object& object, Lines& lines) {
  StackOf stack = stack_of_parked(*object.owner);
  if (stack.count == 0 || reporter::is_known(reinterpret_cast<uint64_t>(stack.place()))) return;
  lines << "unblock: lock held across a wait: " << *object.owner << " holds " << noun(object.kind) << " "
        << object.address << " and has waited for " << words_of(object.owners_wait.kind) << " for "
        << milliseconds_since(object.owners_wait.since) << " ms, at\n";
  named_lines::add(lines, stack);
  add_waiters(object, lines);
  named_lines::print(lines);
}

// Since when the thread has been in a call that blocks its OS thread, as far as the reporter has seen it; 0: it is in none.
int64_t in_call_since(const Thread& thread) {
  const Carrier* carrier = thread.green.carrier.load(std::memory_order_acquire);
  if (carrier == nullptr || carrier->running.load(std::memory_order_acquire) != &thread.green) return 0;
  const Watched& seen = carrier->watched;
  if (carrier->in_region.load(std::memory_order_relaxed)) {
    return seen.regions == carrier->statistics.regions ? seen.region_since : 0;
  }
  // One that the library does not know: it neither computes nor waits for a CPU.
  if (seen.switches != carrier->statistics.switches + 1) return 0;
  int64_t computed = monitor::cpu_time(carrier->kernel_tid) - seen.cpu_time;
  bool computes = 4 * computed >= kernel::now() - seen.since || monitor::is_runnable(carrier->kernel_tid);
  return computes ? 0 : seen.since;
}

// The owner is not asked where its call is, since that might end with EINTR: the place is where the others wait.
void report_blocking_call(const Object& object, int64_t nanoseconds, Lines& lines) {
  StackOf stack = stack_of_parked(*object.waiter);
  if (stack.count == 0 || reporter::is_known(reinterpret_cast<uint64_t>(stack.place()))) return;
  lines << "unblock: lock held across a blocking call: " << *object.owner << " holds " << noun(object.kind) << " "
        << object.address << " and has been in that call for " << (uint64_t)(nanoseconds / 1'000'000)
        << " ms (see 'unblock stack')\n";
  add_waiters(object, lines);
  named_lines::print(lines);
}

void report_held(const Object& object, const Since& long_ago, Lines& lines) {
  const Wait& wait = object.owners_wait;
  if (object.kind == WaitKind::join || has_owner(wait.kind)) return;
  if (wait.kind != WaitKind::none) {
    if (wait.since <= long_ago.ticks && still_holds(object)) report_wait(object, lines);
  } else if (int64_t since = in_call_since(*object.owner); since != 0 && since <= long_ago.nanoseconds) {
    if (still_holds(object)) report_blocking_call(object, kernel::now() - since, lines);
  }
}

// Follows the edges from one object, as far as there are new ones. A cycle is found from each of its objects; the first
// one that leads back to itself tells of it.
void follow(Object& first, const Since& long_ago, Lines& lines) {
  Object* object = &first;
  for (size_t steps = 0; steps <= object_count; ++steps) {
    if (object->is_done || object->owner == nullptr) return;
    Object* next = next_of(*object);
    if (next == nullptr) {
      object->is_done = true;
      return report_held(*object, long_ago, lines);
    }
    object = next;
    if (object == &first) {
      if (is_certain(first)) report_deadlock(first, lines);
      return;
    }
  }
}

}  // namespace

int64_t look(int64_t threshold, Lines& lines) {
  int64_t begin = kernel::now();
  Since long_ago = {ticks_before(threshold), begin - threshold};
  read_all(long_ago.ticks);
  int64_t took = kernel::now() - begin;
  for (size_t i = 0; i < object_count; ++i) follow(objects[i], long_ago, lines);
  return took;
}

}  // namespace unblock::lock_waits
