#include "shim/call_chain.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <string.h>

#include "shim/glibc/symbols.h"
#include "shim/real.h"

// Where the linker has put us.
extern "C" {
extern const char __ehdr_start __attribute__((visibility("hidden")));
extern const char _end __attribute__((visibility("hidden")));
}

namespace unblock::call_chain {
namespace {

bool is_primed;
bool has_find_object;  // _dl_find_object(3), which a libgcc of the same age asks instead of dl_iterate_phdr(3)

// Frames of ours that may stand below the program's.
constexpr int most_of_ours = 24;

}  // namespace

bool prime() {
  void* frame;
  has_find_object = glibc::find("_dl_find_object") != nullptr;
  return is_primed = is_primed || backtrace(&frame, 1) > 0;
}

bool takes_no_lock() { return has_find_object; }

void* function_at(void* return_address) {
  using Find = void* (*)(void*);
  // The name has a version, for which dlsym looks in that library alone; it was loaded by prime().
  static auto find = [] {
    void* library = real::dlopen("libgcc_s.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return library != nullptr ? reinterpret_cast<Find>(dlsym(library, "_Unwind_FindEnclosingFunction")) : nullptr;
  }();
  return find != nullptr ? find(return_address) : nullptr;
}

bool is_ours(const void* address) { return address >= &__ehdr_start && address < &_end; }

int record(void** frames, int count) {
  if (!is_primed) return 0;
  void* all[most + most_of_ours];
  int wanted = count + most_of_ours;
  int found = backtrace(all, wanted < most + most_of_ours ? wanted : most + most_of_ours);
  int first = 0;
  while (first < found && is_ours(all[first])) ++first;
  int kept = found - first < count ? found - first : count;
  memcpy(frames, all + first, kept * sizeof *frames);
  return kept;
}

}  // namespace unblock::call_chain
