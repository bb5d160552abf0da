// Says "ready", reads a number, makes so many threads with default attributes, each of which sleeps, says "made" when all
// of them have begun, and ends with its standard input. memory.py weighs it before and after.
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static sem_t begun;

static void* sleep_for_ever(void* unused) {
  (void)unused;
  sem_post(&begun);
  for (;;) sleep(3600);
  return NULL;
}

static void make_threads(long count) {
  for (long i = 0; i < count; ++i) {
    pthread_t thread;
    errno = pthread_create(&thread, NULL, sleep_for_ever, NULL);
    if (errno != 0) {
      fprintf(stderr, "idle-threads: thread %ld of %ld: ", i + 1, count);
      perror("pthread_create");
      exit(1);
    }
  }
  for (long i = 0; i < count; ++i) {
    while (sem_wait(&begun) != 0) continue;
  }
}

static void say(const char* word) {
  puts(word);
  fflush(stdout);
}

int main(void) {
  sem_init(&begun, 0, 0);
  make_threads(1);  // what the first one costs is not the cost of one more
  say("ready");
  for (long count; scanf("%ld", &count) == 1;) {
    make_threads(count);
    say("made");
  }
  return 0;
}
