#include "tools/view/registers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>

#include "tools/view/system_call.h"

namespace unblock::tools::view {
namespace {

constexpr size_t most_stack_bytes = 256 << 10;  // copied while the thread is held
constexpr int most_looks = 100;                 // at a thread that does not stop, a millisecond apart

// These do not go on by themselves after an interruption without a handler.
bool ends_when_interrupted(const SystemCall& call) {
  for (const char* name : {"epoll_wait", "epoll_pwait", "epoll_pwait2", "semop", "semtimedop", "rt_sigtimedwait",
                           "io_getevents", "io_uring_enter", "recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg",
                           "accept", "accept4", "connect", "read"}) {
    if (call.name == name) return true;
  }
  return false;
}

// An OS thread that is held for a moment.
class Held {
 public:
  explicit Held(int tid) : tid_(tid) {
    if (ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) != 0) {
      refusal_ = errno == ESRCH ? "it has just ended" : "it may not be stopped, or a debugger has it";
      return;
    }
    ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
    for (int i = 0; i < most_looks; ++i) {
      int status = 0;
      int who = waitpid(tid, &status, __WALL | WNOHANG);
      if (who == tid && WIFSTOPPED(status)) {
        note_stop(status);
        return;
      }
      if (who != 0) {
        refusal_ = "it has just ended";
        return;
      }
      timespec pause = {0, 1'000'000};
      nanosleep(&pause, nullptr);
    }
    refusal_ = "the kernel does not stop it";  // and lets go of it when we end
  }
  ~Held() {
    if (is_stopped_) ptrace(PTRACE_DETACH, tid_, nullptr, signal_);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  bool is_stopped() const { return is_stopped_; }
  const std::string& refusal() const { return refusal_; }

 private:
  // It may have stopped for a signal of its own, which it then has to get.
  void note_stop(int status) {
    is_stopped_ = true;
    bool is_ours = status >> 16 == PTRACE_EVENT_STOP;
    signal_ = is_ours ? 0 : WSTOPSIG(status);
  }

  int tid_;
  bool is_stopped_ = false;
  long signal_ = 0;
  std::string refusal_;
};

void copy_stack(const Target& target, const Green& green, Snapshot& snapshot) {
  uint64_t from = snapshot.registers.rsp;
  const Mapping* mapping = target.mapping_of(from);
  uint64_t top = green.stack_low != 0 ? green.stack_high : mapping != nullptr ? mapping->end : from;
  snapshot.stack.resize(from < top ? std::min<uint64_t>(top - from, most_stack_bytes) : 0);
  snapshot.stack.resize(target.memory().read(from, snapshot.stack.data(), snapshot.stack.size()));
}

Snapshot refused(std::string why) {
  Snapshot snapshot;
  snapshot.refusal = std::move(why);
  return snapshot;
}

Snapshot snapshot_of_blocked(const Target& target, const Green& green, const SystemCall& call) {
  Snapshot snapshot;
  snapshot.is_partial = true;
  snapshot.registers.rip = call.program_counter;
  snapshot.registers.rsp = call.stack_pointer;
  copy_stack(target, green, snapshot);
  return snapshot;
}

Snapshot snapshot_of_stopped(const Target& target, const Green& green) {
  Held held(green.kernel_tid);
  if (!held.is_stopped()) return refused(held.refusal());
  Snapshot snapshot;
  if (ptrace(PTRACE_GETREGS, green.kernel_tid, nullptr, &snapshot.registers) != 0) return refused(strerror(errno));
  copy_stack(target, green, snapshot);
  return snapshot;
}

}  // namespace

Snapshot snapshot_of_running(const Target& target, const Green& green) {
  if (!target.is_live()) {
    for (const user_regs_struct& each : target.registers()) {
      if (each.fs_base != green.pthread) continue;
      Snapshot snapshot;
      snapshot.registers = each;
      copy_stack(target, green, snapshot);
      return snapshot;
    }
    return refused("the core does not hold its registers");
  }
  std::optional<SystemCall> call = system_call_of(target.pid(), green.kernel_tid);
  if (call && ends_when_interrupted(*call)) return snapshot_of_blocked(target, green, *call);
  Snapshot snapshot = snapshot_of_stopped(target, green);
  if (!snapshot.refusal.empty() && call) return snapshot_of_blocked(target, green, *call);
  if (snapshot.refusal.empty() && snapshot.registers.fs_base != green.pthread) return refused("it has just left");
  return snapshot;
}

}  // namespace unblock::tools::view
