// The three slots through which every FILE reads, writes and closes.
//
// libc calls itself without going through anybody's symbol table, so no interposed name sees the read(2) inside
// fgets(3). But a FILE reaches its descriptor through a table of functions, and the tables for files, wide files and
// popen's pipes hold _IO_file_read, _IO_file_write and _IO_file_close, which nothing else in libc calls. libc checks
// that a FILE's table is one of its own, not what stands in it. So the slots are overwritten, once, and every FILE
// arrives in our functions: also stdin, also the ones that libc opens for itself. The FILE objects stay as they are.
//
// Left out by libc's own construction: dprintf(3) writes by itself since 2.37, and pclose(3) has its own close.
#pragma once

#include <stdio.h>
#include <sys/types.h>

namespace unblock::glibc {

using ReadSlot = ssize_t (*)(FILE*, void*, ssize_t);
using WriteSlot = ssize_t (*)(FILE*, const void*, ssize_t);
using CloseSlot = int (*)(FILE*);

// Puts the three functions into all slots. Returns null, or why it could not be done, as the end of a sentence; then
// nothing was changed. Call once, when green threads begin; other threads may be using FILEs meanwhile.
const char* patch_stdio_slots(ReadSlot read, WriteSlot write, CloseSlot close);

// What stood in the slots. The replacements call these for FILEs that need nothing else. The close slot is called with
// the descriptor still open, and must end in original_close, which closes it without an interposable call.
// Valid once patch_stdio_slots has returned null.
ssize_t original_read(FILE* file, void* data, ssize_t size);
ssize_t original_write(FILE* file, const void* data, ssize_t size);
int original_close(FILE* file);

// True for FILEs whose reads and writes are no cancellation points: fopen's mode "c", which libc uses for its own.
bool is_uncancellable(FILE* file);

// What a write slot has to do besides calling write(descriptor, data, size): go on until everything is written or an
// error comes, and keep the FILE's position and error mark. Returns how many bytes were written.
template <typename Write>
ssize_t write_whole(FILE* file, const void* data, ssize_t size, Write write) {
  constexpr int error_seen = 0x20;
  auto next = static_cast<const char*>(data);
  ssize_t left = size;
  while (left > 0) {
    const ssize_t written = write(file->_fileno, next, static_cast<size_t>(left));
    if (written < 0) {
      file->_flags |= error_seen;
      break;
    }
    next += written;
    left -= written;
  }
  if (file->_offset >= 0) file->_offset += size - left;
  return size - left;
}

}  // namespace unblock::glibc
