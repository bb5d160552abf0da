// Waiting for several descriptors: poll(2), select(2) and their family.
//
// The kernel's own call with no time-out gives every answer; the loop only says when to ask again. Interests are
// linked first and the kernel asked afterwards, so an event in between wakes us [publish-then-recheck].

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "scheduler/kernel.h"
#include "shim/blocking_call.h"
#include "shim/deadline.h"
#include "shim/real.h"

using namespace unblock;

namespace {

// Room for the interests of one call: on the stack for few descriptors, mapped for many.
class Interests {
 public:
  explicit Interests(size_t count) : capacity_(count) {
    if (count <= few) return;
    long memory = kernel::invoke(SYS_mmap, nullptr, count * sizeof(Interest), PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    all_ = memory < 0 && memory > -4096 ? nullptr : reinterpret_cast<Interest*>(memory);
  }
  ~Interests() {
    unwatch_all();
    if (all_ != nullptr && all_ != inline_) kernel::invoke(SYS_munmap, all_, capacity_ * sizeof(Interest));
  }

  // False: this descriptor cannot be waited for.
  bool watch_one(int fd, uint8_t directions, Waiter& waiter) {
    if (all_ == nullptr) return false;
    Interest& interest = all_[used_];
    interest = {&waiter, directions, true, nullptr, nullptr, nullptr};
    open_files::of(fd);
    if (!watch(fd, interest)) return false;
    ++used_;
    return true;
  }

  void unwatch_all() {
    while (used_ > 0) unwatch(all_[--used_]);
  }

 private:
  static constexpr size_t few = 16;
  size_t capacity_;
  Interest inline_[few];
  Interest* all_ = inline_;
  size_t used_ = 0;
};

// The wait that poll and select share. `check` asks the kernel without waiting; `watch_all` links the interests and
// says whether all could be linked; `in_place` is the kernel's waiting call, for when they could not.
// `object` is what a reader from outside is told.
template <class Check, class WatchAll, class InPlace>
long wait_for_any(const void* object, size_t count, bool ask_first, Deadline deadline, Check check, WatchAll watch_all,
                  InPlace in_place) {
  if (ask_first) {
    if (long result = check(); result != 0) return result;
  }
  uint32_t handlers_before = signals::handlers_run();
  long result = 0;
  bool watched = true;
  auto once = [&] {
    Waiter waiter(WaitKind::poll, object);
    Interests interests(count);
    watched = watch_all(interests, waiter);
    result = check();
    if (result == 0 && watched) return waiter.wait(deadline);
    waiter.cancel();
    return Wakeup::ready;
  };
  for (;;) {
    if (!may_switch()) return in_cancellable_region([&] { return in_place(deadline); });
    Wakeup wakeup = once();
    if (result != 0) return result;
    if (!watched) return in_cancellable_region([&] { return in_place(deadline); });
    if (wakeup == Wakeup::interrupted) {
      cancellation::test();
      signals::deliver_pending();
    }
    if (wakeup == Wakeup::cancelled) cancellation::test();
    if (signals::handlers_run() != handlers_before) return -EINTR;
    result = check();
    if (result != 0 || wakeup == Wakeup::timed_out) return result;
  }
}

uint8_t directions_of(short events) {
  uint8_t directions = 0;
  if (events & (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND | POLLRDHUP)) directions |= (uint8_t)Direction::in;
  if (events & (POLLOUT | POLLWRNORM | POLLWRBAND)) directions |= (uint8_t)Direction::out;
  return directions != 0 ? directions : (uint8_t)Direction::in;  // hang-ups are always told
}

// Surely readable: one descriptor that a function above us keeps in its frame. Anything else the kernel looks at first,
// since a bad pointer is its to refuse.
bool is_on_this_stack(const void* address) {
  auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return reinterpret_cast<uintptr_t>(address) - frame < 4096;
}

// See WaitKind.
const void* as_object(const pollfd* descriptors, nfds_t count) {
  return reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(descriptors) | (count < 0xffff ? count : 0xffff)
                                                                                      << 48);
}

long poll_waiting(pollfd* descriptors, nfds_t count, Deadline deadline) {
  return wait_for_any(
      as_object(descriptors, count), count, count != 1 || !is_on_this_stack(descriptors), deadline,
      [&] { return kernel::invoke(SYS_poll, descriptors, count, 0); },
      [&](Interests& interests, Waiter& waiter) {
        bool all = true;
        for (nfds_t i = 0; i < count; ++i) {
          if (descriptors[i].fd < 0) continue;
          all &= interests.watch_one(descriptors[i].fd, directions_of(descriptors[i].events), waiter);
        }
        return all;
      },
      [&](Deadline until) {
        timespec left = until.is_never() ? timespec{} : until.left();
        return kernel::invoke(SYS_ppoll, descriptors, count, until.is_never() ? nullptr : &left, nullptr, 8);
      });
}

// The kernel looks at no more descriptors than the process's table has room for, so a program may name a number far
// beyond its set. The size stands in /proc; without it the program's number is believed.
int clamp_to_table(int count) {
  if (count <= FD_SETSIZE) return count;
  long file = kernel::invoke(SYS_open, "/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return count;
  char text[1024];
  long size = kernel::invoke(SYS_read, file, text, sizeof text - 1);
  kernel::invoke(SYS_close, file);
  text[size > 0 ? size : 0] = 0;
  const char* line = strstr(text, "FDSize:");
  if (line == nullptr) return count;
  int room = 0;
  for (const char* c = line + 7; *c != '\n' && *c != 0; ++c)
    room = *c >= '0' && *c <= '9' ? room * 10 + (*c - '0') : room;
  return count < room ? count : room;
}

// The three sets of a select, copied because the kernel overwrites them and because a wait may need them again.
class Sets {
 public:
  Sets(int count, fd_set* in, fd_set* out, fd_set* except) : count_(count), program_{in, out, except} {
    if (6 * bytes() > sizeof inline_) {
      long memory =
          kernel::invoke(SYS_mmap, nullptr, 6 * bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      copies_ = memory < 0 && memory > -4096 ? nullptr : reinterpret_cast<char*>(memory);
    }
  }
  ~Sets() {
    if (copies_ != nullptr && copies_ != inline_) kernel::invoke(SYS_munmap, copies_, 6 * bytes());
  }

  // Takes the program's sets over: 0 or -errno. Bad pointers are refused as the kernel does.
  long copy() {
    if (copies_ == nullptr) return -ENOMEM;
    for (int i = 0; i < 3; ++i) {
      if (program_[i] == nullptr) continue;
      iovec to = {original(i), bytes()}, from = {program_[i], bytes()};
      long copied = kernel::invoke(SYS_process_vm_readv, kernel::invoke(SYS_getpid), &to, 1, &from, 1, 0);
      if (copied == -EFAULT || (copied >= 0 && (size_t)copied != bytes())) return -EFAULT;
      if (copied < 0) memcpy(original(i), program_[i], bytes());  // not allowed to ask: look at it directly
    }
    return 0;
  }

  size_t bytes() const { return ((size_t)count_ + 63) / 64 * 8; }

  // Zero: nothing is ready, the program's sets are as they were.
  long check() { return call(true, nullptr); }
  long in_place(Deadline until) {
    timespec left = until.is_never() ? timespec{} : until.left();
    return call(false, until.is_never() ? nullptr : &left);
  }
  void clear() {
    for (fd_set* set : program_) {
      if (set != nullptr) memset(set, 0, bytes());
    }
  }
  template <class Visit>
  bool for_each(Visit visit) {
    bool all = true;
    for (int fd = 0; fd < count_; ++fd) {
      uint8_t directions = 0;
      if (has(0, fd) || has(2, fd)) directions |= (uint8_t)Direction::in;
      if (has(1, fd)) directions |= (uint8_t)Direction::out;
      if (directions != 0) all &= visit(fd, directions);
    }
    return all;
  }
  size_t members() {
    size_t sum = 0;
    for_each([&](int, uint8_t) { return ++sum != 0; });
    return sum;
  }

 private:
  char* original(int set) const { return copies_ + set * bytes(); }
  char* scratch(int set) const { return copies_ + (3 + set) * bytes(); }
  bool has(int set, int fd) const {
    return program_[set] != nullptr && (reinterpret_cast<uint64_t*>(original(set))[fd / 64] >> (fd % 64) & 1);
  }
  long call(bool no_wait, timespec* left) {
    timespec zero = {};
    char* sets[3] = {};
    for (int i = 0; i < 3; ++i) {
      if (program_[i] != nullptr) sets[i] = static_cast<char*>(memcpy(scratch(i), original(i), bytes()));
    }
    long result = kernel::invoke(SYS_pselect6, count_, sets[0], sets[1], sets[2], no_wait ? &zero : left, nullptr);
    for (int i = 0; result > 0 && i < 3; ++i) {
      if (program_[i] != nullptr) memcpy(program_[i], sets[i], bytes());
    }
    return result;
  }

  int count_;
  fd_set* program_[3];
  char inline_[6 * 1024 / 8] __attribute__((aligned(8)));  // six sets of FD_SETSIZE: the program's and the kernel's
  char* copies_ = inline_;
};

long select_waiting(int count, fd_set* in, fd_set* out, fd_set* except, Deadline deadline) {
  if (count < 0) return -EINVAL;
  count = clamp_to_table(count);
  Sets sets(count, in, out, except);
  if (long failed = sets.copy(); failed != 0) return failed;
  long result = wait_for_any(
      nullptr, sets.members(), true, deadline, [&] { return sets.check(); },
      [&](Interests& interests, Waiter& waiter) {
        return sets.for_each([&](int fd, uint8_t directions) { return interests.watch_one(fd, directions, waiter); });
      },
      [&](Deadline until) { return sets.in_place(until); });
  if (result == 0) sets.clear();
  return result;
}

Deadline deadline_of_milliseconds(int milliseconds) {
  return milliseconds < 0 ? Deadline::never() : Deadline::after(milliseconds * int64_t{1'000'000});
}

}  // namespace

// poll(2). Waits, without holding the carrier, until one of the descriptors is ready.
INTERPOSED int poll(pollfd* descriptors, nfds_t count, int milliseconds) {
  if (!lifecycle::on_green()) return real::poll(descriptors, count, milliseconds);
  cancellation::test();
  if (milliseconds == 0) return (int)answer(kernel::invoke(SYS_poll, descriptors, count, 0));
  return (int)answer(poll_waiting(descriptors, count, deadline_of_milliseconds(milliseconds)));
}
INTERPOSED int __poll(pollfd* descriptors, nfds_t count, int milliseconds) {
  return poll(descriptors, count, milliseconds);
}

namespace {

// An argument that may be left out.
bool is_nowhere(const void* optional) { return optional != nullptr && is_out_of_reach(optional); }

}  // namespace

// ppoll(2).
INTERPOSED int ppoll(pollfd* descriptors, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  if (!lifecycle::on_green()) return real::ppoll(descriptors, count, timeout, mask);
  cancellation::test();
  if (is_nowhere(timeout) || is_nowhere(mask)) return (int)answer(-EFAULT);
  if (timeout != nullptr && (!is_valid(*timeout) || timeout->tv_sec < 0)) return (int)answer(-EINVAL);
  Deadline deadline = timeout != nullptr ? deadline_after(*timeout) : Deadline::never();
  signals::TemporaryMask temporary(mask);
  if (temporary.interrupted()) return (int)answer(-EINTR);
  return (int)answer(poll_waiting(descriptors, count, deadline));
}

// select(2). As on Linux, the time-out becomes what was left of it.
INTERPOSED int select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* timeout) {
  if (!lifecycle::on_green()) return real::select(count, in, out, except, timeout);
  cancellation::test();
  Deadline deadline = Deadline::never();
  if (timeout != nullptr) {
    if (timeout->tv_sec < 0 || timeout->tv_usec < 0) return (int)answer(-EINVAL);
    timespec length = {timeout->tv_sec + timeout->tv_usec / 1'000'000, timeout->tv_usec % 1'000'000 * 1000};
    deadline = deadline_after(length);
  }
  long result = select_waiting(count, in, out, except, deadline);
  if (timeout != nullptr && !deadline.is_never()) {
    timespec left = deadline.left();
    *timeout = {left.tv_sec, left.tv_nsec / 1000};
  }
  return (int)answer(result);
}
INTERPOSED int __select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* timeout) {
  return select(count, in, out, except, timeout);
}

