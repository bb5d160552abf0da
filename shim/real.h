#pragma once
// The real functions: real::recv is libc's recv, with the type that its header gives it. They are found by our own
// walk of libc's symbol tables, in our constructor or at the first call, whichever comes first.

#include "shim/glibc/private_names.h"

namespace unblock::real {

void find_all();

// A function pointer that fills itself in. A name that this libc does not have answers -1 with ENOSYS.
template <class Signature>
struct Function {
  Signature* found;

  operator Signature*() const {
    if (__builtin_expect(found == nullptr, 0)) find_all();
    return found;
  }
};

#define X(name, family) extern Function<decltype(::name)> name;
#include "shim/interposed.def"
#include "shim/real_only.def"
#undef X

}  // namespace unblock::real

// An interposed name: visible, without a version, so that it stands before every version of libc's.
#define INTERPOSED extern "C" __attribute__((visibility("default")))
