// What the library has counted, as the program itself is told. Makes waits of several kinds, then sets the first byte of
// the file that its argument names, computes until the second one is set, so that nothing is counted meanwhile, and
// prints the counts.
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unblock/unblock.h>
#include <unistd.h>

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;

static void* sleeps_and_locks(void* argument) {
  usleep(1000);
  pthread_mutex_lock(&taken);
  pthread_mutex_unlock(&taken);
  return argument;
}

static int print_counts(void) {
  struct unblock_counts counts;
  if (unblock_get_counts(&counts, sizeof counts) != 0) return 0;
#define PRINT(name) printf(#name " %" PRIu64 "\n", (uint64_t)counts.name)
  PRINT(green_threads_made);
  PRINT(green_threads_peak);
  PRINT(os_threads_peak);
  PRINT(processors);
  PRINT(switches);
  PRINT(hand_offs);
  PRINT(regions);
  PRINT(steals);
  PRINT(bytes_per_green_thread);
  PRINT(parks_descriptor);
  PRINT(parks_poll);
  PRINT(parks_mutex);
  PRINT(parks_condition);
  PRINT(parks_semaphore);
  PRINT(parks_rwlock);
  PRINT(parks_once);
  PRINT(parks_barrier);
  PRINT(parks_spin);
  PRINT(parks_futex);
  PRINT(parks_join);
  PRINT(parks_sleep);
  PRINT(parks_signal);
  PRINT(parks_child);
#undef PRINT
  return 1;
}

int main(int count, char** arguments) {
  if (count != 2) return 2;
  int file = open(arguments[1], O_RDWR | O_CLOEXEC);
  volatile char* bytes = mmap(NULL, 2, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file < 0 || bytes == MAP_FAILED) return 1;
  pthread_t threads[5];
  pthread_mutex_lock(&taken);
  for (int i = 0; i < 5; ++i) {
    if (pthread_create(&threads[i], NULL, sleeps_and_locks, NULL) != 0) return 1;
  }
  usleep(20000);
  pthread_mutex_unlock(&taken);
  for (int i = 0; i < 5; ++i) pthread_join(threads[i], NULL);
  bytes[0] = 1;
  while (bytes[1] == 0) {
  }
  return print_counts() ? 0 : 1;
}
