// Static thread-local data of libraries that are opened later.
//
// A library built with the initial-exec model has its thread-local variables at a fixed distance from the thread
// pointer, in spare room of every block. When dlopen brings one, libc fills that room in the blocks of its own threads,
// before the library's constructors run. It does not know ours, so we do the same as soon as dlopen returns.
//
// States. A block is listed here from make_block to destroy_block. A library is known or new.
// Protocol. The caller of dlopen opens a window; there is one at a time, as libc itself has one dlopen at a time. It
// copies the caller's own thread-local area. When it closes, each new library is written into each listed block:
//   - a block that already has it, because it was made after the library came, is left alone;
//   - in the caller's block, where the library's constructors have perhaps run, only those bytes get initial values
//     that are still what they were before;
//   - any other block cannot have used the library yet, and gets them all.
// Races. A block being made meanwhile is listed before libc fills it, so both may write, and they write the same.
// Limits. A constructor that reads a non-zero initial value in a green thread that calls dlopen reads zero: libc offers
// no moment between loading a library and running its constructors. Libraries that libc loads by itself (character sets,
// name services, the unwinder) come without a window; they count as known and are right in younger blocks.
#pragma once

namespace unblock::glibc {

// Stands around each real dlopen and dlmopen. Nests within one thread.
// Suspends: never. Holds the carrier: while another thread's window is open. Call from: any thread.
class StaticTlsWindow {
 public:
  StaticTlsWindow();
  ~StaticTlsWindow();
  StaticTlsWindow(const StaticTlsWindow&) = delete;
  StaticTlsWindow& operator=(const StaticTlsWindow&) = delete;
};

// Exchanges libc's own thread-local variables between two blocks: malloc's arena and cache, errno, the locale.
// Suspends: never. Call from: a block that belongs to the same OS thread as both.
void swap_libc_variables(void* block, void* other);

// In the child of a fork only these blocks are left. Either may be null or a block of libc's own.
void keep_only_blocks(void* first, void* second);

// For this room only. What stands in front of each block that we made.
struct BlockRecord {
  BlockRecord* next;
  BlockRecord* previous;
  void* thread_pointer;
  unsigned long windows_before;  // how many had been opened when the block was made
};

void list_block(BlockRecord& record);
void unlist_block(BlockRecord& record);
BlockRecord& record_of(void* thread_pointer);

// Everything that is loaded now is known. Called once, while there is no block.
void know_all_libraries();

}  // namespace unblock::glibc
