#include "scheduler/timer.h"

#include "scheduler/wait.h"

namespace unblock {
namespace {

// Makes the later of two heaps a child of the earlier.
Timer* meld(Timer* a, Timer* b) {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  if (b->at < a->at) {
    Timer* earlier = b;
    b = a;
    a = earlier;
  }
  b->sibling = a->child;
  if (a->child != nullptr) a->child->previous = b;
  b->previous = a;
  a->child = b;
  a->sibling = a->previous = nullptr;
  return a;
}

// The two passes of a pairing heap over a list of siblings, without recursion.
Timer* meld_siblings(Timer* first) {
  Timer* pairs = nullptr;
  while (first != nullptr) {
    Timer* a = first;
    Timer* b = a->sibling;
    first = b != nullptr ? b->sibling : nullptr;
    a->sibling = a->previous = nullptr;
    if (b != nullptr) b->sibling = b->previous = nullptr;
    Timer* pair = meld(a, b);
    pair->sibling = pairs;
    pairs = pair;
  }
  Timer* root = nullptr;
  while (pairs != nullptr) {
    Timer* next = pairs->sibling;
    pairs->sibling = nullptr;
    root = meld(root, pairs);
    pairs = next;
  }
  return root;
}

}  // namespace

void TimerHeap::set_root(Timer* root) {
  root_ = root;
  earliest_.store(root != nullptr ? root->at : INT64_MAX, std::memory_order_seq_cst);
}

void TimerHeap::insert(Timer& timer) {
  Held held(lock_);
  timer.child = timer.sibling = timer.previous = nullptr;
  __atomic_store_n(&timer.heap, this, __ATOMIC_RELAXED);
  set_root(meld(root_, &timer));
}

void TimerHeap::unlink(Timer& timer) {
  Timer* children = meld_siblings(timer.child);
  if (&timer == root_) {
    set_root(children);
  } else {
    if (timer.previous->child == &timer) {
      timer.previous->child = timer.sibling;
    } else {
      timer.previous->sibling = timer.sibling;
    }
    if (timer.sibling != nullptr) timer.sibling->previous = timer.previous;
    set_root(meld(root_, children));
  }
  __atomic_store_n(&timer.heap, nullptr, __ATOMIC_RELEASE);  // pairs with Waiter::wait, which may return at once
}

void TimerHeap::remove(Timer& timer) {
  Held held(lock_);
  if (timer.heap == this) unlink(timer);
}

int TimerHeap::fire(int64_t now) {
  Held held(lock_);
  int fired = 0;
  while (root_ != nullptr && root_->at <= now) {
    Timer& due = *root_;
    due.waiter->wake(Wakeup::timed_out);
    unlink(due);  // last: from here on the waiter may be gone [unlink-before-return]
    ++fired;
  }
  return fired;
}

void TimerHeap::forget_all() {
  lock_.reset();
  set_root(nullptr);
}

}  // namespace unblock
