// GCC's OpenMP: teams that spin and sleep on futexes of their own at every barrier, and several teams at once in a
// program with threads. Prints what it has computed.
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { size = 200000, rounds = 50, teams = 3 };

static long sum_of_squares(void) {
  long sum = 0;
#pragma omp parallel for reduction(+ : sum) schedule(dynamic, 1000)
  for (long i = 0; i < size; ++i) sum += i * i % 7;
  return sum;
}

static long barriers(void) {
  long turns = 0, wrong = 0;
#pragma omp parallel num_threads(4)
  for (int round = 0; round < rounds; ++round) {
#pragma omp single
    ++turns;  // a barrier stands at its end
#pragma omp atomic
    wrong += turns != round + 1;
#pragma omp barrier
  }
  return wrong;
}

static long fibonacci(int n) {
  if (n < 2) return n;
  long one, other;
#pragma omp task shared(one) if (n > 12)
  one = fibonacci(n - 1);
#pragma omp task shared(other) if (n > 12)
  other = fibonacci(n - 2);
#pragma omp taskwait
  return one + other;
}

static long tasks(void) {
  long result = 0;
#pragma omp parallel
#pragma omp single
  result = fibonacci(18);
  return result;
}

static long locks(void) {
  long locked = 0, critical = 0;
  omp_lock_t lock;
  omp_init_lock(&lock);
#pragma omp parallel for
  for (int i = 0; i < 1000; ++i) {
    omp_set_lock(&lock);
    ++locked;
    omp_unset_lock(&lock);
#pragma omp critical
    ++critical;
  }
  omp_destroy_lock(&lock);
  return locked + critical;
}

// A team of a thread's own, in which every member waits in a call.
static void* team(void* result) {
  long slept = 0;
#pragma omp parallel num_threads(4) reduction(+ : slept)
  slept += usleep(1000) == 0;
  *(long*)result = slept + sum_of_squares();
  return NULL;
}

int main(void) {
  long expected = sum_of_squares(), results[teams];
  printf("sum %ld\nbarriers %ld\ntasks %ld\nlocks %ld\n", expected, barriers(), tasks(), locks());
  pthread_t threads[teams];
  for (int i = 0; i < teams; ++i) pthread_create(&threads[i], NULL, team, &results[i]);
  for (int i = 0; i < teams; ++i) pthread_join(threads[i], NULL);
  for (int i = 0; i < teams; ++i) printf("team %ld\n", results[i] - expected);
  printf("ended\n");
  return 0;
}
