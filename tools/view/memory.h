#pragma once
// The memory of a process that is looked at: a living one's, or what a core file holds of a dead one's. Reading changes
// nothing there and stops nobody.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unblock::tools::view {

// A range of the process's addresses.
struct Mapping {
  uint64_t begin, end;
  bool is_writable;
  uint64_t file_offset;  // of `begin`
  std::string path;      // of the file; empty, or in brackets, when it is none
};

class Memory {
 public:
  virtual ~Memory() = default;

  // Copies up to `size` bytes; returns how many from the front could be read.
  virtual size_t read(uint64_t address, void* to, size_t size) const = 0;

  bool read_all(uint64_t address, void* to, size_t size) const { return read(address, to, size) == size; }

  template <class T>
  std::optional<T> value(uint64_t address) const {
    T result;
    if (!read_all(address, &result, sizeof result)) return {};
    return result;
  }

  // The zero-terminated text at `address`, at most `most` bytes of it; empty when there is none.
  std::string text(uint64_t address, size_t most = 256) const;
};

}  // namespace unblock::tools::view
