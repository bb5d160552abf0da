#pragma once
// A text of several lines for standard error, written in as few calls as its buffer allows, so that what several
// threads and processes say does not mix. Allocates nothing. Async-signal-safe, as far as its methods say no other.

#include <stdint.h>

#include "scheduler/kernel.h"

namespace unblock {

class Lines {
 public:
  Lines& operator<<(const char* text);
  Lines& operator<<(uint64_t number);
  Lines& operator<<(const void* address);  // 0x…

  // Writes what there is to standard error and empties it.
  void write();
  // What there is, zero-terminated.
  const char* text();
  void clear() { length_ = 0; }

 private:
  void add(char c);

  char bytes_[32 * 1024];
  size_t length_ = 0;
};

}  // namespace unblock
