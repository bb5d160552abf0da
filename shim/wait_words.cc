#include "shim/wait_words.h"

#include "scheduler/readiness.h"
#include "scheduler/ticks.h"
#include "shim/lock_owner.h"

namespace unblock {
namespace {

constexpr const char* words[] = {
    "",          "a descriptor", "descriptors", "a mutex", "a condition",     "a semaphore", "a rwlock", "a once",
    "a barrier", "a spin lock",  "a futex",     "a join",  "a point in time", "a signal",    "a child"};
static_assert(sizeof words / sizeof *words == (int)WaitKind::count);

}  // namespace

const char* words_of(WaitKind kind) { return kind < WaitKind::count ? words[(int)kind] : ""; }

const Thread* Waits::owner_of(const GreenThread& green) {
  if (!has_owner(green.wait_kind)) return nullptr;
  if (green.wait_kind == WaitKind::join) return joined(green.waiting_for);
  int tid = owner_tid_of(green.wait_kind, green.waiting_for);
  if (tid == 0 || tid == tid_) return tid == 0 ? nullptr : owner_;
  if (searches_left_-- <= 0) return nullptr;
  tid_ = tid;
  owner_ = nullptr;
  threads.for_each_unlocked([&](Thread& each) {
    if (each.tid == tid && is_alive(each)) owner_ = &each;
  });
  return owner_;
}

void Waits::add(Lines& lines, const GreenThread& green) {
  WaitKind kind = green.wait_kind;
  auto object = reinterpret_cast<uintptr_t>(green.waiting_for);
  lines << words_of(kind);
  if (kind == WaitKind::descriptor) {
    lines << " " << (uint64_t)(uint32_t)object << ((object >> 32) == (uint64_t)Direction::in ? " (read)" : " (write)");
  } else if (object != 0 && kind != WaitKind::poll && kind != WaitKind::join) {
    lines << " " << green.waiting_for;
  }
  if (const Thread* owner = owner_of(green)) lines << " of " << *owner;
  lines << " for " << (uint64_t)(ticks::nanoseconds_since(green.waiting_since) / 1'000'000) << " ms";
}

Lines& operator<<(Lines& lines, const Thread& thread) {
  return lines << "thread " << thread.id << " \"" << thread.name << "\"";
}

}  // namespace unblock
