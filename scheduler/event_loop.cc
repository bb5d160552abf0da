#include "scheduler/event_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <initializer_list>

#include "scheduler/host.h"
#include "scheduler/kernel.h"
#include "scheduler/lock.h"
#include "scheduler/own_descriptors.h"
#include "scheduler/readiness.h"

namespace unblock::event_loop {
namespace {

int epoll_fd = -1;
int kick_fd = -1;
bool has_epoll_pwait2 = true;
std::atomic<bool> is_blind;    // somebody waits, or is about to, without descriptors
std::atomic<uint32_t> kicked;  // 1: and is to end that

constexpr uint64_t kick_key = ~uint64_t{0};
constexpr int most_events = 128;

uint64_t key(int fd, uint32_t generation) { return (uint64_t)generation << 32 | (uint32_t)fd; }

long control(int operation, int fd, uint64_t data, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = data;
  return kernel::invoke(SYS_epoll_ctl, epoll_fd, operation, fd, &event);
}

// Moves a descriptor to the highest free number below the limit, or below 65,536 where the limit is higher: the kernel's
// table of descriptors grows to the highest number, and each fork copies it.
int move_to_the_top(int fd) {
  if (fd < 0) return fd;
  constexpr rlim_t highest_sensible = 65'536;
  rlimit limit = {};
  kernel::invoke(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  if (limit.rlim_cur > highest_sensible) limit.rlim_cur = highest_sensible;
  for (long low = (long)limit.rlim_cur - 1; low > fd && low > (long)limit.rlim_cur - 64; --low) {
    long moved = kernel::invoke(SYS_fcntl, fd, F_DUPFD_CLOEXEC, low);
    if (moved < 0) continue;
    kernel::invoke(SYS_close, fd);
    return (int)moved;
  }
  return fd;
}

// Was the loop's descriptor closed by a system call that we do not see? Its number may be the program's by now.
bool is_lost(long result) { return result == -EBADF || result == -EINVAL; }

long wait(epoll_event* events, int64_t timeout) {
  if (timeout <= 0) return kernel::invoke(SYS_epoll_wait, epoll_fd, events, most_events, 0);
  unsigned long mask = host::mask_for_waiting();
  if (has_epoll_pwait2) {
    timespec time = kernel::to_timespec(timeout);
    long result = kernel::invoke(SYS_epoll_pwait2, epoll_fd, events, most_events,
                                 timeout == INT64_MAX ? nullptr : &time, &mask, sizeof mask);
    if (result >= 0 || result == -EINTR || is_lost(result)) return result;
    has_epoll_pwait2 = false;  // an old kernel does not know it, and filters of containers may forbid it
  }
  int64_t milliseconds = timeout / 1'000'000 + 1;  // rounded up: never early
  int whole = timeout == INT64_MAX ? -1 : milliseconds > INT32_MAX ? INT32_MAX : (int)milliseconds;
  return kernel::invoke(SYS_epoll_pwait, epoll_fd, events, most_events, whole, &mask, sizeof mask);
}

}  // namespace

long open() {
  long made = kernel::invoke(SYS_epoll_create1, EPOLL_CLOEXEC);
  if (made < 0) return made;
  long event = kernel::invoke(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) {
    kernel::invoke(SYS_close, made);
    return event;
  }
  kick_fd = move_to_the_top((int)event);
  epoll_fd = move_to_the_top((int)made);
  long result = control(EPOLL_CTL_ADD, kick_fd, kick_key, EPOLLIN);
  kick();  // who waits without them [blind-wait]
  return result;
}

namespace {
Lock opening;
}

// The child of a fork opens its own pair when it first needs it.
bool ensure_open() {
  if (__builtin_expect(epoll_fd >= 0, 1)) return true;
  Held held(opening);
  return epoll_fd >= 0 || open() == 0;
}

void close_inherited() {
  opening.reset();
  kicked.store(0, std::memory_order_relaxed);
  is_blind.store(false, std::memory_order_relaxed);
  if (epoll_fd >= 0) kernel::invoke(SYS_close, epoll_fd);
  if (kick_fd >= 0) kernel::invoke(SYS_close, kick_fd);
  epoll_fd = kick_fd = -1;
  own_descriptors::close_inherited();
}

long add(int fd, uint32_t generation, uint32_t events) {
  if (!ensure_open()) return -EMFILE;
  return control(EPOLL_CTL_ADD, fd, key(fd, generation), events);
}

long modify(int fd, uint32_t generation, uint32_t events) {
  return control(EPOLL_CTL_MOD, fd, key(fd, generation), events);
}

long remove(int fd) { return control(EPOLL_CTL_DEL, fd, 0, 0); }

// Only who waits takes the kick: it is level-triggered, so a busy carrier that merely looks leaves it for the sleeper.
void take_kick() {
  uint64_t kicks;
  kernel::invoke(SYS_read, kick_fd, &kicks, sizeof kicks);
}

// [blind-wait]
void wait_without_descriptors(int64_t timeout) {
  unsigned long mask = host::mask_for_waiting(), before = 0;
  timespec time = kernel::to_timespec(timeout);
  is_blind.store(true, std::memory_order_seq_cst);
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof mask);
  if (epoll_fd < 0) kernel::futex_wait(kicked, 0, timeout == INT64_MAX ? nullptr : &time);
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
  is_blind.store(false, std::memory_order_seq_cst);
  kicked.store(0, std::memory_order_seq_cst);
}

// The loop's descriptors are gone, and what was registered with them: a new pair, and whoever waits tries again.
void replace(int lost) {
  {
    Held held(opening);
    if (epoll_fd != lost) return;
    epoll_fd = kick_fd = -1;
  }
  ensure_open();
  renew_registrations();
}

int poll(int64_t timeout) {
  if (!ensure_open()) {
    if (timeout > 0) wait_without_descriptors(timeout);
    return 0;
  }
  epoll_event events[most_events];
  int waited_with = epoll_fd;
  long count = wait(events, timeout);
  if (is_lost(count)) replace(waited_with);
  if (count <= 0) return 0;
  for (long i = 0; i < count; ++i) {
    uint64_t data = events[i].data.u64;
    if (data != kick_key) {
      descriptor_event((int)(uint32_t)data, (uint32_t)(data >> 32), events[i].events);
    } else if (timeout != 0) {
      take_kick();
    }
  }
  return (int)count;
}

void kick() {
  int fd = kick_fd;
  if (fd < 0 || is_blind.load(std::memory_order_seq_cst)) {
    kicked.store(1, std::memory_order_seq_cst);
    kernel::futex_wake(kicked, 1);
  }
  uint64_t one = 1;
  if (fd >= 0) kernel::invoke(SYS_write, fd, &one, sizeof one);
}

unsigned first_owned(unsigned first, unsigned last) {
  unsigned lowest = own_descriptors::first_owned(first, last);
  for (int fd : {epoll_fd, kick_fd}) {
    if (fd >= 0 && (unsigned)fd >= first && (unsigned)fd <= last && ((unsigned)fd < lowest || lowest == 0)) {
      lowest = (unsigned)fd;
    }
  }
  return lowest;
}

void give_up(int wanted) {
  own_descriptors::surrender(wanted);
  if (wanted != epoll_fd && wanted != kick_fd) return;
  for (int* fd : {&epoll_fd, &kick_fd}) {
    long moved = kernel::invoke(SYS_fcntl, *fd, F_DUPFD_CLOEXEC, *fd > 64 ? *fd - 64 : 3);
    if (moved < 0) continue;
    long old = *fd;
    *fd = (int)moved;
    kernel::invoke(SYS_close, old);
  }
}

bool owns(int fd) { return fd >= 0 && (fd == epoll_fd || fd == kick_fd || own_descriptors::owns(fd)); }

}  // namespace unblock::event_loop
