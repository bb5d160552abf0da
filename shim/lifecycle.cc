// How a process becomes active: our constructor reads the configuration, and the first pthread_create makes the
// calling thread green.

#include "shim/lifecycle.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "scheduler/cpu_time.h"
#include "scheduler/scheduler.h"
#include "scheduler/thread_pointer.h"
#include "shim/call_chain.h"
#include "shim/configuration.h"
#include "shim/dump.h"
#include "shim/entries.h"
#include "shim/fork.h"
#include "shim/glibc/carrier_block.h"
#include "shim/glibc/symbols.h"
#include "shim/glibc/thread_block.h"
#include "shim/host.h"
#include "shim/overflow.h"
#include "shim/real.h"
#include "shim/sanitizer_runtime.h"
#include "shim/signals.h"
#include "shim/stdio.h"
#include "shim/thread.h"

namespace unblock::lifecycle {

Phase phase = Phase::quiet;
const char* reason;

namespace {

// The OS main thread's scheduler gets a made block: the initial one belongs to `main`, wherever it runs.
void* make_first_carrier_block(Local** local) {
  size_t bytes = glibc::block_size() + glibc::block_alignment();
  long memory = kernel::invoke(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return nullptr;
  uintptr_t aligned = ((uintptr_t)memory + glibc::block_alignment() - 1) & ~(glibc::block_alignment() - 1);
  void* block = glibc::make_block((void*)aligned, (int)kernel::invoke(SYS_getpid), (void*)memory, bytes, 0);
  if (block == nullptr) return nullptr;
  *local = glibc::own_local(block, &here);
  return block;
}

const char* error_text(int error) {
  switch (error) {
    case EAGAIN: return "no OS thread could be started (see ulimit -u)";
    case EMFILE: return "no descriptor is left for the event loop (see ulimit -n)";
    case ENFILE: return "the system has no descriptor left for the event loop";
    default: return "there is not enough memory to start the scheduler";
  }
}

void change_entries() {
  if (const char* why = entries::begin()) {
    kernel::say_line("look-ups of names, syslog and the like block their OS thread while they wait: ", why);
  }
}

// Null: threads are green from here on.
const char* begin() {
  if (!glibc::is_glibc()) return "this is not the GNU C library";
  if (!glibc::stands_before_libc()) return "the library was not loaded before libc (use LD_PRELOAD or link with it)";
  if (sanitizer_runtime::watches_threads() && !sanitizer_runtime::stands_before_us()) {
    return "ThreadSanitizer's runtime must be loaded before the library (LD_PRELOAD=libtsan.so.2:...)";
  }
  detect_thread_pointer_access();
  if (const char* why = glibc::prepare(); why != nullptr) return why;
  Thread* main = adopt_first_thread();
  if (main == nullptr) return error_text(ENOMEM);
  const configuration::Configuration& wanted = configuration::current();
  if (wanted.deep) change_entries();
  unsigned processors = wanted.processors != 0 ? wanted.processors : configuration::automatic_processors();
  Carrier* carrier = nullptr;
  int error = scheduler::start({processors, wanted.monitor}, main->green, carrier, make_first_carrier_block);
  if (error != 0) return error_text(error);
  here.green = &main->green;
  cpu_time::begin(main->green);
  glibc::leave_initial_block();
  glibc::on_block(carrier->thread_pointer, [] { glibc::register_carrier_block(); });
  if (const char* why = glibc::wrap_credentials_signal(carrier_block_of_this_thread)) {
    kernel::say_line("setuid and its kin may hang: ", why);
  }
  bool wants_stacks = wanted.creation_stacks || wanted.report_threshold != 0 || dump::is_wanted_on_crash();
  if (wants_stacks && !call_chain::prime()) {
    kernel::say_line("no stacks can be recorded: this process has no libgcc_s.so.1");
  }
  catch_end_of_main();  // libc's own cancellation points end it, too
  signals::begin(*main);
  phase = Phase::active;
  stdio::begin();
  dump::begin();
  overflow::begin();
  return nullptr;
}

}  // namespace

const char* native_reason() { return reason; }

bool activate() {
  if (phase == Phase::active) return true;
  if (phase == Phase::native || here.carrier != nullptr) return false;
  reason = begin();
  if (reason == nullptr) return true;
  phase = Phase::native;
  kernel::say_line("threads stay native: ", reason);
  return false;
}

}  // namespace unblock::lifecycle

namespace {

// -z initfirst: this runs before every other constructor, libc's included. Nothing here needs libc's.
__attribute__((constructor)) void load(int, char**, char** environment) {
  using namespace unblock;
  real::find_all();
  configuration::read(environment);
  dump::load();
  prepare_for_forks();
  sanitizer_runtime::begin();
}

}  // namespace
