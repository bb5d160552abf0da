// A library that contains shim/glibc/symbols.cc and says where it stands: preloaded, or opened by dlopen.
#include "shim/glibc/symbols.h"

extern "C" __attribute__((visibility("default"))) bool opened_library_stands_before_libc() {
  return unblock::glibc::stands_before_libc();
}
