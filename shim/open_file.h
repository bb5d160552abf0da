#pragma once
// What the program believes of each descriptor, kept per open file description and shared by dup(2): which kind of
// thing it is, whether the program made it non-blocking, its time-outs. Births are recorded from the start, also while
// the process is quiet: a listener is older than the first thread. What we did not see born is looked at once, at its
// first call that may wait.

#include <stdint.h>

#include <atomic>

#include "scheduler/lock.h"

namespace unblock {

enum class Kind : uint8_t {
  unknown,   // not looked at yet
  tcp,       // a TCP stream: after a short read nothing more is there
  socket,    // any other socket: MSG_DONTWAIT
  nowait,    // pipes and anonymous inodes: RWF_NOWAIT where it works, else poll first
  blocking,  // regular files and the like: no readiness; a blocking region
};

struct OpenFile {
  std::atomic<Kind> kind;
  std::atomic<bool> born_here;     // we saw its birth, so nobody else can have a hand on its flags until it is shared
  std::atomic<bool> shared;        // another process may hold it too: after a fork or SCM_RIGHTS
  std::atomic<bool> nonblocking;   // what the program believes of O_NONBLOCK; good while born here and not shared
  std::atomic<bool> confirmed;     // the kernel said the same of this description; asked of what is no socket
  std::atomic<bool> injected;      // O_NONBLOCK is set by us and hidden from the program
  std::atomic<bool> stream;        // a socket of type SOCK_STREAM
  std::atomic<bool> local;         // AF_UNIX
  std::atomic<bool> reads_nowait;  // RWF_NOWAIT has not been refused
  std::atomic<bool> writes_nowait;
  std::atomic<bool> own_low_water;       // SO_RCVLOWAT was set: only the kernel knows when enough is there
  std::atomic<int64_t> receive_timeout;  // nanoseconds; 0: none
  std::atomic<int64_t> send_timeout;
  std::atomic<uint32_t> references;  // descriptors of this process that stand for it
};

inline bool is_socket(const OpenFile& file) {
  Kind kind = file.kind.load(std::memory_order_relaxed);
  return kind == Kind::tcp || kind == Kind::socket;
}

namespace open_files {

// A descriptor is born through us. Called in every phase.
OpenFile* born(int fd, Kind kind, bool nonblocking);
OpenFile* born_socket(int fd, int domain, int type, int protocol, bool nonblocking);

// What stands behind `fd`, looked at if it was not known. Null: not open, or no memory; pass the call through.
OpenFile* of(int fd);
// The same without looking.
OpenFile* known(int fd);

// `copy` now stands for the same description as `original`.
void duplicated(int original, int copy);

// The descriptor is about to be closed: its waiters end with EBADF and what we know of it is forgotten.
void closing(int fd);

// Held across a fork.
Lock& lock();

// The highest number that we ever recorded; -1 at first.
int highest();

// Does the program want this call not to wait? Asks the kernel when somebody else may have changed the flag, and once
// about each pipe: it may have been closed out of our sight, and its number be something else's. Sanitizers do that:
// they make pipes by name, to ask the kernel about memory, and close them by a system call of their own.
bool wants_nonblocking(int fd, OpenFile& file);

// Sets O_NONBLOCK behind the program's back, where nobody else can see it. False: not allowed on this one.
bool inject_nonblocking(int fd, OpenFile& file);

// Puts O_NONBLOCK back as the program left it.
void eject_nonblocking(int fd, OpenFile& file);

// Other processes are about to share every description (fork) or one (SCM_RIGHTS): puts back what we injected.
void share_all();
void share(int fd);

}  // namespace open_files
}  // namespace unblock
