#pragma once
// A first-in-first-out list of runnable green threads, linked through them. Whoever owns the list brings the lock.

#include "scheduler/green_thread.h"

namespace unblock {

class RunQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  size_t length() const { return length_; }

  void push_back(GreenThread& green) {
    green.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &green;
    last_ = &green;
    ++length_;
  }

  GreenThread* pop_front() {
    GreenThread* green = first_;
    if (green == nullptr) return nullptr;
    first_ = green->next;
    --length_;
    return green;
  }

  void append(RunQueue& other) {
    if (other.empty()) return;
    (first_ == nullptr ? first_ : last_->next) = other.first_;
    last_ = other.last_;
    length_ += other.length_;
    other = RunQueue();
  }

  // Moves the older half (rounded up) of `other` here.
  void take_half_of(RunQueue& other) {
    for (size_t count = (other.length_ + 1) / 2; count > 0; --count) push_back(*other.pop_front());
  }

 private:
  GreenThread* first_ = nullptr;
  GreenThread* last_ = nullptr;
  size_t length_ = 0;
};

}  // namespace unblock
