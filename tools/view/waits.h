#pragma once
// What a green thread waits for, in words: the descriptor with both addresses, the lock with its owner, the thread that
// it joins, the system call that it is in.

#include <map>
#include <unordered_map>

#include "tools/view/descriptors.h"
#include "tools/view/greens.h"

namespace unblock::tools::view {

struct Wait {
  std::string kind;  // the library's word, or "system call"; empty: it waits for nothing that is known

  std::string direction;         // descriptor: "read" or "write"
  std::vector<int> descriptors;  // descriptor, poll, system call: the first few
  Endpoints endpoints;           // of the only descriptor
  uint64_t address = 0;          // of the object
  std::string object;            // mutex: "recursive", "error-checking", …
  uint64_t owner = 0;            // mutex, rwlock: the green thread that has it; join: the one that is joined
  int owner_tid = 0;             // where it is none of ours
  std::string system_call;

  // One line; empty when there is no kind.
  std::string text() const;
};

class Waits {
 public:
  // `all` are the green threads among which owners are looked for; it must live as long as this.
  Waits(const Greens& greens, const std::vector<Green>& all);

  Wait of(const Green& green);

 private:
  void find_descriptor(const Green& green, Wait& wait);
  void find_polled(const Green& green, Wait& wait);
  void find_owner(const Green& green, Wait& wait, uint64_t tid_offset);
  void find_joined(const Green& green, Wait& wait);
  void find_system_call(const Green& green, Wait& wait);
  void add_endpoints(Wait& wait);

  const Greens& greens_;
  Descriptors descriptors_;
  std::unordered_map<int, uint64_t> id_of_tid_;
  std::unordered_map<uint64_t, uint64_t> id_of_record_;
};

}  // namespace unblock::tools::view
