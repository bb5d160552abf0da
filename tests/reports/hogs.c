/* hogs: a thread that computes at two places, three times at each; then a lock that is held while its owner sleeps. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile unsigned long sum;

/* Inlined, so that it is not a place of its own. */
__attribute__((always_inline)) static inline double processor_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

__attribute__((noinline)) static void one_place(void) {
  double end = processor_seconds() + 0.3;
  while (processor_seconds() < end) {
    for (int i = 0; i < 20000; ++i) sum += (unsigned long)i;
  }
}

__attribute__((noinline)) static void other_place(void) {
  double end = processor_seconds() + 0.3;
  while (processor_seconds() < end) {
    for (int i = 0; i < 20000; ++i) sum ^= (unsigned long)i;
  }
}

static void* computes(void* unused) {
  for (int i = 0; i < 3; ++i) {
    one_place();
    usleep(1000);
    other_place();
    usleep(1000);
  }
  return unused;
}

static void* holds(void* unused) {
  pthread_mutex_lock(&lock);
  usleep(600000); /* holds waits here */
  pthread_mutex_unlock(&lock);
  return unused;
}

static void* wants(void* unused) {
  usleep(50000);
  pthread_mutex_lock(&lock); /* wants waits here */
  pthread_mutex_unlock(&lock);
  return unused;
}

static void run(const char* name, void* (*function)(void*), pthread_t* thread) {
  pthread_create(thread, NULL, function, NULL);
  pthread_setname_np(*thread, name);
}

int main(void) {
  pthread_t one, other;
  run("computes", computes, &one);
  pthread_join(one, NULL);
  printf("%p\n", (void*)&lock);
  run("holds", holds, &one);
  run("wants", wants, &other);
  pthread_join(one, NULL);
  pthread_join(other, NULL);
  return 0;
}
