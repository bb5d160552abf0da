#ifndef UNBLOCK_UNBLOCK_H
#define UNBLOCK_UNBLOCK_H
/*
 * unblock: a process with libunblock.so has green threads. pthread_create, std::thread and thrd_create make them, and
 * blocking calls wait without holding an OS thread. Nothing here has to be called for that: link the library
 * (-lunblock, pkg-config unblock, find_package(unblock)), or run the program under the `unblock` command. These
 * functions only tell how it goes.
 *
 * C11 and C++. Every function may be called from any thread at any time, also before main and from a signal handler;
 * none waits, allocates memory or changes errno, except where it says so.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header. The library's own, which may be newer, is unblock_version(). */
#define UNBLOCK_VERSION_MAJOR 0
#define UNBLOCK_VERSION_MINOR 1
#define UNBLOCK_VERSION_PATCH 0
#define UNBLOCK_VERSION_STRING "0.1.0"

/*
 * The library's version, "MAJOR.MINOR.PATCH". The string is constant and lives as long as the library.
 */
const char* unblock_version(void);

/*
 * Whether the threads of this process are green: 1, or 0. A process is quiet, and the answer 0, until it makes its
 * second thread; from then on the answer stays what it is.
 */
int unblock_is_active(void);

/*
 * Why the threads of this process are native threads: a sentence, constant, that lives as long as the library. Null
 * when they are green, and in a quiet process whose second thread would make them green.
 */
const char* unblock_inactive_reason(void);

/*
 * What the process has done since its threads became green; all zero before. Each field counts from there and never
 * falls, except `active` and `processors`, which are states, and `bytes_per_green_thread`, which is an average.
 *
 * Later versions append fields and leave these as they are.
 */
struct unblock_counts {
  uint64_t active;             /* 1 when the threads are green, otherwise 0 */
  uint64_t processors;         /* green threads that can run at a time */
  uint64_t green_threads_made; /* green threads, main among them */
  uint64_t green_threads_peak; /* most of them alive at a time */
  uint64_t os_threads_peak;    /* most OS threads at a time */
  uint64_t switches;           /* times that a green thread was resumed */
  uint64_t parks;              /* waits that left the processor to others: the sum of the next fields */
  uint64_t parks_descriptor;   /* for one descriptor: reading, writing, accepting, connecting */
  uint64_t parks_mutex;
  uint64_t parks_condition;
  uint64_t parks_semaphore;
  uint64_t parks_rwlock;
  uint64_t parks_once;
  uint64_t parks_barrier;
  uint64_t parks_spin;
  uint64_t parks_futex; /* the futex system call, as made by the program's libraries */
  uint64_t parks_join;
  uint64_t parks_sleep;
  uint64_t parks_signal;           /* sigwait, pause and their like; until they park, they are regions */
  uint64_t parks_child;            /* for a child process to end; until that parks, it is a region */
  uint64_t parks_poll;             /* poll, select and their like */
  uint64_t hand_offs;              /* processors taken from a thread that kept one too long */
  uint64_t regions;                /* calls that block their OS thread, such as reading a file */
  uint64_t steals;                 /* green threads that an idle processor took from a busy one */
  uint64_t bytes_per_green_thread; /* stack and block of a green thread, averaged over a sample */
};

/*
 * Copies the counts of this moment to *counts. `size` is sizeof(struct unblock_counts) as the caller was compiled: the
 * library fills that many bytes, with zero in fields that it does not know. The counts are read one after another
 * while threads run, so their sums may be off by what happens meanwhile.
 *
 * Returns 0; or -1 with errno EINVAL when counts is null or size is not a multiple of eight above zero.
 */
int unblock_get_counts(struct unblock_counts* counts, size_t size);

#ifdef __cplusplus
}
#endif
#endif
