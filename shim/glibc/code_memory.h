// Writing to memory that holds code of this process, so that it is never writable and executable at once.
//
// The first way is the kernel's own door, /proc/self/mem: it asks for no protection, changes none, and is open where
// filters forbid to make memory executable (MemoryDenyWriteExecute). Where there is no /proc, or the kernel keeps that
// door shut, pages become writable and not executable for a moment. That is tried with a page of ours first: where what
// was written may not become executable again, only that page is lost, and nobody has run anything in it.
//
// Call while no other thread runs code of these pages. Signals are blocked in between.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unblock::glibc {

class CodeMemory {
 public:
  // `trial` is a page of code that nobody runs, and may never run if this fails.
  explicit CodeMemory(uint8_t* trial);
  ~CodeMemory();
  CodeMemory(const CodeMemory&) = delete;

  // False: nothing can be written, and nothing was.
  bool is_writable() const { return way_ != Way::none; }

  // Writes `size` bytes, within one page; at most eight, within one aligned word, are stored at once.
  void write(uint8_t* place, const uint8_t* bytes, size_t size);

 private:
  enum class Way { none, kernel, protection };

  bool write_by_kernel(uint8_t* place, const uint8_t* bytes, size_t size);
  bool write_by_protection(uint8_t* place, const uint8_t* bytes, size_t size);

  long file_;
  Way way_ = Way::none;
  uint64_t mask_before_;
};

}  // namespace unblock::glibc
