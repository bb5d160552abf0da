/* deadlock KIND: threads that wait for each other for ever. Prints the addresses of its two mutexes, then waits until
 * its standard input ends.
 *   opposite  two threads lock two mutexes in opposite order
 *   itself    a thread locks a mutex that it holds
 *   join      one thread joins another, which waits for a mutex that the first one holds */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static pthread_t right_thread;

static void* left(void* unused) {
  pthread_mutex_lock(&first);
  pthread_barrier_wait(&both);
  pthread_mutex_lock(&second); /* left waits here */
  return unused;
}

static void* right(void* unused) {
  pthread_mutex_lock(&second);
  pthread_barrier_wait(&both);
  pthread_mutex_lock(&first); /* right waits here */
  return unused;
}

static void* itself(void* unused) {
  pthread_mutex_lock(&first);
  pthread_mutex_lock(&first); /* itself waits here */
  return unused;
}

static void* joins(void* unused) {
  pthread_mutex_lock(&first);
  pthread_barrier_wait(&both);
  pthread_join(right_thread, NULL); /* joins waits here */
  return unused;
}

static void* joined(void* unused) {
  pthread_barrier_wait(&both);
  pthread_mutex_lock(&first); /* joined waits here */
  return unused;
}

static void start(const char* name, void* (*run)(void*), pthread_t* thread) {
  pthread_create(thread, NULL, run, NULL);
  pthread_setname_np(*thread, name);
}

static void wait_for_end_of_input(void) {
  char byte;
  while (read(0, &byte, 1) > 0) continue;
}

int main(int count, char** words) {
  pthread_t thread;
  const char* kind = count > 1 ? words[1] : "";
  printf("%p %p\n", (void*)&first, (void*)&second);
  fflush(stdout);
  pthread_barrier_init(&both, NULL, 2);
  if (strcmp(kind, "opposite") == 0) {
    start("left", left, &thread);
    start("right", right, &right_thread);
  } else if (strcmp(kind, "itself") == 0) {
    start("itself", itself, &thread);
  } else if (strcmp(kind, "join") == 0) {
    start("joined", joined, &right_thread);
    start("joins", joins, &thread);
  } else {
    return 2;
  }
  wait_for_end_of_input();
  return 0;
}
