#pragma once
// A blocking region: the calling thread is about to make a system call that may block without a readiness to wait
// for. It runs in place, on its own stack and block; when it lasts, its processor goes to another carrier. The
// thread goes on without a processor, as an ordinary OS thread, until it next waits.

namespace unblock {

// Free when it is short: two stores. The monitor takes the processor of one that lasts.
class Region {
 public:
  Region();
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
};

// For calls that usually last (sigwait, a lock of a file): gives the processor away at once.
class LongRegion : Region {
 public:
  LongRegion();
};

}  // namespace unblock
