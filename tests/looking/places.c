// Threads that stand in known places, for a debugger to find: one waits for a mutex, one for a pipe, one sleeps, one
// computes. Says `ready` when they are there; ends with 0 when a line comes on standard input and all still work.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;
static int ends[2];
static atomic_int arrived, stopping;

static void* waits_for_mutex(void* argument) {
  int number_in_mutex = 41;
  ++arrived;
  pthread_mutex_lock(&taken);
  pthread_mutex_unlock(&taken);
  return number_in_mutex == 41 ? NULL : argument;
}

static void* waits_for_pipe(void* argument) {
  int number_in_pipe = 42;
  char byte = 0;
  ++arrived;
  return read(ends[0], &byte, 1) == 1 && byte == 'x' && number_in_pipe == 42 ? NULL : argument;
}

static void* computes(void* argument) {
  ++arrived;
  while (!stopping) {
  }
  return NULL;
}

static int creates(pthread_t* thread, const char* name, void* (*start)(void*)) {
  if (pthread_create(thread, NULL, start, NULL) != 0) return 0;
  return pthread_setname_np(*thread, name) == 0;
}

__attribute__((always_inline)) static inline int creates_all(pthread_t* threads) {
  return creates(&threads[0], "locker", waits_for_mutex) && creates(&threads[1], "reader", waits_for_pipe) &&
         creates(&threads[2], "hog", computes);
}

int main(void) {
  pthread_t threads[3];
  if (pipe(ends) != 0) return 1;
  pthread_mutex_lock(&taken);
  if (!creates_all(threads)) return 1;
  while (arrived < 3) usleep(1000);
  puts("ready");
  fflush(stdout);
  char line;
  if (read(0, &line, 1) != 1) return 1;
  stopping = 1;
  pthread_mutex_unlock(&taken);
  if (write(ends[1], "x", 1) != 1) return 1;
  for (int i = 0; i < 3; ++i) {
    void* result;
    if (pthread_join(threads[i], &result) != 0 || result != NULL) return 1;
  }
  return 0;
}
