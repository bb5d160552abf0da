// dlopen(3) and its family. While libc loads a library and runs its constructors it holds a lock of the loader, so the
// calling thread keeps its carrier. Afterwards every live thread block gets the new library's thread-local variables.
//
// libc finds out by its return address who calls: that decides which run paths count. So the real function is entered
// with a return address inside the caller's own library: that of a `ret` instruction, which comes back to us.

#include <dlfcn.h>

#include "shim/blocking_call.h"
#include "shim/glibc/static_tls.h"
#include "shim/lifecycle.h"
#include "shim/real.h"

using namespace unblock;

extern "C" __attribute__((visibility("hidden"))) void* unblock_call_from_(const void* return_instruction,
                                                                          void* function, long a, long b, long c);

namespace {

// Any 0xc3 byte in executable memory returns, also one in the middle of another instruction. Code goes on after a call.
const void* return_instruction_after(const void* caller) {
  auto byte = static_cast<const unsigned char*>(caller);
  while (*byte != 0xc3) ++byte;
  return byte;
}

// DESIGN: an unlock or a wake that bypasses us loses a waiter.
int without_deepbind(int flags) { return lifecycle::native_reason() == nullptr ? flags & ~RTLD_DEEPBIND : flags; }

class Pinned {
 public:
  Pinned() { here.pinned = here.pinned + 1; }
  ~Pinned() { here.pinned = here.pinned - 1; }
};

void* open(const void* caller, void* function, long a, long b, long c) {
  const void* from = return_instruction_after(caller);
  if (!lifecycle::active()) return unblock_call_from_(from, function, a, b, c);
  Pinned pinned;
  Region region;
  glibc::StaticTlsWindow window;
  return unblock_call_from_(from, function, a, b, c);
}

}  // namespace

INTERPOSED void* dlopen(const char* file, int flags) noexcept {
  return open(__builtin_return_address(0), (void*)(decltype(&::dlopen))real::dlopen, (long)file,
              without_deepbind(flags), 0);
}

INTERPOSED void* dlmopen(Lmid_t list, const char* file, int flags) noexcept {
  return open(__builtin_return_address(0), (void*)(decltype(&::dlmopen))real::dlmopen, (long)list, (long)file,
              without_deepbind(flags));
}

INTERPOSED int dlclose(void* handle) noexcept {
  if (!lifecycle::active()) return real::dlclose(handle);
  Pinned pinned;
  return in_region([&] { return real::dlclose(handle); });
}
