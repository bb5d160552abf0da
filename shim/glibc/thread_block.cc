#include "shim/glibc/thread_block.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "scheduler/kernel.h"
#include "shim/glibc/block_layout.h"
#include "shim/glibc/static_tls.h"
#include "shim/glibc/symbols.h"

// setjmp without a signal mask, declared by hand because headers disagree about its argument.
extern "C" int save_registers(void* buffer, int save_mask) __asm__("__sigsetjmp") __attribute__((returns_twice));

namespace unblock::glibc {
namespace {

constexpr int first_green_tid = 1 << 22;  // the kernel's are smaller
constexpr int rseq_registration_failed = -2;

// Bits of the cancel word.
constexpr unsigned cancel_disabled = 0x01, cancelled = 0x08, exiting = 0x10, terminated = 0x20;

size_t record_size() {
  const size_t alignment = layout.alignment;
  return (sizeof(BlockRecord) + alignment - 1) / alignment * alignment;
}

// What glibc's pthread_create and start_thread write into a fresh block. Everything else is zero.
void fill(void* block, void* maker, int tid, void* stack, size_t stack_size, size_t guard_size) {
  field<void*>(block, offset::self) = block;
  field<void*>(block, offset::self_again) = block;
  field<int>(block, offset::multiple_threads) = 1;
  for (ptrdiff_t at : {offset::system_call_entry, offset::stack_guard, offset::pointer_guard}) {
    field<uint64_t>(block, at) = field<uint64_t>(maker, at);
  }
  field<uint32_t>(block, offset::feature_bits) = field<uint32_t>(maker, offset::feature_bits);

  // The block is in none of glibc's lists; fork unlinks the caller's block from where it stands.
  char* links = static_cast<char*>(block) + layout.list;
  field<void*>(links, 0) = field<void*>(links, 8) = links;
  field<char>(block, layout.user_stack) = 1;

  glibc::tid(block) = tid;
  auto robust = static_cast<robust_list_head*>(robust_head(block));
  robust->list.next = &robust->list;
  robust->futex_offset = static_cast<robust_list_head*>(robust_head(maker))->futex_offset;
  field<void*>(robust, -8) = robust;

  constexpr size_t second_level_bytes = 512;
  field<void*>(block, layout.specific) = static_cast<char*>(block) + layout.specific - second_level_bytes;

  field<void*>(block, layout.stack) = stack;
  field<size_t>(block, layout.stack + 8) = stack_size;
  field<size_t>(block, layout.stack + 16) = field<size_t>(block, layout.stack + 24) = guard_size;
}

// What glibc writes into the thread-local variables of a fresh block once libc's initial values are there.
void fill_thread_local(void* block) {
  field<void*>(block, layout.resolver_pointer) = static_cast<char*>(block) + layout.resolver;
  // The kernel knows no rseq area of a green thread. Left at zero, sched_getcpu would answer 0 for ever.
  if (layout.rseq) field<int>(block, layout.rseq + offset::rseq_cpu_id) = rseq_registration_failed;
}

}  // namespace

BlockRecord& record_of(void* block) {
  return *reinterpret_cast<BlockRecord*>(static_cast<char*>(block) - layout.size_below - record_size());
}

size_t block_size() {
  return record_size() + layout.size_below +
         (layout.size_above + layout.alignment - 1) / layout.alignment * layout.alignment;
}

size_t block_alignment() { return layout.alignment; }

void* make_block(void* memory, int tid, void* stack, size_t stack_size, size_t guard_size) {
  memset(memory, 0, block_size());
  void* block = static_cast<char*>(memory) + record_size() + layout.size_below;
  fill(block, thread_pointer(), tid, stack, stack_size, guard_size);
  BlockRecord& record = record_of(block);
  record.thread_pointer = block;
  list_block(record);
  if (!layout.allocate_tls(block)) {
    unlist_block(record);
    return nullptr;
  }
  fill_thread_local(block);
  return block;
}

void destroy_block(void* block) {
  unlist_block(record_of(block));
  layout.deallocate_tls(block, false);
}

void* run(void* (*start)(void*), void* argument, bool* exited) {
  *exited = false;
  layout.initialise_ctype();
  __pthread_unwind_buf_t scope;
  if (__builtin_expect(save_registers(&scope, 0) != 0, 0)) {
    *exited = true;
    return nullptr;
  }
  layout.register_cancel(&scope);
  void* result = start(argument);
  layout.unregister_cancel(&scope);
  return result;
}

namespace {

template <class Work>
void in_cancel_scope(Work work) {
  __pthread_unwind_buf_t scope;
  // A destructor may call pthread_exit or meet a cancellation point. As in libc, the rest of the work is then done.
  if (save_registers(&scope, 0) == 0) layout.register_cancel(&scope);
  work();
  layout.unregister_cancel(&scope);
}

}  // namespace

void end_thread() {
  in_cancel_scope([] {
    layout.run_thread_local_destructors();
    layout.run_key_destructors();
    layout.free_thread_resources();
  });
}

void end_first_thread() { in_cancel_scope(layout.run_key_destructors); }

bool run_cancellable(void (*work)(void*), void* argument) {
  __pthread_unwind_buf_t scope;
  bool was_cancelled = save_registers(&scope, 0) != 0;
  if (!was_cancelled) {
    layout.register_cancel(&scope);
    work(argument);
  }
  layout.unregister_cancel(&scope);
  return was_cancelled;
}

void forget_cancellation() {
  unsigned& word = field<unsigned>(thread_pointer(), layout.cancel_word);
  __atomic_fetch_and(&word, ~(cancelled | exiting), __ATOMIC_SEQ_CST);
  int unused;
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &unused);
}

