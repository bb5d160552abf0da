// A pipeline of threads: producers, transformers, one consumer. Numbers go through a queue under a mutex and two
// conditions, then through a ring under two semaphores.
//
//   pipeline [NUMBERS [PRODUCERS [TRANSFORMERS]]]       200000, 4 and 4 by default
//   unblock pipeline ...
//
// It checks the sum that comes out and exits with 1 when it is wrong.
//
// What to watch: both buffers are small, so nearly every number makes some thread wait. Natively each such wait is a
// trip through the kernel; compare the time, and the system calls with `strace -fc`.
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { room = 16, most_threads = 1000 };

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t not_full, not_empty;
  uint64_t numbers[room];
  size_t first, count;
  long producers_at_work;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, 0, 0};

static struct {
  pthread_mutex_t mutex;  // Among the transformers; there is one consumer.
  sem_t free_slots, filled_slots;
  uint64_t numbers[room];
  size_t put, taken;
} ring = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static long numbers = 200000, producers = 4, transformers = 4;

static void check(int error, const char* what) {
  if (error != 0) fprintf(stderr, "pipeline: %s: %s\n", what, strerror(error));
  if (error != 0) exit(1);
}

static uint64_t transformed(uint64_t number) { return (number * number + 1) % 1000003; }

static void queue_put(uint64_t number) {
  pthread_mutex_lock(&queue.mutex);
  while (queue.count == room) pthread_cond_wait(&queue.not_full, &queue.mutex);
  queue.numbers[(queue.first + queue.count++) % room] = number;
  pthread_cond_signal(&queue.not_empty);
  pthread_mutex_unlock(&queue.mutex);
}

// False when the queue is empty for good.
static bool queue_take(uint64_t* number) {
  pthread_mutex_lock(&queue.mutex);
  while (queue.count == 0 && queue.producers_at_work > 0) pthread_cond_wait(&queue.not_empty, &queue.mutex);
  bool taken = queue.count > 0;
  if (taken) {
    *number = queue.numbers[queue.first];
    queue.first = (queue.first + 1) % room;
    --queue.count;
    pthread_cond_signal(&queue.not_full);
  }
  pthread_mutex_unlock(&queue.mutex);
  return taken;
}

static void leave_queue(void) {
  pthread_mutex_lock(&queue.mutex);
  if (--queue.producers_at_work == 0) pthread_cond_broadcast(&queue.not_empty);
  pthread_mutex_unlock(&queue.mutex);
}

// A signal may end a wait early.
static void wait_for(sem_t* semaphore) {
  while (sem_wait(semaphore) != 0) {
    if (errno != EINTR) check(errno, "sem_wait");
  }
}

static void ring_put(uint64_t number) {
  wait_for(&ring.free_slots);
  pthread_mutex_lock(&ring.mutex);
  ring.numbers[ring.put++ % room] = number;
  pthread_mutex_unlock(&ring.mutex);
  sem_post(&ring.filled_slots);
}

static uint64_t ring_take(void) {
  wait_for(&ring.filled_slots);
  uint64_t number = ring.numbers[ring.taken++ % room];
  sem_post(&ring.free_slots);
  return number;
}

// Producer i makes i, i + producers, i + 2 * producers, and so on.
static void* produce(void* argument) {
  for (long number = (intptr_t)argument; number < numbers; number += producers) queue_put((uint64_t)number);
  leave_queue();
  return NULL;
}

static void* transform(void* unused) {
  (void)unused;
  uint64_t number;
  while (queue_take(&number)) ring_put(transformed(number));
  return NULL;
}

static uint64_t expected_sum(void) {
  uint64_t sum = 0;
  for (long number = 0; number < numbers; ++number) sum += transformed((uint64_t)number);
  return sum;
}

static uint64_t sum_through_threads(void) {
  static pthread_t threads[most_threads];
  check(sem_init(&ring.free_slots, 0, room) != 0 ? errno : 0, "sem_init");
  check(sem_init(&ring.filled_slots, 0, 0) != 0 ? errno : 0, "sem_init");
  queue.producers_at_work = producers;
  for (long i = 0; i < producers + transformers; ++i) {
    check(pthread_create(&threads[i], NULL, i < producers ? produce : transform, (void*)(intptr_t)i), "pthread_create");
  }
  uint64_t sum = 0;
  for (long i = 0; i < numbers; ++i) sum += ring_take();
  for (long i = 0; i < producers + transformers; ++i) check(pthread_join(threads[i], NULL), "pthread_join");
  return sum;
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int count, char** arguments) {
  long* options[] = {&numbers, &producers, &transformers};
  for (int i = 1; i < count && i <= 3; ++i) *options[i - 1] = atol(arguments[i]);
  if (count > 4 || numbers < 1 || producers < 1 || transformers < 1 || producers + transformers > most_threads) {
    fprintf(stderr, "usage: pipeline [NUMBERS [PRODUCERS [TRANSFORMERS]]]\n");
    return 2;
  }
  double begin = seconds_now();
  unsigned long long sum = sum_through_threads(), expected = expected_sum();
  printf("%ld numbers through %ld producers and %ld transformers in %.2f s: sum %llu, expected %llu: %s\n", numbers,
         producers, transformers, seconds_now() - begin, sum, expected, sum == expected ? "right" : "WRONG");
  return sum == expected ? 0 : 1;
}
