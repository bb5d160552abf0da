// C11 threads: the same objects and the same waits under other names. libc's own would call private names inside.

#include <threads.h>

#include "shim/blocking_call.h"
#include "shim/condition.h"
#include "shim/deadline.h"
#include "shim/mutex.h"
#include "shim/real.h"

using namespace unblock;

namespace {

int thrd_result(int error) {
  switch (error) {
    case 0: return thrd_success;
    case ENOMEM:
    case EAGAIN: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    case EBUSY: return thrd_busy;
    default: return thrd_error;
  }
}

pthread_mutex_t* posix(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* posix(cnd_t* condition) { return reinterpret_cast<pthread_cond_t*>(condition); }

}  // namespace

// mtx_lock(3).
INTERPOSED int mtx_lock(mtx_t* mutex) { return thrd_result(pthread_mutex_lock(posix(mutex))); }

// mtx_timedlock(3): TIME_UTC is CLOCK_REALTIME.
INTERPOSED int mtx_timedlock(mtx_t* mutex, const timespec* until) {
  return thrd_result(pthread_mutex_timedlock(posix(mutex), until));
}

// mtx_unlock(3).
INTERPOSED int mtx_unlock(mtx_t* mutex) { return thrd_result(pthread_mutex_unlock(posix(mutex))); }

// cnd_wait(3).
INTERPOSED int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return thrd_result(pthread_cond_wait(posix(condition), posix(mutex)));
}

// cnd_timedwait(3).
INTERPOSED int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return thrd_result(pthread_cond_clockwait(posix(condition), posix(mutex), CLOCK_REALTIME, until));
}

// cnd_signal(3).
INTERPOSED int cnd_signal(cnd_t* condition) { return thrd_result(pthread_cond_signal(posix(condition))); }

// cnd_broadcast(3).
INTERPOSED int cnd_broadcast(cnd_t* condition) { return thrd_result(pthread_cond_broadcast(posix(condition))); }

namespace {

// A C11 thread's function returns int; its result travels as the pointer that thrd_join takes apart.
void* run_c11(void*) {
  auto start = reinterpret_cast<thrd_start_t>(this_thread()->c11_start);
  return reinterpret_cast<void*>(static_cast<uintptr_t>(start(this_thread()->c11_argument)));
}

}  // namespace

// thrd_create(3).
INTERPOSED int thrd_create(thrd_t* thread, thrd_start_t start, void* argument) {
  if (!lifecycle::activate()) return real::thrd_create(thread, start, argument);
  return thrd_result(create_c11_thread(thread, run_c11, reinterpret_cast<void*>(start), argument));
}

// thrd_join(3).
INTERPOSED int thrd_join(thrd_t thread, int* result) {
  if (thread_of(thread) == nullptr) return in_region([&] { return real::thrd_join(thread, result); });
  void* value = nullptr;
  int error = pthread_join(thread, &value);
  if (error == 0 && result != nullptr) *result = (int)reinterpret_cast<uintptr_t>(value);
  return thrd_result(error);
}

// thrd_detach(3).
INTERPOSED int thrd_detach(thrd_t thread) { return thrd_result(pthread_detach(thread)); }

// thrd_exit(3).
INTERPOSED void thrd_exit(int result) { pthread_exit(reinterpret_cast<void*>(static_cast<uintptr_t>(result))); }

// thrd_yield(3).
INTERPOSED void thrd_yield(void) { sched_yield(); }

// thrd_sleep(3): 0, -1 after a signal, another negative number for another failure.
INTERPOSED int thrd_sleep(const timespec* length, timespec* rest) {
  int error = clock_nanosleep(CLOCK_REALTIME, 0, length, rest);
  return error == 0 ? 0 : error == EINTR ? -1 : -2;
}
