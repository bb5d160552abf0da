#include "tests/scheduler/test_thread.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

#include "scheduler/host.h"
#include "scheduler/parking_lot.h"
#include "scheduler/pool.h"
#include "scheduler/thread_pointer.h"
#include "shim/glibc/carrier_block.h"
#include "shim/glibc/symbols.h"
#include "shim/glibc/thread_block.h"

namespace unblock::test {

struct Record {
  GreenThread green;  // first, so that the scheduler's thread is ours
  std::function<void()> body;
  std::atomic<bool> finished;
  bool has_reason;
  Wakeup reason;
};

namespace {

constexpr size_t stack_bytes = 256 * 1024;
constexpr size_t guard_bytes = 4096;

Pool<Record> records;

Record& record_of(GreenThread& green) { return reinterpret_cast<Record&>(green); }

int take_tid() {
  static std::atomic<int> next{(1 << 22) + 1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

void reset(GreenThread& green) {
  green.carrier.store(nullptr);
  green.waiter.store(nullptr);
  green.bound.store(false);
  green.bound_for_life = false;
  green.detections.store(0);
  green.quiet_parks.store(0);
  green.calls_without_wait = 0;
  green.wait_kind = WaitKind::none;
}

// The first frame of every test thread, and the last.
void thread_main() {
  Record& me = record_of(*here.green);
  bool exited = false;
  glibc::run(
      [](void* record) -> void* {
        static_cast<Record*>(record)->body();
        return nullptr;
      },
      &me, &exited);
  me.body = nullptr;
  glibc::end_thread();
  finish_thread();
}

void* make_carrier_block(Local** local) {
  size_t bytes = glibc::block_size() + glibc::block_alignment();
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  uintptr_t aligned = ((uintptr_t)memory + glibc::block_alignment() - 1) & ~(glibc::block_alignment() - 1);
  void* block = glibc::make_block((void*)aligned, (int)kernel::invoke(SYS_getpid), memory, bytes, 0);
  *local = glibc::own_local(block, &here);
  return block;
}

bool give_stack_and_block(GreenThread& green, void (*entry)()) {
  Stack* stack = take_stack(stack_bytes + glibc::block_size() + glibc::block_alignment(), guard_bytes);
  if (stack == nullptr) return false;
  uintptr_t block = ((uintptr_t)stack->top() - glibc::block_size()) & ~(glibc::block_alignment() - 1);
  void* usable = stack->base + stack->guard_size;
  green.thread_pointer =
      glibc::make_block((void*)block, take_tid(), usable, stack->size - stack->guard_size, stack->guard_size);
  if (green.thread_pointer == nullptr) {
    give_back_stack(stack);
    return false;
  }
  green.local = glibc::own_local(green.thread_pointer, &here);
  *green.local = {};
  green.local->green = &green;
  prepare_green(green, entry, stack, (void*)(block & ~uintptr_t{63}));
  return true;
}

[[noreturn]] void give_up(const char* why) {
  fprintf(stderr, "the test cannot begin: %s\n", why);
  exit(1);
}

}  // namespace

Thread::Thread(std::function<void()> body) : record_(records.take()) {
  if (record_ == nullptr) give_up("no memory for a thread");
  reset(record_->green);
  record_->finished.store(false);
  record_->has_reason = false;
  record_->body = std::move(body);
  if (!give_stack_and_block(record_->green, thread_main)) give_up("no memory for a stack");
  Critical critical;
  make_runnable(record_->green);
}

void Thread::join() {
  if (record_ == nullptr) return;
  auto not_finished = [&] { return record_->finished.load() ? Recheck::leave : Recheck::park; };
  while (not_finished() == Recheck::park) {
    parking_lot::park(&record_->finished, WaitKind::join, Deadline::never(), not_finished);
  }
  glibc::destroy_block(record_->green.thread_pointer);
  give_back_stack(record_->green.stack);
  records.give_back(record_);
  record_ = nullptr;
}

GreenThread& Thread::green() const { return record_->green; }

bool Thread::is_parked() const { return is_waiting(green()) && green().carrier.load() == nullptr; }

void start_scheduler(unsigned processors, bool monitor) {
  if (const char* failure = glibc::prepare()) give_up(failure);
  Record* first = records.take();
  first->green.thread_pointer = thread_pointer();
  first->green.local = &here;
  Carrier* carrier = nullptr;
  if (scheduler::start({processors, monitor}, first->green, carrier, make_carrier_block) != 0) {
    give_up("the scheduler did not start");
  }
  here.green = &first->green;
  glibc::leave_initial_block();
  glibc::on_block(carrier->thread_pointer, [] { glibc::register_carrier_block(); });
}

void give_reason_not_to_park(Wakeup reason) {
  Record& me = record_of(*here.green);
  me.has_reason = true;
  me.reason = reason;
}

void Door::wait() {
  auto is_closed = [&] { return open_.load() ? Recheck::leave : Recheck::park; };
  while (is_closed() == Recheck::park) {
    parking_lot::park(&open_, WaitKind::condition, Deadline::never(), is_closed);
  }
}

void Door::open() {
  open_.store(true);
  parking_lot::unpark(&open_, INT32_MAX);
}

}  // namespace unblock::test

namespace unblock::host {

void thread_finished(GreenThread& green) {
  test::Record& record = test::record_of(green);
  record.finished.store(true);
  parking_lot::unpark(&record.finished, INT32_MAX);
}

bool reason_not_to_park(GreenThread& green, Wakeup& reason) {
  test::Record& record = test::record_of(green);
  if (!record.has_reason) return false;
  record.has_reason = false;
  reason = record.reason;
  return true;
}

}  // namespace unblock::host

#ifdef __SANITIZE_ADDRESS__
// AddressSanitizer asks where the stack of the calling thread is. libc asks the kernel, which knows no green thread.
extern "C" int pthread_getattr_np(pthread_t thread, pthread_attr_t* attributes) noexcept {
  if (!unblock::glibc::is_green_block(reinterpret_cast<void*>(thread))) {
    auto real = reinterpret_cast<decltype(&pthread_getattr_np)>(unblock::glibc::find("pthread_getattr_np"));
    return real(thread, attributes);
  }
  unblock::Stack* stack = unblock::here.green->stack;
  pthread_attr_init(attributes);
  return pthread_attr_setstack(attributes, stack->base, stack->size);
}
#endif