// pselect(2).
INTERPOSED int pselect(int count, fd_set* in, fd_set* out, fd_set* except, const timespec* timeout,
                       const sigset_t* mask) {
  if (!lifecycle::on_green()) return real::pselect(count, in, out, except, timeout, mask);
  cancellation::test();
  if (is_nowhere(timeout) || is_nowhere(mask)) return (int)answer(-EFAULT);
  if (timeout != nullptr && (!is_valid(*timeout) || timeout->tv_sec < 0)) return (int)answer(-EINVAL);
  Deadline deadline = timeout != nullptr ? deadline_after(*timeout) : Deadline::never();
  signals::TemporaryMask temporary(mask);
  if (temporary.interrupted()) return (int)answer(-EINTR);
  return (int)answer(select_waiting(count, in, out, except, deadline));
}

extern "C" [[noreturn]] void __chk_fail(void);

// The fortified twins.
INTERPOSED int __poll_chk(pollfd* descriptors, nfds_t count, int milliseconds, size_t room) {
  if (room / sizeof *descriptors < count) __chk_fail();
  return poll(descriptors, count, milliseconds);
}
INTERPOSED int __ppoll_chk(pollfd* descriptors, nfds_t count, const timespec* timeout, const sigset_t* mask,
                           size_t room) {
  if (room / sizeof *descriptors < count) __chk_fail();
  return ppoll(descriptors, count, timeout, mask);
}
