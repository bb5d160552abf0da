#include "shim/glibc/carrier_block.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>

#include <atomic>

#include "scheduler/kernel.h"
#include "shim/glibc/block_layout.h"
#include "shim/glibc/symbols.h"
#include "shim/glibc/thread_block.h"

namespace unblock::glibc {
namespace {

constexpr int credentials_signal = 33;
constexpr size_t kernel_mask_size = 8;

// rt_sigaction(2)'s own structure, which libc's sigaction hides.
struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

KernelAction libc_action;  // written before the wrapper stands, immutable afterwards
void* (*block_of_carrier)();

// The OS thread that libc lists under a block which is not its own: the main thread, once main has left it.
struct {
  std::atomic<int> kernel_tid;
  std::atomic<void*> block;
} moved;

void* listed_block() {
  if (kernel::call(SYS_gettid) == moved.kernel_tid.load(std::memory_order_acquire)) {
    return moved.block.load(std::memory_order_relaxed);
  }
  return block_of_carrier();
}

void (*on_interruption)(void* context);

void answer_credentials_signal(int signal, siginfo_t* info, void* context) {
  if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &on_interruption) return on_interruption(context);
  void* listed = listed_block();
  void* current = thread_pointer();
  if (!listed || listed == current) return libc_action.handler(signal, info, context);
  load_thread_pointer(listed);
  libc_action.handler(signal, info, context);
  load_thread_pointer(current);
}

}  // namespace

// Not inlined, so that no address of a thread-local variable is carried over from one block to the other.
__attribute__((noinline)) void call_on_block(void* other, void (*function)(void*), void* argument) {
  void* current = thread_pointer();
  if (other == current) return function(argument);
  int* error = &errno;
  int* error_there = own_local(other, error);
  *error_there = *error;
  load_thread_pointer(other);
  function(argument);
  load_thread_pointer(current);
  *error = *error_there;
}

void leave_initial_block() {
  void* block = thread_pointer();
  moved.block.store(block, std::memory_order_relaxed);
  moved.kernel_tid.store(kernel::call(SYS_gettid), std::memory_order_release);
  if (!layout.rseq) return;
  constexpr unsigned smallest_area = 32, unregister = 1, signature = 0x53053053;
  auto size = static_cast<const unsigned*>(find("__rseq_size"));
  const unsigned area_size = size && *size > smallest_area ? *size : smallest_area;
  kernel::invoke(SYS_rseq, &field<char>(block, layout.rseq), area_size, unregister, signature);
  field<int>(block, layout.rseq) = 0;
  field<int>(block, layout.rseq + offset::rseq_cpu_id) = -2;  // registration failed: libc asks the kernel instead
}

void register_carrier_block() {
  void* block = thread_pointer();
  kernel::invoke(SYS_set_robust_list, robust_head(block), sizeof(robust_list_head));
  kernel::invoke(SYS_set_tid_address, &tid(block));
}

const char* wrap_credentials_signal(void* (*carrier_block)()) {
  block_of_carrier = carrier_block;
  KernelAction present;
  const char* failure = "its handler for signal 33 was not found";
  if (kernel::invoke(SYS_rt_sigaction, credentials_signal, nullptr, &present, kernel_mask_size) < 0) return failure;
  if (present.handler == answer_credentials_signal) return nullptr;
  if (!present.handler || !(present.flags & SA_SIGINFO)) return failure;
  libc_action = present;
  present.handler = answer_credentials_signal;
  if (kernel::invoke(SYS_rt_sigaction, credentials_signal, &present, nullptr, kernel_mask_size) < 0) return failure;
  return nullptr;
}

bool interrupt(int kernel_tid, void (*handler)(void* context)) {
  on_interruption = handler;
  siginfo_t info = {};
  info.si_signo = credentials_signal;
  info.si_code = SI_QUEUE;
  info.si_value.sival_ptr = &on_interruption;
  return kernel::invoke(SYS_rt_tgsigqueueinfo, kernel::invoke(SYS_getpid), kernel_tid, credentials_signal, &info) == 0;
}

void follow_fork(void* block_of_fork) {
  moved.block.store(block_of_fork, std::memory_order_relaxed);
  moved.kernel_tid.store(kernel::call(SYS_gettid), std::memory_order_release);
}

}  // namespace unblock::glibc
