#include "shim/real.h"

#include <errno.h>

#include "shim/glibc/symbols.h"

namespace unblock::real {

// Their first values are constants: there is no call too early for them.
#define X(name, family)                                                    \
  extern decltype(::name) find_##name __asm__("unblock_find_real_" #name); \
  constinit decltype(::name)* name = find_##name;
#include "shim/interposed.def"
#include "shim/real_only.def"
#undef X

// Those that we call by their own names; here their types do not matter.
#define X(name, family)                                          \
  extern char find_##name[] __asm__("unblock_find_real_" #name); \
  extern void* called_##name __asm__("unblock_real_" #name);     \
  constinit void* called_##name = find_##name;
#include "shim/libc_calls.def"
#undef X

namespace {

long missing() {
  errno = ENOSYS;
  return -1;
}

struct Entry {
  void** found;
  const char* name;
};

const Entry entries[] = {
#define X(name, family) {reinterpret_cast<void**>(&real::name), #name},
#include "shim/interposed.def"
#include "shim/real_only.def"
#undef X
#define X(name, family) {&called_##name, #name},
#include "shim/libc_calls.def"
#undef X
};

}  // namespace

void find_all() {
  for (const Entry& entry : entries) {
    void* function = glibc::find(entry.name);
    *entry.found = function != nullptr ? function : reinterpret_cast<void*>(&missing);
  }
}

void moved(void* function, void* copy) {
  for (const Entry& entry : entries) {
    if (*entry.found == function) *entry.found = copy;
  }
}

}  // namespace unblock::real
