#pragma once
// libc's headers, and prototypes for the names that it exports without declaring them.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <threads.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

extern "C" {
int __sched_yield(void);
int pthread_yield(void);
int __pthread_mutex_init(pthread_mutex_t*, const pthread_mutexattr_t*);
int __pthread_mutex_lock(pthread_mutex_t*);
int __pthread_mutex_trylock(pthread_mutex_t*);
int __pthread_mutex_unlock(pthread_mutex_t*);
int __pthread_rwlock_rdlock(pthread_rwlock_t*);
int __pthread_rwlock_tryrdlock(pthread_rwlock_t*);
int __pthread_rwlock_wrlock(pthread_rwlock_t*);
int __pthread_rwlock_unlock(pthread_rwlock_t*);
int __pthread_once(pthread_once_t*, void (*)());
int __sched_getscheduler(pid_t) noexcept;
int __sched_setscheduler(pid_t, int, const sched_param*) noexcept;
int __sched_getparam(pid_t, sched_param*) noexcept;
int __nanosleep(const timespec*, timespec*);
int __socket(int, int, int);
int __connect(int, const sockaddr*, socklen_t);
ssize_t __read(int, void*, size_t);
ssize_t __read_chk(int, void*, size_t, size_t);
ssize_t __write(int, const void*, size_t);
ssize_t __recv(int, void*, size_t, int);
ssize_t __recv_chk(int, void*, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void*, size_t, size_t, int, sockaddr*, socklen_t*);
ssize_t __send(int, const void*, size_t, int);
int __sendmmsg(int, mmsghdr*, unsigned, int);
int __poll(pollfd*, nfds_t, int);
int __poll_chk(pollfd*, nfds_t, int, size_t);
int __ppoll_chk(pollfd*, nfds_t, const timespec*, const sigset_t*, size_t);
int __select(int, fd_set*, fd_set*, fd_set*, timeval*);
int __close(int);
void __syslog_chk(int, int, const char*, ...);
void __vsyslog_chk(int, int, const char*, va_list);
int __close_nocancel(int);
int __dup2(int, int);
int __pipe(int[2]);
int __fcntl(int, int, ...);
int __libc_fcntl64(int, int, ...);
int __sigtimedwait(const sigset_t*, siginfo_t*, const timespec*);
int __sigsuspend(const sigset_t*);
pid_t __fork(void);
pid_t __vfork(void);
pid_t __wait(int*);
pid_t __waitpid(pid_t, int*, int);
sighandler_t bsd_signal(int, sighandler_t) noexcept;
int __xpg_sigpause(int);
int __sigpause(int, int);
sighandler_t sysv_signal(int, sighandler_t) noexcept;
sighandler_t __sysv_signal(int, sighandler_t) noexcept;
[[noreturn]] void __longjmp_chk(jmp_buf, int) noexcept;
int capset(void* header, const void* data) noexcept;  // libc has it, and no header
}
