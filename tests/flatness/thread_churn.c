// Creates and joins threads in a row, and says how large the process was after the first ten thousand and at the end.
//
//   thread-churn [THREADS]       1000000 by default, and at least 10000
//
// Each thread does what leaves something behind if nobody cleans up after it: it allocates and frees, so malloc keeps a
// cache for it; it has a value under a key with a destructor; it returns something. Prints one line of JSON.
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { first_threads = 10000 };

static pthread_key_t key;
static atomic_long destroyed;

static void fail(const char* what, int error) {
  fprintf(stderr, "thread-churn: %s: %s\n", what, strerror(error));
  exit(1);
}

static void destroy(void* value) {
  free(value);
  destroyed++;
}

static void* live(void* argument) {
  char* value = malloc(100);
  if (value == NULL) fail("malloc", ENOMEM);
  memset(value, 1, 100);
  for (size_t size = 16; size <= 1024; size *= 2) free(memset(malloc(size), 1, size));
  int error = pthread_setspecific(key, value);
  if (error != 0) fail("pthread_setspecific", error);
  return argument;
}

static void live_one_after_another(long from, long to) {
  for (long i = from; i < to; ++i) {
    pthread_t thread;
    void* result;
    int error = pthread_create(&thread, NULL, live, (void*)(intptr_t)i);
    if (error != 0) fail("pthread_create", error);
    error = pthread_join(thread, &result);
    if (error != 0) fail("pthread_join", error);
    if ((intptr_t)result != i) fail("another thread's result", 0);
  }
}

static long resident_kib(void) {
  long size = -1;
  char line[256];
  FILE* status = fopen("/proc/self/status", "r");
  if (status == NULL) fail("/proc/self/status", errno);
  while (fgets(line, sizeof line, status) != NULL) {
    if (sscanf(line, "VmRSS: %ld", &size) == 1) break;
  }
  fclose(status);
  return size;
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int count, char** arguments) {
  long threads = count > 1 ? atol(arguments[1]) : 1000000;
  if (count > 2 || threads < first_threads) {
    fprintf(stderr, "usage: thread-churn [THREADS]; at least %d\n", first_threads);
    return 2;
  }
  int error = pthread_key_create(&key, destroy);
  if (error != 0) fail("pthread_key_create", error);
  double begin = seconds_now();
  live_one_after_another(0, first_threads);
  long after_first = resident_kib();
  live_one_after_another(first_threads, threads);
  long at_end = resident_kib();
  printf("{\"threads\": %ld, \"destroyed\": %ld, \"kib_after_first\": %ld, \"kib_at_end\": %ld, \"seconds\": %.2f}\n",
         threads, destroyed, after_first, at_end, seconds_now() - begin);
  return 0;
}