// --- robust mutexes -------------------------------------------------------------------------------------------------

namespace {

// Returns false when the thread is not the owner: it died between linking the mutex and locking it.
bool abandon(uint32_t* word, uint32_t owner) {
  uint32_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
  do {
    if ((value & FUTEX_TID_MASK) != owner) return false;
  } while (!__atomic_compare_exchange_n(word, &value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED));
  // libc waits for robust mutexes with the shared form, because that is how the kernel wakes here.
  if (value & FUTEX_WAITERS) kernel::invoke(SYS_futex, word, FUTEX_WAKE, 1);
  return true;
}

// Of one that inherits priority, the kernel keeps who waits, and takes no owner's death from us but the OS thread's own:
// to who waits already it goes as if it had been unlocked. Nobody waits: the next one learns of the death.
void abandon_inheriting(uint32_t* word, uint32_t owner) {
  uint32_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
  while ((value & FUTEX_TID_MASK) == owner) {
    if (value & FUTEX_WAITERS) return (void)kernel::invoke(SYS_futex, word, FUTEX_UNLOCK_PI);
    if (__atomic_compare_exchange_n(word, &value, FUTEX_OWNER_DIED, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) return;
  }
}

}  // namespace

void release_robust_mutexes(void (*wake)(void* lock_word, void* context), void* context) {
  constexpr size_t most_entries = 2048;  // the kernel's own limit: a list of the program may be a ring
  constexpr uintptr_t priority_inheriting = 1;
  void* block = thread_pointer();
  auto head = static_cast<robust_list_head*>(robust_head(block));
  auto release = [&](robust_list* entry) {
    auto address = reinterpret_cast<uintptr_t>(entry);
    if (!entry) return;
    auto word = reinterpret_cast<uint32_t*>((address & ~priority_inheriting) + head->futex_offset);
    if (address & priority_inheriting) return abandon_inheriting(word, tid(block));
    if (abandon(word, tid(block))) wake(word, context);
  };
  robust_list* pending = head->list_op_pending;
  robust_list* entry = head->list.next;
  for (size_t i = 0; i < most_entries && entry != &head->list; i++) {
    auto address = reinterpret_cast<uintptr_t>(entry) & ~priority_inheriting;
    robust_list* next = reinterpret_cast<robust_list*>(address)->next;  // read first: a woken owner may unlink it
    if (entry != pending) release(entry);
    entry = next;
  }
  release(pending);
  head->list.next = &head->list;
  head->list_op_pending = nullptr;
}

// --- looking into a block -------------------------------------------------------------------------------------------

int& tid(void* block) { return field<int>(block, layout.tid); }

void* robust_head(void* block) { return static_cast<char*>(block) + layout.robust_head; }

void cancel(void* block) {
  __atomic_fetch_or(&field<unsigned>(block, layout.cancel_word), cancelled, __ATOMIC_ACQ_REL);
}

bool cancellation_pending(void* block) {
  const unsigned word = __atomic_load_n(&field<unsigned>(block, layout.cancel_word), __ATOMIC_ACQUIRE);
  if ((word & (cancelled | exiting | terminated)) != cancelled) return false;
  return !(__atomic_load_n(&field<unsigned char>(block, layout.cancel_state), __ATOMIC_RELAXED) & cancel_disabled);
}

bool is_green_block(void* block) { return layout.tid && tid(block) >= first_green_tid; }

// --- a trial --------------------------------------------------------------------------------------------------------

namespace {

unsigned destructor_calls;

void count_destructor(void*) { destructor_calls++; }

struct KeyFunctions {
  int (*create)(pthread_key_t*, void (*)(void*));
  int (*set)(pthread_key_t, const void*);
  int (*remove)(pthread_key_t);

