// What the scheduler needs from the floor above, as simple as it can be: OS threads are plain pthreads, and there are
// no signals. The part that knows test threads is in test_thread.cc.
#include "scheduler/host.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "scheduler/kernel.h"
#include "tests/scheduler/test_thread.h"

namespace unblock {
namespace {

struct Entry {
  void (*run)(void*);
  void* argument;
};

std::atomic<unsigned> deliveries_so_far, os_threads_so_far, os_threads_begun;
std::atomic<uint32_t> held_back;

void* begin(void* given) {
  while (held_back.load() != 0) kernel::futex_wait(held_back, 1);
  os_threads_begun.fetch_add(1);
  Entry entry = *static_cast<Entry*>(given);
  delete static_cast<Entry*>(given);
  entry.run(entry.argument);
  return nullptr;
}

}  // namespace

namespace host {

int start_os_thread(void (*entry)(void*), void* argument) {
  os_threads_so_far.fetch_add(1);
  Entry* given = new Entry{entry, argument};
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, nullptr, begin, given);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) {
    pthread_detach(thread);
  } else {
    delete given;
  }
  return error;
}

void before_resume(Carrier&, GreenThread&) {}

unsigned long mask_for_waiting() { return 0; }

void before_sleep(Carrier&) {}

bool is_inside_handler(void* handler_frame) { return handler_frame != nullptr; }

void deliver_recorded_signals() {
  here.signals_recorded = false;
  deliveries_so_far.fetch_add(1);
}

// No test takes OS threads away from the scheduler.
unsigned long number_of(const GreenThread&) { return 0; }
void starter_begins() {}
void monitor_looked() {}
void starter_is_called() {}

void no_os_thread(int error) {
  fprintf(stderr, "an OS thread could not be started: %s\n", strerror(error));
  abort();
}

}  // namespace host

unsigned test::deliveries() { return deliveries_so_far.load(); }
unsigned test::os_threads_started() { return os_threads_so_far.load(); }

void test::hold_os_threads_back(bool hold) {
  if (hold) {
    EXPECT_TRUE(eventually([] { return os_threads_begun.load() == os_threads_so_far.load(); }));
  }
  held_back.store(hold);
  kernel::futex_wake(held_back, INT_MAX);
}

}  // namespace unblock
