#include "shim/entries.h"

#include "scheduler/local.h"
#include "shim/glibc/code_memory.h"
#include "shim/glibc/entry_code.h"
#include "shim/glibc/symbols.h"
#include "shim/real.h"

extern "C" __attribute__((visibility("hidden"))) uint8_t unblock_entry_copies[4096];
#define X(name) extern "C" __attribute__((visibility("hidden"))) const uint8_t unblock_entry_##name[];
#include "shim/entries.def"
#undef X

namespace unblock::entries {
namespace {

static_assert(offsetof(Local, spawning) == 44, "entries.S names the field by this number");

struct Entry {
  const char* name;
  const void* instead;
};

constexpr Entry all[] = {
#define X(name) {#name, unblock_entry_##name},
#include "shim/entries.def"
#undef X
};
constexpr size_t most = sizeof all / sizeof *all;
static_assert(most * glibc::copy_room <= sizeof unblock_entry_copies);

struct Change {
  void* function;
  uint8_t* copy;
  glibc::EntryPlan plan;
  uint8_t jump[glibc::jump_size];
};

Change changes[most];
size_t changed_count;
const char* why_not;

bool is_planned(const void* function, size_t planned) {
  for (size_t i = 0; i < planned; ++i) {
    if (changes[i].function == function) return true;
  }
  return false;
}

bool plan(const Entry& entry, Change& change, uint8_t* copy) {
  glibc::Definition definition = glibc::definition_of(entry.name);
  if (definition.library == nullptr || definition.library != glibc::libc_library()) return false;
  change.function = glibc::find(entry.name);
  change.copy = copy;
  return glibc::plan_entry(static_cast<uint8_t*>(change.function), definition.symbol->st_size, copy, change.plan) &&
         glibc::encode_jump(change.plan.place, entry.instead, change.jump);
}

size_t plan_all() {
  size_t planned = 0;
  for (const Entry& entry : all) {
    bool understood = plan(entry, changes[planned], unblock_entry_copies + planned * glibc::copy_room);
    if (understood && !is_planned(changes[planned].function, planned)) ++planned;
  }
  return planned;
}

}  // namespace

const char* begin() {
  size_t planned = plan_all();
  bool children_are_marked = is_planned(glibc::find("posix_spawn"), planned);
  if (!children_are_marked || !is_planned(glibc::find("posix_spawnp"), planned)) {
    return why_not = "its posix_spawn is not as we know it";
  }
  glibc::CodeMemory memory(unblock_entry_copies);
  if (!memory.is_writable()) return why_not = "its memory cannot be written";
  for (size_t i = 0; i < planned; ++i) memory.write(changes[i].copy, changes[i].plan.copy, changes[i].plan.copy_size);
  for (size_t i = 0; i < planned; ++i) real::moved(changes[i].function, changes[i].copy);
  for (size_t i = 0; i < planned; ++i) memory.write(changes[i].plan.place, changes[i].jump, sizeof changes[i].jump);
  changed_count = planned;
  return nullptr;
}

bool changed() { return changed_count != 0; }
size_t count() { return changed_count; }
const char* reason() { return why_not; }

}  // namespace unblock::entries