  bool complete() {
    create = reinterpret_cast<decltype(create)>(find("pthread_key_create"));
    set = reinterpret_cast<decltype(set)>(find("pthread_setspecific"));
    remove = reinterpret_cast<decltype(remove)>(find("pthread_key_delete"));
    return create && set && remove;
  }
};

// Runs on the block under trial.
const char* try_block(const KeyFunctions& keys, pthread_key_t key) {
  layout.initialise_ctype();
  auto self = reinterpret_cast<pthread_t (*)()>(find("pthread_self"));
  auto resolver_state = reinterpret_cast<void* (*)()>(find("__res_state"));
  void* block = thread_pointer();
  if (!self || reinterpret_cast<void*>(self()) != block) return "a thread block of ours has no identity";
  if (resolver_state() != static_cast<char*>(block) + layout.resolver) return "a thread block of ours has no resolver";
  destructor_calls = 0;
  if (keys.set(key, &destructor_calls) != 0) return "a thread block of ours has no thread-specific data";
  end_thread();
  return destructor_calls == 1 ? nullptr : "the end of its threads was misunderstood";
}

// Nothing of the program may run on the trial's block, so no signal is let in.
const char* try_block_in(void* memory, size_t size) {
  KeyFunctions keys;
  pthread_key_t key;
  if (!keys.complete() || keys.create(&key, count_destructor) != 0) return "it has no key to spare";
  const char* failure = "there is no memory for a thread block";
  if (void* block = make_block(memory, first_green_tid, memory, size, 0)) {
    uint64_t all = ~uint64_t{0}, mask = 0;
    kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof mask);
    void* own = thread_pointer();
    load_thread_pointer(block);
    failure = try_block(keys, key);
    load_thread_pointer(own);
    kernel::invoke(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
    destroy_block(block);
  }
  keys.remove(key);
  return failure;
}

const char* try_one() {
  const size_t size = block_size();
  const long memory =
      kernel::invoke(SYS_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return "there is no memory for a thread block";
  const char* failure = try_block_in(reinterpret_cast<void*>(memory), size);
  kernel::invoke(SYS_munmap, memory, size);
  return failure;
}

}  // namespace

const char* prepare() {
  detect_thread_pointer_access();
  if (const char* failure = find_layout()) return failure;
  know_all_libraries();
  return try_one();
}

}  // namespace unblock::glibc
