// primitives [NAME…]: what the building blocks of a threaded program cost, in nanoseconds for each operation, printed as
// one JSON line. Without a name all are measured. primitives.py runs this same binary natively and under unblock.
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { contenders = 4, crowd = 500, least_batches = 5, most_batches = 1000, enough_nanoseconds = 20000000 };

static void require(int holds, const char* what) {
  if (holds) return;
  perror(what);
  exit(1);
}

static pthread_t start(void* (*function)(void*), void* argument) {
  pthread_t thread;
  require(pthread_create(&thread, NULL, function, argument) == 0, "pthread_create");
  return thread;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// Threads begin and end.

static void* nothing(void* argument) { return argument; }

static void spawn_join(long times) {
  for (long i = 0; i < times; ++i) pthread_join(start(nothing, NULL), NULL);
}

static void spawn_join_crowd(long times) {
  for (long i = 0; i < times; i += crowd) {
    pthread_t threads[crowd];
    for (int j = 0; j < crowd; ++j) threads[j] = start(nothing, NULL);
    for (int j = 0; j < crowd; ++j) pthread_join(threads[j], NULL);
  }
}

// Threads give way.

static void* yield_often(void* times) {
  for (long i = 0; i < (long)times; ++i) sched_yield();
  return NULL;
}

static void yield_between_two(long times) {
  pthread_t other = start(yield_often, (void*)times);
  yield_often((void*)times);
  pthread_join(other, NULL);
}

static void sleep_zero(long times) {
  const struct timespec zero = {0, 0};
  for (long i = 0; i < times; ++i) nanosleep(&zero, NULL);
}

// Objects that nobody else wants, and one that four want.

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile long guarded;

static void* lock_often(void* times) {
  for (long i = 0; i < (long)times; ++i) {
    pthread_mutex_lock(&mutex);
    guarded = guarded + 1;
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static void mutex_uncontended(long times) { lock_often((void*)times); }

static void mutex_contended(long times) {
  pthread_t threads[contenders];
  for (int i = 0; i < contenders; ++i) threads[i] = start(lock_often, (void*)(times / contenders));
  for (int i = 0; i < contenders; ++i) pthread_join(threads[i], NULL);
}

static sem_t semaphores[2];

static void semaphore_uncontended(long times) {
  for (long i = 0; i < times; ++i) {
    sem_post(&semaphores[0]);
    sem_wait(&semaphores[0]);
  }
}

static __thread volatile long thread_local_counter;

static void thread_local_access(long times) {
  for (long i = 0; i < times; ++i) thread_local_counter = thread_local_counter + 1;
}

static pthread_key_t key;

static void key_access(long times) {
  for (long i = 0; i < times; ++i) pthread_setspecific(key, (char*)pthread_getspecific(key) + 1);
}

static int descriptors[2][2];

static void pipe_alone(long times) {
  char byte = 0;
  for (long i = 0; i < times; ++i) {
    require(write(descriptors[0][1], &byte, 1) == 1, "write");
    require(read(descriptors[0][0], &byte, 1) == 1, "read");
  }
}

// Ping-pong: a round trip is two hand-overs. Side 1 belongs to the helper, side 0 to the caller.

struct Game {
  void (*hit)(int side);
  void (*await)(int side);
  long times;
};

static void* play_back(void* argument) {
  const struct Game* game = argument;
  for (long i = 0; i < game->times; ++i) {
    game->await(1);
    game->hit(0);
  }
  return NULL;
}

static void play(struct Game game) {
  pthread_t other = start(play_back, &game);
  for (long i = 0; i < game.times; ++i) {
    game.hit(1);
    game.await(0);
  }
  pthread_join(other, NULL);
}

static pthread_cond_t conditions[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
static int hits[2];

static void condition_hit(int side) {
  pthread_mutex_lock(&mutex);
  hits[side] = 1;
  pthread_cond_signal(&conditions[side]);
  pthread_mutex_unlock(&mutex);
}

static void condition_await(int side) {
  pthread_mutex_lock(&mutex);
  while (!hits[side]) pthread_cond_wait(&conditions[side], &mutex);
  hits[side] = 0;
  pthread_mutex_unlock(&mutex);
}

static void semaphore_hit(int side) { sem_post(&semaphores[side]); }

static void semaphore_await(int side) {
  while (sem_wait(&semaphores[side]) != 0) continue;
}

// For pipes descriptors[side] is {read, write} of the pipe towards that side, for a socket pair both are its own end and
// the peer's.
static void descriptor_hit(int side) { require(write(descriptors[side][1], "", 1) == 1, "write"); }

static void descriptor_await(int side) {
  char byte;
  require(read(descriptors[side][0], &byte, 1) == 1, "read");
}

static void condition_ping_pong(long times) { play((struct Game){condition_hit, condition_await, times}); }

static void semaphore_ping_pong(long times) { play((struct Game){semaphore_hit, semaphore_await, times}); }

static void pipe_ping_pong(long times) { play((struct Game){descriptor_hit, descriptor_await, times}); }

static void socketpair_ping_pong(long times) {
  int pair[2];
  require(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  int pipes[2][2];
  memcpy(pipes, descriptors, sizeof pipes);
  for (int side = 0; side < 2; ++side) {
    descriptors[side][0] = pair[side];
    descriptors[side][1] = pair[1 - side];
  }
  play((struct Game){descriptor_hit, descriptor_await, times});
  memcpy(descriptors, pipes, sizeof pipes);
  close(pair[0]);
  close(pair[1]);
}

struct Primitive {
  const char* name;
  void (*run)(long times);
  long times;
};

// So many times in a batch: a small part of the kernel's time slice, many times the start of a thread.
static const struct Primitive primitives[] = {
    {"spawn_join", spawn_join, 50},
    {"spawn_join_crowd", spawn_join_crowd, 500},
    {"yield_between_two", yield_between_two, 500},
    {"sleep_zero", sleep_zero, 10},
    {"mutex_uncontended", mutex_uncontended, 20000},
    {"mutex_contended", mutex_contended, 40000},
    {"semaphore_uncontended", semaphore_uncontended, 20000},
    {"thread_local_access", thread_local_access, 100000},
    {"key_access", key_access, 50000},
    {"pipe_alone", pipe_alone, 400},
    {"condition_ping_pong", condition_ping_pong, 150},
    {"semaphore_ping_pong", semaphore_ping_pong, 150},
    {"pipe_ping_pong", pipe_ping_pong, 150},
    {"socketpair_ping_pong", socketpair_ping_pong, 150},
};

static int chosen(const char* name, int count, char** names) {
  for (int i = 0; i < count; ++i) {
    if (strcmp(name, names[i]) == 0) return 1;
  }
  return count == 0;
}

static int by_size(const void* left, const void* right) {
  double difference = *(const double*)left - *(const double*)right;
  return (difference > 0) - (difference < 0);
}

// The median of many short batches: one in which the kernel ran somebody else does not count.
static void measure(const struct Primitive* primitive, const char* separator) {
  double batches[most_batches];
  int count = 0;
  primitive->run(primitive->times / 5);
  double begin = now(), last = begin;
  while (count < most_batches && (count < least_batches || last - begin < enough_nanoseconds)) {
    primitive->run(primitive->times);
    double end = now();
    batches[count++] = (end - last) / (double)primitive->times;
    last = end;
  }
  qsort(batches, (size_t)count, sizeof *batches, by_size);
  printf("%s\"%s\": %.3f", separator, primitive->name, batches[count / 2]);
}

static void* stay(void* gate) {
  while (sem_wait(gate) != 0) continue;
  return NULL;
}

int main(int count, char** names) {
  // A second thread from beginning to end: libc has shortcuts for programs that are alone, and unblock sleeps in them.
  sem_t gate;
  sem_init(&gate, 0, 0);
  pthread_t second = start(stay, &gate);

  require(pthread_key_create(&key, NULL) == 0, "pthread_key_create");
  for (int side = 0; side < 2; ++side) {
    sem_init(&semaphores[side], 0, 0);
    require(pipe(descriptors[side]) == 0, "pipe");
  }
  const char* separator = "{";
  for (size_t i = 0; i < sizeof primitives / sizeof *primitives; ++i) {
    if (!chosen(primitives[i].name, count - 1, names + 1)) continue;
    measure(&primitives[i], separator);
    separator = ", ";
  }
  printf("}\n");
  sem_post(&gate);
  pthread_join(second, NULL);
  return 0;
}
