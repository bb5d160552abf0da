#pragma once
// Process-shared mutexes that the kernel must know the owner of: robust ones, whose next owner it tells when the owner
// dies, and priority-inheriting ones. It knows OS threads only. So a green thread takes them as the OS thread that it
// runs on, standing on that carrier's block, and is pinned to the carrier until it has unlocked the last of them.
//
// Suspends: never; a wait is a blocking region. Call from: any thread of the program.

#include <errno.h>
#include <pthread.h>

#include "scheduler/region.h"
#include "shim/cancellation.h"
#include "shim/glibc/carrier_block.h"
#include "shim/host.h"
#include "shim/lifecycle.h"

namespace unblock::owned_mutex {

inline bool is_one(const pthread_mutex_t* mutex) {
  constexpr int robust = 16, inherits_priority = 32, process_shared = 128;
  int kind = mutex->__data.__kind;
  return __builtin_expect((kind & process_shared) != 0, 0) && (kind & (robust | inherits_priority)) != 0;
}

// Calls libc as the OS thread.
template <class Call>
int as_os_thread(Call call) {
  if (!lifecycle::on_green()) return call();
  int result = 0;
  Region region;
  glibc::on_block(carrier_block_of_this_thread(), [&] { result = call(); });
  return result;
}

inline void note_taken() { here.pinned = here.pinned + 1; }
inline void note_released() { here.pinned = here.pinned - 1; }

// A lock in one of its forms: 0 and EOWNERDEAD mean that the caller has it now.
template <class Lock>
int take(Lock lock) {
  int error = as_os_thread(lock);
  if ((error == 0 || error == EOWNERDEAD) && lifecycle::on_green()) note_taken();
  return error;
}

// A wait for a condition, which gives the mutex away and takes it again; it does not come back only if it never can.
// A cancellation point: the mutex is the caller's when it acts.
template <class Wait>
int wait_with(Wait wait) {
  if (!lifecycle::on_green()) return wait();
  cancellation::test();
  int error = 0;
  auto work = [&] { error = wait(); };
  bool cancelled = false;
  {
    Region region;
    cancelled = cancellation::run_on_carrier([](void* erased) { (*static_cast<decltype(work)*>(erased))(); }, &work);
  }
  if (cancelled) cancellation::test();
  if (error == ENOTRECOVERABLE) note_released();
  return error;
}

int unlock(pthread_mutex_t* mutex);

// What the calling green thread still holds at its end is abandoned.
void thread_ends();

}  // namespace unblock::owned_mutex
