#include "shim/dump.h"

#include <errno.h>
#include <string.h>
#include <ucontext.h>

#include "scheduler/carrier.h"
#include "scheduler/host.h"
#include "shim/configuration.h"
#include "shim/lifecycle.h"
#include "shim/named_lines.h"
#include "shim/signal_actions.h"
#include "shim/signals.h"
#include "shim/wait_words.h"

namespace unblock::dump {
namespace {

Lines lines;                       // of who dumps
std::atomic<uint32_t> dumping{0};  // the kernel's number of the OS thread that does

int own_tid() { return (int)kernel::invoke(SYS_gettid); }

const char* name_of(int signal, char (&digits)[24]) {
  switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGABRT: return "SIGABRT";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    default: return kernel::decimal(digits, signal);
  }
}

void add_stack(const ucontext_t* context, bool dies) {
  StackOf stack = stack_of_interrupted(*context);
  named_lines::add_addresses(lines, stack);
  bool holds_others_up = here.critical != 0 && !dies;  // with a lock of ours in its hand, while lines are looked up
  holds_others_up ? lines.write() : named_lines::print(lines);
}

void add_others(const Thread* self) {
  Waits waits;
  threads.for_each_unlocked([&](Thread& each) {
    if (&each == self || !is_alive(each)) return;
    Carrier* carrier = each.green.carrier.load(std::memory_order_relaxed);
    lines << "unblock: " << each;
    if (each.green.wait_kind != WaitKind::none) {
      lines << " waits for ";
      waits.add(lines, each.green);
      lines << "\n";
    } else if (carrier != nullptr) {
      lines << " runs on OS thread " << (uint64_t)carrier->kernel_tid
            << (carrier->in_region.load(std::memory_order_relaxed) ? ", in a blocking call\n" : "\n");
    } else {
      lines << " is ready to run\n";
    }
  });
  lines.write();
}

void dump(int signal, const siginfo_t* info, const ucontext_t* context, bool dies) {
  char digits[24];
  Thread* self = this_thread();
  lines.clear();
  lines << "unblock: signal " << name_of(signal, digits);
  bool is_quiet = lifecycle::phase == lifecycle::Phase::quiet;
  if (self != nullptr) lines << " in " << *self;
  else lines << (is_quiet ? " in the only thread so far" : " on an OS thread that runs none of the threads");
  if (dies && info->si_code > 0) lines << " (address " << static_cast<const void*>(info->si_addr) << ")";
  lines << (self != nullptr || is_quiet ? ", at\n" : "\n");
  if (self != nullptr || is_quiet) add_stack(context, dies);
  else lines.write();
  add_others(self);
}

// Between two dumps, and while another OS thread dies of a fault of its own.
bool begin_dump() {
  uint32_t free = 0, me = (uint32_t)own_tid();
  while (!dumping.compare_exchange_strong(free, me, std::memory_order_acquire)) {
    if (free == me) return false;  // a fault within the dump
    timespec patience = {10, 0};
    if (kernel::futex_wait(dumping, free, &patience) == -ETIMEDOUT) return false;
    free = 0;
  }
  return true;
}

void end_dump() {
  dumping.store(0, std::memory_order_release);
  kernel::futex_wake(dumping, 1);
}

void arrive(int signal, siginfo_t* info, void* context) {
  if (!signals::is_nudge(info)) {
    int saved_errno = errno;
    bool may_dump = begin_dump();
    if (may_dump) {
      dump(signal, info, static_cast<ucontext_t*>(context), false);
      end_dump();
    }
    errno = saved_errno;
    if (!signals::has_handler(signal)) return;
  }
  signals::arrive(signal, info, context);
}

// Lets the signal through, and nothing else.
void receive(void*) {
  unsigned long others = ~(1ul << (configuration::current().dump_signal - 1));
  kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &others, nullptr, sizeof others);
  for (;;) kernel::invoke(SYS_pause);
}

}  // namespace

bool is_operators(int signal) { return signal != 0 && signal == configuration::current().dump_signal; }

bool is_wanted_on_crash() {
  const configuration::Configuration& wanted = configuration::current();
  return wanted.dump_on_crash || wanted.dump_signal != 0;
}

struct sigaction action() {
  struct sigaction ours = {};
  ours.sa_sigaction = arrive;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  return ours;
}

void load() {
  if (configuration::current().dump_signal == 0) return;
  named_lines::prepare();
  signals::take_over_action(configuration::current().dump_signal);
}

void begin() {
  if (is_wanted_on_crash()) named_lines::prepare();
}

void start_receiver() {
  if (configuration::current().dump_signal == 0) return;
  if (int error = host::start_os_thread(receive, nullptr); error != 0) host::no_os_thread(error);
}

void before_death(int signal, siginfo_t* info, void* context) {
  if (is_wanted_on_crash() && begin_dump()) {
    dump(signal, info, static_cast<ucontext_t*>(context), true);
    end_dump();
  }
}

}  // namespace unblock::dump
