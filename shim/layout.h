#pragma once
// The published layout: where in this process everything is that a reader from outside wants to see. libunblock.so
// exports it as `unblock_layout`. A debugger asks for that symbol; the `unblock` command, which must also read cores and
// libraries whose file is gone, looks for the magic in the library's writable data.
//
// The block describes itself. It holds no pointer but those that lead to the roots, its texts stand in it, and it lies
// in memory that the dynamic linker has written to, so a core file holds it, too. A reader finds a field by the names
// of its record and of itself, at an offset and with a size, and so needs no header of ours but this one. It goes by
// what it finds: a field that it does not know is not asked for, one that is missing is said to be.
//
// `version` is raised when a name that was there changes its meaning or goes; not when one is added.
//
// This header is the whole of what a reader shares with the library. The fields are chosen in layout.cc.

#include <cstdint>

namespace unblock::layout {

constexpr char magic[16] = "unblock layout\n";
constexpr uint32_t version = 1;

struct Header {
  char magic[16];
  const void* self;      // the address of this header: what tells it from a copy of the magic
  uint32_t version;      // of the names
  uint32_t size;         // of the whole block
  char library[16];      // the library's version
  uint64_t fingerprint;  // of all fields and values: two builds with the same one are laid out alike
  uint32_t roots_at, root_count;
  uint32_t fields_at, field_count;
  uint32_t values_at, value_count;
};

// A variable: the name of what stands there is in layout.cc.
struct Root {
  char name[24];
  const volatile void* address;
};

// A field of a record. The one with an empty name is the record as a whole.
struct Field {
  char record[24];
  char name[24];
  uint32_t offset;
  uint32_t size;
};

// A number that the meaning of fields depends on, such as one word of an enumeration: `Phase.parked`.
struct Value {
  char record[24];
  char name[24];
  uint64_t value;
};

}  // namespace unblock::layout
