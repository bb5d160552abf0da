// Children: starting them through libc, and waiting for them. These calls block inside libc: a blocking region.

#include <spawn.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scheduler/carrier.h"
#include "shim/blocking_call.h"
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
  return start_child([&] { return real::posix_spawn(child, path, actions, attributes, arguments, environment); });
}
INTERPOSED int posix_spawnp(pid_t* child, const char* file, const posix_spawn_file_actions_t* actions,
                            const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  return start_child([&] { return real::posix_spawnp(child, file, actions, attributes, arguments, environment); });
}

// popen(3).
INTERPOSED FILE* popen(const char* command, const char* mode) {
  return start_child([&] { return real::popen(command, mode); });
}

// pclose(3) waits for the child.
INTERPOSED int pclose(FILE* stream) {
  if (stream->_fileno >= 0) open_files::closing(stream->_fileno);
  return wait_for_child(0, [&] { return real::pclose(stream); });
}

// wait(2) and its family.
INTERPOSED pid_t waitpid(pid_t child, int* status, int options) {
  return wait_for_child(options, [&] { return real::waitpid(child, status, options); });
}
INTERPOSED pid_t __waitpid(pid_t child, int* status, int options) { return waitpid(child, status, options); }
INTERPOSED pid_t wait(int* status) { return waitpid(-1, status, 0); }
INTERPOSED pid_t __wait(int* status) { return wait(status); }
INTERPOSED pid_t wait4(pid_t child, int* status, int options, rusage* usage) noexcept {
  return wait_for_child(options, [&] { return real::wait4(child, status, options, usage); });
}
INTERPOSED pid_t wait3(int* status, int options, rusage* usage) noexcept { return wait4(-1, status, options, usage); }
INTERPOSED int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
  return wait_for_child(options, [&] { return real::waitid(type, id, info, options); });
}
