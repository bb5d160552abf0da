/* pingpong: two threads wake each other by semaphores, a third one waits for a mutex that is never free, until standard
 * input ends. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static sem_t there, back;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool ends;

static void* ping(void* unused) {
  while (!atomic_load(&ends)) {
    sem_post(&there);
    sem_wait(&back);
    usleep(200);
  }
  sem_post(&there);
  return unused;
}

static void* pong(void* unused) {
  while (!atomic_load(&ends)) {
    sem_wait(&there);
    sem_post(&back);
  }
  sem_post(&back);
  return unused;
}

static void* wants(void* unused) {
  pthread_mutex_lock(&lock);
  return unused;
}

int main(void) {
  pthread_t threads[3];
  char byte;
  sem_init(&there, 0, 0);
  sem_init(&back, 0, 0);
  pthread_mutex_lock(&lock);
  pthread_create(&threads[0], NULL, ping, NULL);
  pthread_setname_np(threads[0], "ping");
  pthread_create(&threads[1], NULL, pong, NULL);
  pthread_setname_np(threads[1], "pong");
  pthread_create(&threads[2], NULL, wants, NULL);
  printf("started\n");
  fflush(stdout);
  while (read(0, &byte, 1) > 0) continue;
  atomic_store(&ends, 1);
  pthread_join(threads[0], NULL);
  pthread_join(threads[1], NULL);
  return 0;
}
