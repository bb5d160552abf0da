#include "shim/stdio.h"

#include <stdio.h>

#include "shim/glibc/stdio_slots.h"
#include "shim/lifecycle.h"
#include "shim/transfer.h"

namespace unblock::stdio {
namespace {

ssize_t read_file(FILE* file, void* data, ssize_t size) {
  if (!lifecycle::on_green()) return glibc::original_read(file, data, size);
  if (!glibc::is_uncancellable(file)) cancellation::test();
  return answer(transfer::read(file->_fileno, data, (size_t)size));
}

ssize_t write_file(FILE* file, const void* data, ssize_t size) {
  if (!lifecycle::on_green()) return glibc::original_write(file, data, size);
  if (!glibc::is_uncancellable(file)) cancellation::test();
  return glibc::write_whole(
      file, data, size, [](int fd, const char* from, size_t left) { return answer(transfer::write(fd, from, left)); });
}

int close_file(FILE* file) {
  if (file->_fileno >= 0) open_files::closing(file->_fileno);
  return in_region([&] { return glibc::original_close(file); });
}

}  // namespace

void begin() {
  if (const char* why = glibc::patch_stdio_slots(read_file, write_file, close_file)) {
    kernel::say_line("stdio blocks its OS thread while it waits: ", why);
  }
}

}  // namespace unblock::stdio
