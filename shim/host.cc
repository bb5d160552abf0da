#include "shim/host.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/host.h"
#include "scheduler/kernel.h"
#include "shim/glibc/thread_block.h"
#include "shim/sanitizer_runtime.h"

namespace unblock::host {
namespace {

struct Entry {
  void (*run)(void*);
  void* argument;
};

// Carriers run the scheduler and signal handlers of libc; not the program.
constexpr size_t os_thread_stack_bytes = 256 * 1024;

void* begin(void* given) {
  Entry* entry = static_cast<Entry*>(given);
  entry->run(entry->argument);
  free(entry);  // not before: a carrier that is coming must not wait for the program's allocator
  return nullptr;
}

}  // namespace

int start_os_thread(void (*entry)(void*), void* argument) {
  Entry* given = static_cast<Entry*>(malloc(sizeof(Entry)));
  if (given == nullptr) return ENOMEM;
  *given = {entry, argument};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, os_thread_stack_bytes + glibc::block_size());
  unsigned long all = ~(1ul << 31 | 1ul << 32), before = 0;  // signals 32 and 33 are libc's: it waits for answers
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
  pthread_t thread;
  int error = sanitizer_runtime::create_os_thread(&thread, &attributes, begin, given);
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
  pthread_attr_destroy(&attributes);
  if (error != 0) free(given);
  return error;
}

void no_os_thread(int error) {
  static std::atomic<bool> said;
  if (said.exchange(true)) return;
  kernel::say_line("no further OS thread can be started (see ulimit -u): while one thread computes or blocks in the ",
                   "kernel, others may wait");
}

}  // namespace unblock::host
