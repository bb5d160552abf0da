/* dumps HOW: one thread sleeps, one waits for a mutex, one for a pipe; another one then
 *   segv      writes to address 16
 *   abort     calls abort(3)
 *   fpe       divides by zero
 *   overflow  calls itself for ever
 *   wait      computes until standard input ends, then exits with 7. With `blocked` before it, every thread blocks
 *             every signal; with `handler`, SIGUSR2 has a handler, which says so
 *   alone     makes no threads at all, and exits with 7 when standard input ends; `handler` as above. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int pipe_ends[2];
static atomic_bool ends;
static volatile int zero, result;

static void* sleeps(void* unused) {
  sleep(1000);
  return unused;
}

static void* wants(void* unused) {
  pthread_mutex_lock(&lock);
  return unused;
}

static void* reads(void* unused) {
  char byte;
  result = (int)read(pipe_ends[0], &byte, 1);
  return unused;
}

static int deeper(int depth) {
  volatile char room[4096];
  room[depth % 4096] = 1;
  return depth < 0 ? 0 : deeper(depth + 1) + room[0];
}

static void compute_until_the_end(void) {
  while (!atomic_load(&ends)) result = result + 1; /* computes here */
}

static void* dies(void* how) {
  if (strcmp(how, "segv") == 0) *(volatile int*)16 = 1; /* dies here */
  if (strcmp(how, "fpe") == 0) result = 1000 / (result + zero);
  if (strcmp(how, "abort") == 0) abort();
  if (strcmp(how, "overflow") == 0) result = deeper(0);
  if (strcmp(how, "wait") == 0) compute_until_the_end();
  return NULL;
}

static pthread_t start(const char* name, void* (*run)(void*), void* argument) {
  pthread_t thread;
  pthread_create(&thread, NULL, run, argument);
  pthread_setname_np(thread, name);
  return thread;
}

static void handler(int signal) {
  if (signal == SIGUSR2) result = (int)write(1, "handler\n", 8);
}

static int alone(void) {
  struct sigaction action;
  char byte;
  if (sigaction(SIGUSR2, NULL, &action) != 0) return 1;
  printf("%s\n", action.sa_handler == SIG_DFL ? "default" : action.sa_handler == handler ? "own" : "other");
  fflush(stdout);
  while (read(0, &byte, 1) > 0) continue; /* waits alone here */
  return 7;
}

int main(int count, char** words) {
  char byte;
  const char* how = words[count - 1];
  sigset_t all;
  if (strcmp(words[1], "handler") == 0) signal(SIGUSR2, handler);
  if (strcmp(how, "alone") == 0) return alone();
  sigfillset(&all);
  if (strcmp(words[1], "blocked") == 0) pthread_sigmask(SIG_BLOCK, &all, NULL);
  pthread_mutex_lock(&lock);
  if (pipe(pipe_ends) != 0) return 1;
  start("sleeps", sleeps, NULL);
  start("wants", wants, NULL);
  start("reads", reads, NULL);
  usleep(50000);
  pthread_t last = start("dies", dies, (void*)how);
  printf("%p %d\n", (void*)&lock, pipe_ends[0]);
  fflush(stdout);
  while (read(0, &byte, 1) > 0) continue;
  atomic_store(&ends, 1);
  pthread_join(last, NULL);
  return 7;
}
