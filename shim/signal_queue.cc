#include "shim/signal_queue.h"

#include <errno.h>
#include <sys/resource.h>

#include "scheduler/pool.h"

namespace unblock {
namespace {

Pool<QueuedSignal> records;

constexpr SignalMask brought_upon_oneself =
    bit_of(SIGSEGV) | bit_of(SIGBUS) | bit_of(SIGILL) | bit_of(SIGTRAP) | bit_of(SIGFPE) | bit_of(SIGSYS);

// The kernel's rule: only a real-time signal that somebody queued is refused.
bool is_refused(const siginfo_t& info) {
  if (info.si_signo < first_realtime || info.si_code == SI_USER) return false;
  rlimit limit = {};
  kernel::invoke(SYS_prlimit64, 0, RLIMIT_SIGPENDING, nullptr, &limit);
  return records.taken() >= limit.rlim_cur;
}

int lowest(SignalMask due) {
  if (due & brought_upon_oneself) due &= brought_upon_oneself;
  return __builtin_ctzl(due) + 1;
}

}  // namespace

int SignalQueue::add(const siginfo_t& info, bool of_process) {
  if (is_refused(info)) return EAGAIN;
  QueuedSignal* record = records.take();
  if (record == nullptr) return EAGAIN;
  record->info = info;
  record->of_process = of_process;
  record->next = nullptr;
  bool is_second = false;
  {
    Held held(lock_);
    SignalMask one = bit_of(info.si_signo);
    is_second = info.si_signo < first_realtime && (pending_.load(std::memory_order_relaxed) & one) != 0;
    if (!is_second) {
      (first_ == nullptr ? first_ : last_->next) = record;
      last_ = record;
      pending_.fetch_or(one, std::memory_order_seq_cst);
    }
  }
  if (is_second) forget(record);
  return 0;
}

template <class Choose>
QueuedSignal* SignalQueue::take_first(Choose choose) {
  Held held(lock_);
  QueuedSignal *found = nullptr, *before_found = nullptr, *before = nullptr;
  bool is_last = true;
  for (QueuedSignal* each = first_; each != nullptr; before = each, each = each->next) {
    if (found == nullptr && choose(*each)) {
      found = each;
      before_found = before;
    } else if (found != nullptr && each->info.si_signo == found->info.si_signo) {
      is_last = false;
    }
  }
  if (found == nullptr) return nullptr;
  for (QueuedSignal* each = first_; each != found; each = each->next) {
    if (each->info.si_signo == found->info.si_signo) is_last = false;
  }
  (before_found == nullptr ? first_ : before_found->next) = found->next;
  if (last_ == found) last_ = before_found;
  if (is_last) pending_.fetch_and(~bit_of(found->info.si_signo), std::memory_order_seq_cst);
  return found;
}

QueuedSignal* SignalQueue::take(SignalMask set) {
  for (;;) {
    SignalMask due = pending() & set;
    if (due == 0) return nullptr;
    int signal = lowest(due);
    QueuedSignal* found = take_first([&](QueuedSignal& each) { return each.info.si_signo == signal; });
    if (found != nullptr) return found;
  }
}

QueuedSignal* SignalQueue::take_of_process(SignalMask set) {
  return take_first([&](QueuedSignal& each) { return each.of_process && (bit_of(each.info.si_signo) & set) != 0; });
}

void SignalQueue::forget(QueuedSignal* signal) { records.give_back(signal); }

void SignalQueue::forget_in_child() {
  lock_.reset();
  first_ = last_ = nullptr;
  pending_.store(0, std::memory_order_relaxed);
}

Lock& SignalQueue::records_lock() { return records.lock(); }

void SignalQueue::clear(SignalMask set) {
  while (QueuedSignal* each = take(set)) forget(each);
}

}  // namespace unblock
