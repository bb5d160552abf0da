#include "shim/overflow.h"

#include <signal.h>
#include <sys/mman.h>

#include "scheduler/kernel.h"
#include "shim/dump.h"
#include "shim/real.h"
#include "shim/thread.h"

namespace unblock::overflow {
namespace {

// Faults this close below a stack count as its overflow: frames may step over the guard.
constexpr uintptr_t reach = 64 * 1024;

bool is_overflow(const Thread& thread, const void* address) {
  if (thread.is_main || thread.green.stack == nullptr) return false;
  auto fault = reinterpret_cast<uintptr_t>(address);
  auto lowest = reinterpret_cast<uintptr_t>(thread.green.stack->base) + thread.green.stack->guard_size;
  return fault < lowest && fault >= lowest - thread.guard_size - reach;
}

void report(int signal, siginfo_t* info, void* context) {
  Thread* me = this_thread();
  if (me != nullptr && info->si_code > 0 && is_overflow(*me, info->si_addr)) {
    char id[24], size[24];
    kernel::say_line("stack overflow in thread ", kernel::decimal(id, (int64_t)me->id), " \"", me->name,
                     "\" (stack of ", kernel::decimal(size, (int64_t)(me->stack_size / 1024)), " KiB; see --stack)");
  }
  dump::before_death(signal, info, context);
  // The instruction faults again, now with the default action: the native signal and the native core.
  struct sigaction plain = {};
  plain.sa_handler = SIG_DFL;
  real::sigaction(signal, &plain, nullptr);
  if (info->si_code <= 0) kernel::invoke(SYS_tgkill, kernel::invoke(SYS_getpid), kernel::invoke(SYS_gettid), signal);
}

bool programs_stacks;
bool watching;

}  // namespace

void leave_alternate_stacks_to_the_program() { programs_stacks = true; }

void* carrier_stack(Carrier& carrier) {
  if (!watching || programs_stacks) return nullptr;
  if (carrier.overflow_stack == nullptr) {
    long memory = kernel::invoke(SYS_mmap, nullptr, carrier_stack_bytes, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory < 0 && memory > -4096) return nullptr;
    carrier.overflow_stack = reinterpret_cast<void*>(memory);
  }
  return carrier.overflow_stack;
}

namespace {

bool catch_fatal(int signal) {
  struct sigaction action;
  if (real::sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return false;
  action = {};
  action.sa_sigaction = report;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  return real::sigaction(signal, &action, nullptr) == 0;
}

}  // namespace

void begin() {
  watching = catch_fatal(SIGSEGV);
  if (!dump::is_wanted_on_crash()) return;
  for (int signal : {SIGBUS, SIGABRT, SIGILL, SIGFPE}) watching |= catch_fatal(signal);
}

}  // namespace unblock::overflow
