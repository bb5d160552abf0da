// Children: starting them through libc, which is a blocking region, and waiting for them.

#include <spawn.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scheduler/carrier.h"
#include "shim/blocking_call.h"
#include "shim/child_wait.h"
#include "shim/entries.h"
#include "shim/lifecycle.h"
#include "shim/open_file.h"
#include "shim/real.h"

using namespace unblock;

namespace {

// The child inherits every description: none may carry a flag of ours.
template <class Start>
auto start_child(Start start) {
  if (!lifecycle::active()) return start();
  open_files::share_all();
  if (Carrier* carrier = this_carrier(); carrier != nullptr) carrier->has_forked = true;
  return in_region(start);
}

// The child runs libc's code in our memory until it execs, and meets none of ours there: see entries.h.
template <class Spawn>
int spawn_child(Spawn spawn) {
  return start_child([&] {
    ++here.spawning;
    int error = spawn();
    --here.spawning;
    return error;
  });
}

template <class Wait>
auto wait_for_child(int options, Wait wait) {
  if (!lifecycle::on_green()) return wait();
  cancellation::test();
  if (options & WNOHANG) return wait();
  return in_long_region(wait);
}

}  // namespace

// posix_spawn(3).
INTERPOSED int posix_spawn(pid_t* child, const char* path, const posix_spawn_file_actions_t* actions,
                           const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  return spawn_child([&] { return real::posix_spawn(child, path, actions, attributes, arguments, environment); });
}
INTERPOSED int posix_spawnp(pid_t* child, const char* file, const posix_spawn_file_actions_t* actions,
                            const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  return spawn_child([&] { return real::posix_spawnp(child, file, actions, attributes, arguments, environment); });
}

// popen(3).
INTERPOSED FILE* popen(const char* command, const char* mode) {
  return start_child([&] { return real::popen(command, mode); });
}

// pclose(3) waits for the child.
INTERPOSED int pclose(FILE* stream) {
  if (stream->_fileno >= 0) open_files::closing(stream->_fileno);
  if (entries::changed()) return real::pclose(stream);  // the wait in it is our wait4
  return wait_for_child(0, [&] { return real::pclose(stream); });
}

namespace {

// Parks until the call without waiting answers something. False: it must block, and nothing was answered yet.
template <class Park, class Ask, class IsNone>
bool park_until_answered(Park park, Ask ask, IsNone is_none, long& answered) {
  if (!lifecycle::on_green() || !may_switch()) return false;
  cancellation::test();
  uint32_t handlers_before = signals::handlers_run();
  for (;;) {
    answered = ask();
    if (!is_none(answered)) return true;
    Wakeup wakeup;
    if (!park(wakeup)) return false;
    if (wakeup == Wakeup::cancelled) cancellation::test();
    bool restart = signals::deliver_pending();
    if (wakeup != Wakeup::interrupted || restart || signals::handlers_run() == handlers_before) continue;
    answered = ask();  // it may have ended as well
    if (is_none(answered)) answered = answer(-EINTR);
    return true;
  }
}

// Children that stop or go on are told of nowhere but in the kernel's own call, and so are those of a group.
bool can_park(pid_t child, int options) { return (child > 0 || child == -1) && options == 0; }

bool park_for(pid_t child, Wakeup& wakeup) {
  return child == -1 ? child_wait::park_for_any(wakeup) : child_wait::park_for(child, wakeup);
}

pid_t wait_for(pid_t child, int* status, int options, rusage* usage) {
  long answered;
  if (can_park(child, options) && park_until_answered([&](Wakeup& wakeup) { return park_for(child, wakeup); },
                                                      [&] { return (long)real::wait4(child, status, WNOHANG, usage); },
                                                      [](long found) { return found == 0; }, answered)) {
    return (pid_t)answered;
  }
  return wait_for_child(options, [&] { return real::wait4(child, status, options, usage); });
}

}  // namespace

// wait(2) and its family. Suspends the calling thread until the child has ended; a cancellation point.
INTERPOSED pid_t waitpid(pid_t child, int* status, int options) { return wait_for(child, status, options, nullptr); }
INTERPOSED pid_t __waitpid(pid_t child, int* status, int options) { return waitpid(child, status, options); }
INTERPOSED pid_t wait(int* status) { return waitpid(-1, status, 0); }
INTERPOSED pid_t __wait(int* status) { return wait(status); }
INTERPOSED pid_t wait4(pid_t child, int* status, int options, rusage* usage) noexcept {
  return wait_for(child, status, options, usage);
}
INTERPOSED pid_t wait3(int* status, int options, rusage* usage) noexcept { return wait4(-1, status, options, usage); }

// waitid(2). An answer without a child is told by the number in it.
INTERPOSED int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
  pid_t child = type == P_ALL ? -1 : type == P_PID ? (pid_t)id : 0;
  bool only_ends = (options & ~WNOWAIT) == WEXITED;
  long answered;
  siginfo_t found;
  auto ask = [&] {
    found.si_pid = 0;
    return (long)real::waitid(type, id, &found, options | WNOHANG);
  };
  if (only_ends && info != nullptr && can_park(child, 0) &&
      park_until_answered([&](Wakeup& wakeup) { return park_for(child, wakeup); }, ask,
                          [&](long result) { return result == 0 && found.si_pid == 0; }, answered)) {
    if (answered == 0) *info = found;
    return (int)answered;
  }
  return wait_for_child(options, [&] { return real::waitid(type, id, info, options); });
}
