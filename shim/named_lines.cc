#include "shim/named_lines.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/glibc/symbols.h"

namespace unblock::named_lines {
namespace {

char command[PATH_MAX];

// Beside the library as it was built, or in the place of an installation.
const char* find_command() {
  static bool is_known;
  if (is_known) return command[0] != 0 ? command : nullptr;
  is_known = true;
  char library[PATH_MAX];
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(find_command), &info) == 0 || realpath(info.dli_fname, library) == nullptr) {
    return nullptr;
  }
  *strrchr(library, '/') = 0;
  for (const char* place : {"/unblock", "/../bin/unblock", "/../../bin/unblock"}) {
    if (strlen(library) + strlen(place) >= sizeof command) continue;
    memcpy(command, library, strlen(library) + 1);
    strcat(command, place);
    if (kernel::invoke(SYS_faccessat, AT_FDCWD, command, X_OK) == 0) return command;
  }
  command[0] = 0;
  return nullptr;
}

using Clone = int (*)(int (*)(void*), void*, int, void*, ...);
Clone real_clone;

// _dl_find_object(3), from glibc 2.35 on: the loader's list without its lock. Its result begins with these.
struct Found {
  unsigned long long flags;
  void *map_start, *map_end;
  link_map* map;
  void* rest[12];
};
int (*find_object)(void* address, Found* result);

// Until they execute, both children run in our memory, on stacks of their own: bare system calls only.
char stacks[2][16 * 1024] __attribute__((aligned(64)));

// It keeps the three standard streams.
int run_command(void* arguments) {
  unsigned long none = 0;
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
  kernel::invoke(SYS_close_range, 3, UINT_MAX, 0);
  const char* environment[] = {nullptr};
  kernel::invoke(SYS_execve, command, arguments, environment);
  kernel::invoke(SYS_exit_group, 127);
  return 127;
}

// Who executes a file gets SIGCHLD as the signal of his end; his parent is this one, which executes none and has none.
// All signals are blocked in it.
int run_command_unseen(void* arguments) {
  unsigned long plain[4] = {};
  kernel::invoke(SYS_rt_sigaction, SIGCHLD, plain, nullptr, sizeof(unsigned long));
  int child = real_clone(run_command, stacks[1] + sizeof stacks[1], CLONE_VM | CLONE_VFORK | SIGCHLD, arguments);
  int status = 0;
  bool has_ended = child > 0 && kernel::invoke(SYS_wait4, child, &status, 0, nullptr) == child;
  kernel::invoke(SYS_exit_group, has_ended && status == 0 ? 0 : 1);
  return 1;
}

// No signal tells the program of the child's end, and only who asks for such children (__WCLONE, __WALL) sees it.
bool has_printed(const char* text) {
  char pid[24];
  const char* arguments[] = {command, "name-lines", kernel::decimal(pid, kernel::invoke(SYS_getpid)), text, nullptr};
  prepare();
  if (real_clone == nullptr || find_command() == nullptr) return false;
  unsigned long all = ~0ul, before = 0;  // no handler may run in a child that has our memory
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
  int child = real_clone(run_command_unseen, stacks[0] + sizeof stacks[0], CLONE_VM | CLONE_VFORK, arguments);
  int status = 0;
  bool has_ended = child > 0 && kernel::invoke(SYS_wait4, child, &status, __WCLONE, nullptr) == child;
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
  return has_ended && status == 0;
}

}  // namespace

void prepare() {
  static bool is_prepared;
  if (is_prepared) return;
  is_prepared = true;
  real_clone = reinterpret_cast<Clone>(glibc::find("clone"));
  find_object = reinterpret_cast<int (*)(void*, Found*)>(glibc::find("_dl_find_object"));
  find_command();
}

namespace {

// Without the frames of ours in which a thread begins.
int programs_count(const StackOf& stack) {
  int count = stack.count;
  while (count > 1 && call_chain::is_ours(stack.frames[count - 1])) --count;
  return count;
}

}  // namespace

void add_addresses(Lines& lines, const StackOf& stack) {
  for (int i = 0; i < programs_count(stack); ++i) {
    char* inside = static_cast<char*>(stack.frames[i]) - 1;
    Found found = {};
    lines << "unblock:   " << static_cast<const void*>(inside);
    if (find_object != nullptr && find_object(inside, &found) == 0) {
      const char* file = found.map->l_name[0] != 0 ? found.map->l_name : "program";
      lines << " (" << file << "+" << reinterpret_cast<const void*>((uintptr_t)inside - found.map->l_addr) << ")";
    }
    lines << "\n";
  }
}

void add(Lines& lines, const StackOf& stack) {
  for (int i = 0; i < programs_count(stack); ++i) {
    char* inside = static_cast<char*>(stack.frames[i]) - 1;
    Dl_info info = {};
    lines << "unblock:   " << static_cast<const void*>(inside);
    if (dladdr(inside, &info) != 0) {
      if (info.dli_sname != nullptr) lines << " in " << info.dli_sname;
      const void* offset = reinterpret_cast<void*>(inside - static_cast<char*>(info.dli_fbase));
      lines << " (" << info.dli_fname << "+" << offset << ")";
    }
    lines << "\n";
  }
}

void print(Lines& lines) {
  if (!has_printed(lines.text())) return lines.write();
  lines.clear();
}

}  // namespace unblock::named_lines
