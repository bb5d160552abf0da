#pragma once
// Names of libc that programs were linked with once, or that its own headers call inside. They do what their plain form
// does; headers declare few of them.
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

// Of these libc has only the version that old programs ask for.
#if defined(__x86_64__)
#define OLD_NAME(name, result, ...)          \
  extern "C" result old_##name(__VA_ARGS__); \
  __asm__(".symver old_" #name "," #name "@GLIBC_2.2.5")
#else
#define OLD_NAME(name, result, ...)          \
  extern "C" result old_##name(__VA_ARGS__); \
  __asm__(".symver old_" #name "," #name "@GLIBC_2.17")
#endif

OLD_NAME(pthread_yield, int);
OLD_NAME(__pthread_mutex_init, int, pthread_mutex_t*, const pthread_mutexattr_t*);
OLD_NAME(__pthread_mutex_lock, int, pthread_mutex_t*);
OLD_NAME(__pthread_mutex_trylock, int, pthread_mutex_t*);
OLD_NAME(__pthread_mutex_unlock, int, pthread_mutex_t*);
OLD_NAME(__pthread_rwlock_rdlock, int, pthread_rwlock_t*);
OLD_NAME(__pthread_rwlock_tryrdlock, int, pthread_rwlock_t*);
OLD_NAME(__pthread_rwlock_wrlock, int, pthread_rwlock_t*);
OLD_NAME(__pthread_rwlock_unlock, int, pthread_rwlock_t*);
OLD_NAME(__pthread_once, int, pthread_once_t*, void (*)());
OLD_NAME(siggetmask, int);  // the linker warns of the name without a version

extern "C" {
int __sched_yield(void);
int __nanosleep(const timespec*, timespec*);
int __socket(int, int, int);
int __connect(int, const sockaddr*, socklen_t);
ssize_t __read(int, void*, size_t);
ssize_t __write(int, const void*, size_t);
ssize_t __recv(int, void*, size_t, int);
ssize_t __send(int, const void*, size_t, int);
int __sendmmsg(int, mmsghdr*, unsigned, int);
int __poll(pollfd*, nfds_t, int);
int __select(int, fd_set*, fd_set*, fd_set*, timeval*);
int __close(int);
int __dup2(int, int);
int __pipe(int[2]);
int __fcntl(int, int, ...);
int __libc_fcntl64(int, int, ...);
int __sigtimedwait(const sigset_t*, siginfo_t*, const timespec*);
int __sigsuspend(const sigset_t*);
pid_t __fork(void);
pid_t __vfork(void) __attribute__((returns_twice));
pid_t __wait(int*);
pid_t __waitpid(pid_t, int*, int);
int __sched_getscheduler(pid_t);
int __sched_setscheduler(pid_t, int, const sched_param*);
int __sched_getparam(pid_t, sched_param*);
}
