// system(3), of our own parts: libc's would ignore SIGINT and SIGQUIT behind the back of signal_actions.cc, whose view of
// the program's actions decides what a signal does, and it would wait on the carrier.

#include <errno.h>
#include <paths.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/cancellation.h"
#include "shim/lifecycle.h"
#include "shim/real.h"
#include "shim/signal_actions.h"

using namespace unblock;

namespace {

constexpr int interrupts[] = {SIGINT, SIGQUIT};

// The first of the commands that run at a time turns the interrupts off, the last one on again. The lock is held across
// a fork. Guarded by signals::actions_lock().
int commands;
struct sigaction actions_before[2];

// One command of the calling thread.
class Command {
 public:
  Command() {
    ignore_interrupts();
    sigset_t child_signal;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &mask_before_);
  }

  // 0 or an error number. The command has the mask of who asked for it, and the interrupts' default actions unless they
  // were ignored before.
  int start(const char* text) {
    char shell[] = "sh", option[] = "-c";
    char* arguments[] = {shell, option, const_cast<char*>(text), nullptr};
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t defaults = default_interrupts();
    posix_spawnattr_setsigmask(&attributes, &mask_before_);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawn(&child_, _PATH_BSHELL, nullptr, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
  }

  // A cancellation point: who is cancelled takes the command with him.
  int wait() {
    int status = -1;
    pthread_cleanup_push(kill, this);
    while (waitpid(child_, &status, 0) == -1) {
      if (errno == EINTR) continue;
      status = -1;
      break;
    }
    pthread_cleanup_pop(0);
    return status;
  }

  void end() {
    int saved_errno = errno;
    restore_interrupts();
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    errno = saved_errno;
  }

 private:
  static void kill(void* command) {
    auto self = static_cast<Command*>(command);
    ::kill(self->child_, SIGKILL);
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    while (waitpid(self->child_, nullptr, 0) == -1 && errno == EINTR) continue;
    pthread_setcancelstate(state, nullptr);
    self->end();
  }

  static void ignore_interrupts() {
    struct sigaction ignored = {};
    ignored.sa_handler = SIG_IGN;
    Held held(signals::actions_lock());
    if (commands++ > 0) return;
    for (int i = 0; i < 2; ++i) signals::change_action(interrupts[i], &ignored, &actions_before[i]);
  }

  static void restore_interrupts() {
    Held held(signals::actions_lock());
    if (--commands > 0) return;
    for (int i = 0; i < 2; ++i) signals::change_action(interrupts[i], &actions_before[i], nullptr);
  }

  static sigset_t default_interrupts() {
    sigset_t set;
    sigemptyset(&set);
    Held held(signals::actions_lock());
    for (int i = 0; i < 2; ++i) {
      if (actions_before[i].sa_handler != SIG_IGN) sigaddset(&set, interrupts[i]);
    }
    return set;
  }

  sigset_t mask_before_;
  pid_t child_ = -1;
};

int run(const char* text) {
  cancellation::test();
  Command command;
  int error = command.start(text);
  int status = error == 0 ? command.wait() : 127 << 8;  // as if the shell had not found the command
  command.end();
  if (error != 0) errno = error;
  return status;
}

}  // namespace

// system(3). Suspends the calling thread until the command ends.
INTERPOSED int system(const char* command) {
  if (!lifecycle::active()) return real::system(command);
  return command != nullptr ? run(command) : run("exit 0") == 0;
}
