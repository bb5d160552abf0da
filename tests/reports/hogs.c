/* hogs computes: a thread that computes at two places, three times at each.
 * hogs locks: a lock that is held while its owner sleeps, and twice more while its owner is in a system call that blocks
 * its OS thread: one that the library knows, and one that it does not. Prints the lock's address. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

static struct flock whole_file(short type) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
  return lock;
}

static void* blocks(void* file) {
  struct flock wanted = whole_file(F_WRLCK);
  pthread_mutex_lock(&lock);
  fcntl(*(int*)file, F_OFD_SETLKW, &wanted);
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void* blocks_unknown(void* file) {
  pthread_mutex_lock(&lock);
  flock(*(int*)file, LOCK_EX);
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void* wants_first(void* unused) {
  usleep(50000);
  pthread_mutex_lock(&lock); /* wants_first waits here */
  pthread_mutex_unlock(&lock);
  return unused;
}

static void* wants_second(void* unused) {
  usleep(50000);
  pthread_mutex_lock(&lock); /* wants_second waits here */
  pthread_mutex_unlock(&lock);
  return unused;
}

static void* wants(void* unused) {
  usleep(50000);
  pthread_mutex_lock(&lock); /* wants waits here */
  pthread_mutex_unlock(&lock);
  return unused;
}

static void run(const char* name, void* (*function)(void*), void* argument, pthread_t* thread) {
  pthread_create(thread, NULL, function, argument);
  pthread_setname_np(*thread, name);
}

/* Two descriptors of one file, of which the first has the file's locks. */
static int open_locked(int files[2]) {
  char name[] = "/tmp/unblock-hogs-XXXXXX";
  struct flock wanted = whole_file(F_WRLCK);
  files[0] = mkstemp(name);
  files[1] = open(name, O_RDWR | O_CLOEXEC);
  unlink(name);
  return files[0] >= 0 && files[1] >= 0 && flock(files[0], LOCK_EX) == 0 && fcntl(files[0], F_OFD_SETLK, &wanted) == 0;
}

static void hold_across_call(void* (*blocks)(void*), void* (*wants)(void*)) {
  pthread_t one, other;
  int files[2];
  if (!open_locked(files)) exit(1);
  run("blocks", blocks, &files[1], &one);
  run("wants", wants, NULL, &other);
  usleep(600000);
  close(files[0]);
  pthread_join(one, NULL);
  pthread_join(other, NULL);
  close(files[1]);
}

static void compute(void) {
  pthread_t one;
  run("computes", computes, NULL, &one);
  pthread_join(one, NULL);
}

static void hold_locks(void) {
  pthread_t one, other;
  printf("%p\n", (void*)&lock);
  run("holds", holds, NULL, &one);
  run("wants", wants, NULL, &other);
  pthread_join(one, NULL);
  pthread_join(other, NULL);
  hold_across_call(blocks, wants_first);
  hold_across_call(blocks_unknown, wants_second);
}

int main(int count, char** words) {
  if (count != 2) return 2;
  strcmp(words[1], "computes") == 0 ? compute() : hold_locks();
  return 0;
}
