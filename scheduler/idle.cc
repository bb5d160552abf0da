// Who may run and who is idle: the processors, the idle set, the injection queue, and the wait for events. The argument
// stands in carrier.h.

#include "scheduler/idle.h"

#include <sys/mman.h>
#include <x86intrin.h>

#include <new>

#include "scheduler/chaos.h"
#include "scheduler/event_loop.h"
#include "scheduler/monitor.h"
#include "scheduler/roots.h"

namespace unblock::scheduler {

Processor* processors;
unsigned count_of_processors;
uint64_t count_of_hand_offs;       // guarded(idle.lock)
std::atomic<size_t> injected_now;  // written under the injection queue's lock

namespace {

// Who is idle. `polling` is true while a carrier waits for events and nobody has kicked it yet.
struct Idle {
  Lock lock;
  Carrier* poller;                       // guarded(lock)
  Processor* processors;                 // guarded(lock)
  Carrier* spares;                       // guarded(lock)
  size_t spares_count;                   // guarded(lock)
  std::atomic<size_t> processors_count;  // written under lock
  std::atomic<bool> polling;
  std::atomic<int64_t> deadline;  // until when the poller sleeps
  std::atomic<bool> carrier_wanted;
  std::atomic<bool> carrier_coming;  // one is on its way: starting takes long on a busy machine
};

// Runnable threads that nobody with a processor queued.
struct Injection {
  Lock lock;
  RunQueue queue;  // guarded(lock)
};

// Spares kept beyond one for each idle processor; a carrier that finds more ends.
constexpr size_t spares_kept = 2;

Idle idle;
Injection injection;
TimerHeap lone;

Processor* pop_idle_processor() {
  Processor* processor = idle.processors;
  if (processor == nullptr) return nullptr;
  idle.processors = processor->next_idle;
  idle.processors_count.fetch_sub(1, std::memory_order_seq_cst);
  return processor;
}

void push_idle_processor(Processor& processor) {
  processor.next_idle = idle.processors;
  idle.processors = &processor;
  idle.processors_count.fetch_add(1, std::memory_order_seq_cst);
}

Carrier* pop_spare() {
  Carrier* carrier = idle.spares;
  if (carrier == nullptr) return nullptr;
  idle.spares = carrier->next_spare;
  --idle.spares_count;
  return carrier;
}

void push_spare(Carrier& carrier) {
  carrier.next_spare = idle.spares;
  idle.spares = &carrier;
  ++idle.spares_count;
}

// `processor` is under its lock or nobody else's.
void make_owner(Processor& processor, Carrier& carrier) {
  processor.owner = &carrier;
  processor.left_in_turn = 0;
  carrier.processor.store(&processor, std::memory_order_release);
}

void wake_carrier(Carrier& carrier) {
  carrier.sleep_word.store(1, std::memory_order_release);
  kernel::futex_wake(carrier.sleep_word, 1);
}

void want_carrier() {
  idle.carrier_wanted.store(true, std::memory_order_seq_cst);
  monitor::nudge();
}

// Gives an idle processor to a spare carrier. False when there is no idle processor.
bool start_idle_processor() {
  if (idle.processors_count.load(std::memory_order_seq_cst) == 0) return false;
  Processor* processor;
  Carrier* carrier;
  {
    Held held(idle.lock);
    if (idle.processors == nullptr) return false;
    carrier = pop_spare();
    processor = carrier != nullptr ? pop_idle_processor() : nullptr;
  }
  if (carrier == nullptr) {
    want_carrier();  // it will find the processor and the work by itself
    return true;
  }
  {
    Held held(processor->lock);
    make_owner(*processor, *carrier);
  }
  wake_carrier(*carrier);
  monitor::nudge();
  return true;
}

bool kick_poller() {
  if (!idle.polling.load(std::memory_order_seq_cst) || !idle.polling.exchange(false, std::memory_order_seq_cst)) {
    return false;
  }
  event_loop::kick();
  return true;
}

int64_t earliest_deadline() {
  int64_t earliest = lone.earliest();
  for (unsigned i = 0; i < count_of_processors; ++i) {
    int64_t here_earliest = processors[i].timers.earliest();
    if (here_earliest < earliest) earliest = here_earliest;
  }
  return earliest;
}

// Every processor's: the owner of one may be busy, and an idle one has nobody to look after its own.
int fire_all_timers() {
  if (earliest_deadline() == INT64_MAX) return 0;
  int64_t now = kernel::now();
  int fired = lone.fire(now);
  for (unsigned i = 0; i < count_of_processors; ++i) {
    if (processors[i].timers.earliest() <= now) fired += processors[i].timers.fire(now);
  }
  return fired;
}

// The one carrier that waits for events, its processor in hand.
void wait_for_events(Processor& processor) {
  int64_t earliest;
  do {
    earliest = earliest_deadline();
    idle.deadline.store(earliest, std::memory_order_seq_cst);
    idle.polling.store(true, std::memory_order_seq_cst);
    // [publish-then-recheck] against inject() and kick_if_earlier(): it sleeps by the deadline that it has published
  } while (earliest_deadline() != earliest);
  int64_t timeout = earliest;
  if (earliest != INT64_MAX) {
    int64_t now = kernel::now();
    timeout = earliest > now ? earliest - now : 0;
  }
  UNBLOCK_CHAOS_POINT();
  if (injected_now.load(std::memory_order_seq_cst) != 0) timeout = 0;
  if (processor.length.load(std::memory_order_seq_cst) != 0) timeout = 0;  // a signal handler on this carrier queued it
  event_loop::poll(timeout);
  idle.polling.store(false, std::memory_order_relaxed);
  {
    Held held(processor.lock);
    processor.waiting = false;
    processor.picks_since_poll = 0;
    processor.polled = __rdtsc();
    Held held_idle(idle.lock);
    idle.poller = nullptr;
  }
  monitor::nudge();
  fire_all_timers();
}

void sleep_until_woken(Carrier& carrier) {
  host::before_sleep(carrier);
  while (carrier.sleep_word.load(std::memory_order_acquire) == 0) kernel::futex_wait(carrier.sleep_word, 0);
  carrier.sleep_word.store(0, std::memory_order_relaxed);
}

// Work that a carrier without a processor could do with an idle one. Under idle.lock.
bool idle_processor_is_needed() {
  if (idle.processors == nullptr) return false;
  if (idle.poller == nullptr || injected_now.load(std::memory_order_seq_cst) != 0) return true;
  for (Processor* each = idle.processors; each != nullptr; each = each->next_idle) {
    if (each->length.load(std::memory_order_relaxed) != 0) return true;
  }
  return false;
}

}  // namespace

bool make_processors(unsigned count) {
  size_t bytes = count * sizeof(Processor);
  long memory = kernel::invoke(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return false;
  processors = reinterpret_cast<Processor*>(memory);
  for (unsigned i = 0; i < count; ++i) new (&processors[i]) Processor();
  count_of_processors = count;
  return true;
}

void share_out_processors(Carrier* first) {
  Held held_first(processors[0].lock);  // the monitor looks already
  Held held(idle.lock);
  idle.processors = nullptr;
  idle.processors_count.store(0);
  for (unsigned i = count_of_processors; i-- > 0;) {
    if (i == 0 && first != nullptr) {
      make_owner(processors[0], *first);
    } else {
      push_idle_processor(processors[i]);
    }
  }
}

unsigned processor_count() { return count_of_processors; }
Processor& processor_at(unsigned index) { return processors[index]; }
TimerHeap& lone_timers() { return lone; }

// One at a time. Whoever wants one has published before why, so the one that is coming sees it and the want is met:
// a want for each of a thousand wake-ups while the first carrier waits for a CPU starts no more than that one.
bool carrier_wanted() {
  return idle.carrier_wanted.load(std::memory_order_seq_cst) && !idle.carrier_coming.load(std::memory_order_seq_cst);
}

void carrier_is_coming(bool coming) {
  idle.carrier_coming.store(coming, std::memory_order_seq_cst);
  idle.carrier_wanted.store(false, std::memory_order_seq_cst);
}

void kick_if_earlier(int64_t deadline) {
  if (deadline < idle.deadline.load(std::memory_order_seq_cst)) kick_poller();
}

bool run_due_timers() { return fire_all_timers() != 0; }

void inject(GreenThread& green) {
  {
    Held held(injection.lock);
    injection.queue.push_back(green);
    injected_now.store(injection.queue.length(), std::memory_order_seq_cst);
  }
  UNBLOCK_CHAOS_POINT();
  // [publish-then-recheck] Busy processors look at the injection queue by themselves.
  if (!kick_poller()) start_idle_processor();
}

void wake_help() {
  if (!start_idle_processor()) kick_poller();
}

void renew_wait() { kick_poller(); }

// Gives the threads to the processor if the carrier still owns it, and to the injection queue otherwise: the monitor may
// have taken it while its carrier was in the loop. [ownership-under-lock]
void queue_or_inject(Carrier& carrier, Processor& processor, RunQueue& taken) {
  {
    Held held(processor.lock);
    if (processor.owner == &carrier) {
      processor.queue.append(taken);
      processor.length.store(processor.queue.length(), std::memory_order_relaxed);
    }
  }
  while (GreenThread* green = taken.pop_front()) inject(*green);
}

bool take_injected(Carrier& carrier, Processor& processor) {
  if (injected_now.load(std::memory_order_seq_cst) == 0) return false;
  RunQueue taken;
  {
    Held held(injection.lock);
    taken.append(injection.queue);
    injected_now.store(0, std::memory_order_seq_cst);
  }
  if (taken.empty()) return false;
  queue_or_inject(carrier, processor, taken);
  return true;
}

bool steal_into(Carrier& carrier, Processor& thief) {
  for (unsigned i = 0; i < count_of_processors; ++i) {
    Processor& victim = processors[i];
    if (&victim == &thief || victim.length.load(std::memory_order_relaxed) == 0) continue;
    RunQueue taken;
    {
      Held held(victim.lock);
      taken.take_half_of(victim.queue);
      victim.left_in_turn = 0;
      victim.length.store(victim.queue.length(), std::memory_order_relaxed);
    }
    if (taken.empty()) continue;
    carrier.statistics.steals += taken.length();
    UNBLOCK_CHAOS_POINT();
    queue_or_inject(carrier, thief, taken);
    return true;
  }
  return false;
}

void go_idle(Carrier& carrier, Processor& processor) {
  bool is_poller = false;
  {
    Held held(processor.lock);
    if (processor.owner != &carrier || !processor.queue.empty()) return;
    Held held_idle(idle.lock);
    if (idle.poller == nullptr) {
      idle.poller = &carrier;
      processor.waiting = is_poller = true;
    } else {
      processor.owner = nullptr;
      carrier.processor.store(nullptr, std::memory_order_relaxed);
      push_idle_processor(processor);
      push_spare(carrier);
    }
  }
  if (is_poller) return wait_for_events(processor);
  UNBLOCK_CHAOS_POINT();
  kick_if_earlier(processor.timers.earliest());  // [timer-before-sleep]
  if (injected_now.load(std::memory_order_seq_cst) != 0 && !kick_poller()) start_idle_processor();
  sleep_until_woken(carrier);
}

bool wait_as_spare(Carrier& carrier) {
  Processor* processor = nullptr;
  bool is_last = false;
  {
    Held held(idle.lock);
    if (carrier.ends_with_thread) return false;
    if (idle_processor_is_needed()) {
      processor = pop_idle_processor();
      is_last = idle.spares == nullptr;
    } else if (idle.spares_count >= spares_kept + idle.processors_count.load(std::memory_order_relaxed) &&
               !carrier.is_first && !carrier.has_forked) {
      return false;
    } else {
      push_spare(carrier);
    }
  }
  if (processor == nullptr) {
    sleep_until_woken(carrier);
    return true;
  }
  {
    Held held(processor->lock);
    make_owner(*processor, carrier);
  }
  if (is_last) want_carrier();  // the next hand-off finds a spare ready
  return true;
}

bool hand_off(Processor& processor, Carrier& owner, uint64_t picks) {
  Carrier* spare;
  {
    Held held(idle.lock);
    spare = pop_spare();
  }
  if (spare == nullptr) {
    idle.carrier_wanted.store(true, std::memory_order_seq_cst);  // ready at the next look
    return false;
  }
  UNBLOCK_CHAOS_POINT();
  bool taken = false;
  {
    Held held(processor.lock);
    if (processor.owner == &owner && processor.picks == picks && !processor.waiting) {
      owner.processor.store(nullptr, std::memory_order_release);
      make_owner(processor, *spare);
      taken = true;
    }
  }
  Held held(idle.lock);
  if (!taken) {
    push_spare(*spare);
    return false;
  }
  ++count_of_hand_offs;
  if (idle.spares == nullptr) idle.carrier_wanted.store(true, std::memory_order_seq_cst);
  wake_carrier(*spare);
  return true;
}

void give_processor_away() {
  Critical critical;
  Carrier* carrier = here.carrier;
  Processor* processor = carrier != nullptr ? carrier->processor.load(std::memory_order_acquire) : nullptr;
  if (processor == nullptr) return;
  uint64_t picks;
  {
    Held held(processor->lock);
    picks = processor->picks;
  }
  if (hand_off(*processor, *carrier, picks)) return;
  RunQueue left;
  {
    Held held(processor->lock);
    if (processor->owner != carrier) return;
    processor->owner = nullptr;
    carrier->processor.store(nullptr, std::memory_order_release);
    left.append(processor->queue);
    processor->left_in_turn = 0;
    processor->length.store(0, std::memory_order_relaxed);
  }
  {
    Held held(idle.lock);
    push_idle_processor(*processor);
    ++count_of_hand_offs;
  }
  // The next carrier may take another processor, and busy ones only look at the injection queue.
  if (!left.empty()) {
    Held held(injection.lock);
    injection.queue.append(left);
    injected_now.store(injection.queue.length(), std::memory_order_seq_cst);
  }
  kick_poller();
  want_carrier();
}

void forget_idle() {
  lone.forget_all();
  for (unsigned i = 0; i < count_of_processors; ++i) {
    processors[i].timers.forget_all();
    new (&processors[i]) Processor();
  }
  new (&idle) Idle();
  new (&injection) Injection();
  injected_now.store(0, std::memory_order_relaxed);
}

uint64_t hand_offs() {
  Held held(idle.lock);
  return count_of_hand_offs;
}

}  // namespace unblock::scheduler
