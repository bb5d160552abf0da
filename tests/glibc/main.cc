// The room is prepared once for the process, as the library does before its first green thread.
#include <gtest/gtest.h>
#include <pthread.h>

#include <cstdio>

#include "shim/glibc/symbols.h"
#include "tests/glibc/green.h"

// Sanitizers ask where the stack of the calling thread is. libc asks the kernel, which knows no green thread.
extern "C" int pthread_getattr_np(pthread_t thread, pthread_attr_t* attributes) noexcept {
  if (!unblock::glibc::is_green_block(reinterpret_cast<void*>(thread))) {
    auto real = reinterpret_cast<decltype(&pthread_getattr_np)>(unblock::glibc::find("pthread_getattr_np"));
    return real(thread, attributes);
  }
  pthread_attr_init(attributes);
  return pthread_attr_setstack(attributes, Green::running()->stack(), Green::running()->stack_size());
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const char* failure = unblock::glibc::prepare()) {
    fprintf(stderr, "this libc cannot be used: %s\n", failure);
    return 1;
  }
  return RUN_ALL_TESTS();
}
