// The first instructions of a function of libc: can they be moved somewhere else, and five bytes be put in their place?
//
// Only instructions that this file knows are believed. Each means the same at another address, after its distance to
// what it names has been corrected. Whatever is unknown makes the answer no: also a breakpoint of a debugger, or the
// change of somebody who came before us.
//
// Pure functions of the bytes that they are given. Thread-safe, async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unblock::glibc {

constexpr size_t jump_size = 5;
constexpr size_t copy_room = 32;

// How an entry will be changed.
struct EntryPlan {
  uint8_t* place;           // where the jump goes: behind the mark of an indirect branch's target, if there is one
  uint8_t copy[copy_room];  // what to put at the copy's address: the instructions, and a jump to the rest
  size_t copy_size;
};

// Plans to change the function of `size` bytes at `function`, whose copy will be at `copy_address`. False: this
// function must be left alone.
bool plan_entry(uint8_t* function, size_t size, const uint8_t* copy_address, EntryPlan& plan);

// Writes a jump at `place` to `target` into `bytes`. False: it is too far.
bool encode_jump(const uint8_t* place, const void* target, uint8_t (&bytes)[jump_size]);

}  // namespace unblock::glibc
