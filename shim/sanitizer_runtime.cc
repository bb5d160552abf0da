#include "shim/sanitizer_runtime.h"

#include <dlfcn.h>

#include "scheduler/idle.h"
#include "shim/glibc/symbols.h"
#include "shim/lifecycle.h"
#include "shim/real.h"

extern "C" __attribute__((weak)) void __tsan_init();

namespace unblock::sanitizer_runtime {
namespace {

using Create = decltype(&::pthread_create);

__thread bool creating_for_us;

// The program's own call would reach it. Asked of the program: our own calls reach ourselves first (-Bsymbolic).
Create first_create() {
  auto open = reinterpret_cast<decltype(&::dlopen)>(glibc::find("dlopen"));
  auto look_up = reinterpret_cast<decltype(&::dlsym)>(glibc::find("dlsym"));
  if (open == nullptr || look_up == nullptr) return nullptr;
  return reinterpret_cast<Create>(look_up(open(nullptr, RTLD_LAZY), "pthread_create"));
}

}  // namespace

void begin() {
  if (watches_threads()) __tsan_init();
}

bool watches_threads() { return &__tsan_init != nullptr; }

bool stands_before_us() { return first_create() != &::pthread_create; }

bool creates_for_itself(const pthread_attr_t* attributes) { return watches_threads() && attributes == nullptr; }

bool creates_for_us() { return creating_for_us; }

int create_os_thread(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  Create create = watches_threads() ? first_create() : nullptr;
  if (create == nullptr || create == &::pthread_create)
    return real::pthread_create(thread, attributes, start, argument);
  creating_for_us = true;
  int error = create(thread, attributes, start, argument);
  creating_for_us = false;
  return error;
}

void let_created_thread_begin() {
  if (watches_threads()) scheduler::give_processor_away();
}

}  // namespace unblock::sanitizer_runtime
