#include "shim/stack_of.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <ucontext.h>

#include "scheduler/carrier.h"
#include "shim/glibc/carrier_block.h"
#include "shim/glibc/symbols.h"

extern "C" void unblock_call_below_(void* context, void (*function)(void*), void* argument)
    __attribute__((visibility("hidden")));

namespace unblock {
namespace {

enum State : uint32_t { idle, wanted, taking, taken, missed };

// What one running thread is asked for at a time.
struct {
  std::atomic<uint32_t> state;
  GreenThread* green;  // written before `wanted`
  StackOf stack;       // written before `taken`
} request;

// The frames from the interrupted instruction on; only that one where they cannot be walked.
void record_interrupted(const ucontext_t& context, StackOf& stack) {
  char* instruction = reinterpret_cast<char*>(context.uc_mcontext.gregs[REG_RIP]);
  stack.frames[0] = instruction + 1;
  stack.count = 1;
  void* all[call_chain::most];
  int found = call_chain::record(all, call_chain::most), first = 0;
  while (first < found && all[first] != instruction) ++first;
  for (int i = first + 1; i < found; ++i) stack.frames[stack.count++] = all[i];
}

void settle(State state) {
  request.state.store(state, std::memory_order_release);
  kernel::futex_wake(request.state, 1);
}

void answer(void* context) {
  uint32_t expected = wanted;
  if (!request.state.compare_exchange_strong(expected, taking, std::memory_order_acq_rel)) return;
  // With a lock of ours in its hand it must not come to wait for one of the loader's; then it is asked again. A thread
  // that makes many short calls of ours may be met in one most of the time: the kernel delivers as they return.
  if (here.green != request.green || (here.critical != 0 && !call_chain::takes_no_lock())) return settle(missed);
  int saved_errno = errno;
  record_interrupted(*static_cast<ucontext_t*>(context), request.stack);
  errno = saved_errno;
  settle(taken);
}

// A signal may be late on a busy machine. One that lands after this has given up finds nothing wanted.
bool wait_for_answer() {
  constexpr int64_t patience = 200'000'000;
  timespec time = kernel::to_timespec(patience);
  kernel::futex_wait(request.state, wanted, &time);
  uint32_t state = wanted;
  if (request.state.compare_exchange_strong(state, idle, std::memory_order_acq_rel)) return false;
  while ((state = request.state.load(std::memory_order_acquire)) == taking) kernel::futex_wait(request.state, taking);
  request.state.store(idle, std::memory_order_relaxed);
  return state == taken;
}

// The kernel's own clock functions are libc's, too.
bool is_libcs(const void* address) {
  Dl_info info;
  if (dladdr(address, &info) == 0 || glibc::libc_library() == nullptr) return false;
  if (strncmp(info.dli_fname, "linux-vdso", 10) == 0) return true;
  return reinterpret_cast<uintptr_t>(info.dli_fbase) == glibc::libc_library()->l_addr;
}

}  // namespace

void* StackOf::place() const {
  for (int i = 0; i < count; ++i) {
    const char* inside = static_cast<char*>(frames[i]) - 1;
    if (!call_chain::is_ours(inside) && !is_libcs(inside)) return frames[i];
  }
  return count != 0 ? frames[0] : nullptr;
}

StackOf stack_of_interrupted(const ucontext_t& context) {
  StackOf stack;
  record_interrupted(context, stack);
  return stack;
}

StackOf stack_of_parked(Thread& thread) {
  StackOf stack;
  if (!hold_parked(thread.green)) return stack;
  unblock_call_below_(
      thread.green.context,
      [](void* result) {
        StackOf& stack = *static_cast<StackOf*>(result);
        stack.count = call_chain::record(stack.frames, call_chain::most);
      },
      &stack);
  let_go(thread.green);
  return stack;
}

StackOf stack_of_running(Thread& thread) {
  Carrier* carrier = thread.green.carrier.load(std::memory_order_acquire);
  request.green = &thread.green;
  request.state.store(wanted, std::memory_order_release);
  if (carrier != nullptr && glibc::interrupt(carrier->kernel_tid, answer) && wait_for_answer()) return request.stack;
  request.state.store(idle, std::memory_order_relaxed);
  return {};
}

}  // namespace unblock
