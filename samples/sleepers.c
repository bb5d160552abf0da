// Ten thousand threads that sleep.
//
//   sleepers [THREADS [MILLISECONDS]]       10000 and 2000 by default
//   unblock sleepers ...
//
// Each thread sleeps once, checks that it slept long enough, and counts itself. Exit code 0 when all of them woke.
//
// What to watch: how long it takes beyond the sleep itself, and how many OS threads the process has while they sleep.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long threads_wanted = 10000, milliseconds = 2000;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long asleep, peak, woken, too_early;  // Guarded by the mutex.

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void go_to_sleep(void) {
  pthread_mutex_lock(&mutex);
  if (++asleep > peak) peak = asleep;
  pthread_mutex_unlock(&mutex);
}

static void wake_up(int early) {
  pthread_mutex_lock(&mutex);
  --asleep;
  ++woken;
  too_early += early;
  pthread_mutex_unlock(&mutex);
}

static void* sleep_once(void* unused) {
  (void)unused;
  struct timespec rest = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  double begin = now();
  go_to_sleep();
  while (nanosleep(&rest, &rest) != 0 && errno == EINTR) continue;
  wake_up(now() - begin < (double)milliseconds / 1e3);
  return NULL;
}

// What the kernel knows of this process, which is not what the program believes when its threads are green.
static long os_threads(void) {
  long count = -1;
  char line[256];
  FILE* status = fopen("/proc/self/status", "r");
  if (status == NULL) return count;
  while (fgets(line, sizeof line, status) != NULL) {
    if (sscanf(line, "Threads: %ld", &count) == 1) break;
  }
  fclose(status);
  return count;
}

// Returns how many threads could be had.
static long start(pthread_t* threads) {
  for (long i = 0; i < threads_wanted; ++i) {
    int error = pthread_create(&threads[i], NULL, sleep_once, NULL);
    if (error == 0) continue;
    fprintf(stderr, "sleepers: thread %ld of %ld: %s\n", i + 1, threads_wanted, strerror(error));
    return i;
  }
  return threads_wanted;
}

int main(int count, char** arguments) {
  if (count > 1) threads_wanted = atol(arguments[1]);
  if (count > 2) milliseconds = atol(arguments[2]);
  if (count > 3 || threads_wanted < 1 || milliseconds < 0) {
    fprintf(stderr, "usage: sleepers [THREADS [MILLISECONDS]]\n");
    return 2;
  }
  pthread_t* threads = calloc((size_t)threads_wanted, sizeof *threads);
  if (threads == NULL) {
    perror("sleepers");
    return 1;
  }
  double begin = now();
  long made = start(threads);
  long on_kernel = os_threads();
  for (long i = 0; i < made; ++i) pthread_join(threads[i], NULL);
  double seconds = now() - begin;
  free(threads);
  printf("%ld of %ld threads woke after %ld ms, %ld too early\n", woken, threads_wanted, milliseconds, too_early);
  printf("%ld slept at once, on %ld OS threads; %.2f s in all\n", peak, on_kernel, seconds);
  return woken == threads_wanted && too_early == 0 ? 0 : 1;
}
