#pragma once
// What a thread waits for, as reports say it: "waits for …". Async-signal-safe.

#include "shim/lines.h"
#include "shim/thread.h"

namespace unblock {

// Such as "a condition"; an empty text for none.
const char* words_of(WaitKind kind);

// The kind, the object with its owner, and for how long, of a thread that waits: "a mutex 0x… of thread 2 "x" for 12 ms".
// At most so many locks in a row are asked for owners that are not the one before's: the search goes through all threads.
class Waits {
 public:
  void add(Lines& lines, const GreenThread& green);

 private:
  const Thread* owner_of(const GreenThread& green);

  int searches_left_ = 1000;
  int tid_ = 0;
  const Thread* owner_ = nullptr;  // of tid_
};

// `thread 3 "name"`.
Lines& operator<<(Lines& lines, const Thread& thread);

}  // namespace unblock
