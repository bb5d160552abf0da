#include "shim/real.h"

#include <errno.h>

#include "shim/glibc/symbols.h"

namespace unblock::real {

#define X(name, family) Function<decltype(::name)> name;
#include "shim/interposed.def"
#include "shim/real_only.def"
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
#define X(name, family) {reinterpret_cast<void**>(&real::name.found), #name},
#include "shim/interposed.def"
#include "shim/real_only.def"
#undef X
};

}  // namespace

void find_all() {
  for (const Entry& entry : entries) {
    void* function = glibc::find(entry.name);
    *entry.found = function != nullptr ? function : reinterpret_cast<void*>(&missing);
  }
}

}  // namespace unblock::real
