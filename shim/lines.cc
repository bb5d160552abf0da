#include "shim/lines.h"

namespace unblock {

void Lines::add(char c) {
  if (length_ == sizeof bytes_ - 1) write();
  bytes_[length_++] = c;
}

Lines& Lines::operator<<(const char* text) {
  for (; *text != 0; ++text) add(*text);
  return *this;
}

Lines& Lines::operator<<(uint64_t number) {
  char digits[24];
  return *this << kernel::decimal(digits, (int64_t)number);
}

Lines& Lines::operator<<(const void* address) {
  auto number = reinterpret_cast<uintptr_t>(address);
  int shift = 60;
  while (shift > 0 && (number >> shift & 15) == 0) shift -= 4;
  *this << "0x";
  for (; shift >= 0; shift -= 4) add("0123456789abcdef"[number >> shift & 15]);
  return *this;
}

void Lines::write() {
  kernel::invoke(SYS_write, 2, bytes_, length_);
  length_ = 0;
}

const char* Lines::text() {
  bytes_[length_] = 0;
  return bytes_;
}

}  // namespace unblock
