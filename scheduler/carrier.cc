#include "scheduler/carrier.h"

#include "scheduler/chaos.h"
#include "scheduler/event_loop.h"
#include "scheduler/scheduler.h"
#include "scheduler/switch.h"
#include "scheduler/ticks.h"

namespace unblock {
namespace {

// How long a processor computes before it looks at the loop, and before it asks another for help, in ticks of the
// time-stamp counter (some 2 to 4 for each nanosecond: these are orders of magnitude, not deadlines).
constexpr uint64_t poll_after = 250'000;
constexpr uint64_t help_after = 1'500'000;
constexpr uint32_t picks_before_poll = 64;

// The next thread's saved frame and its record are cold by now, each on a page of its own; the thread before it takes
// microseconds, time enough to fetch them.
void prefetch(const GreenThread& next) {
  constexpr int lines_of_a_parked_frame = 12;
  auto frame = static_cast<const char*>(next.context);
  for (int line = 0; line < lines_of_a_parked_frame; ++line) __builtin_prefetch(frame + line * 64, 1);
  __builtin_prefetch(next.local, 1);
  __builtin_prefetch(next.next);
}

enum class Taken { thread, empty, time_to_poll, lost };

// Step 1 of the carrier's protocol.
Taken take(Processor& processor, Carrier& carrier, GreenThread*& thread) {
  bool late = false;
  {
    Held held(processor.lock);
    if (processor.owner != &carrier) return Taken::lost;  // [ownership-under-lock]
    ++processor.picks;
    if (processor.left_in_turn == 0) {
      if (processor.queue.empty()) return Taken::empty;
      uint64_t now = ticks::now();
      if (processor.picks_since_poll >= picks_before_poll || now - processor.polled > poll_after) {
        processor.picks_since_poll = 0;
        processor.polled = now;
        return Taken::time_to_poll;
      }
      processor.left_in_turn = processor.queue.length();
      processor.turn_began = now;
    }
    thread = processor.queue.pop_front();
    if (!processor.queue.empty()) prefetch(*thread->next);
    --processor.left_in_turn;
    ++processor.picks_since_poll;
    processor.length.store(processor.queue.length(), std::memory_order_relaxed);
    late = !processor.queue.empty() && ticks::now() - processor.turn_began > help_after;
  }
  if (late) scheduler::wake_help();
  return Taken::thread;
}

GreenThread* next_thread(Carrier& carrier) {
  for (;; carrier.clock = ticks::now()) {
    Processor* processor = carrier.processor.load(std::memory_order_acquire);
    if (processor == nullptr) {
      if (!scheduler::wait_as_spare(carrier)) return nullptr;
      continue;
    }
    GreenThread* thread = nullptr;
    switch (take(*processor, carrier, thread)) {
      case Taken::thread: return thread;
      case Taken::lost: break;
      case Taken::time_to_poll:
        event_loop::poll(0);
        scheduler::run_due_timers();
        scheduler::take_injected(carrier, *processor);
        break;
      case Taken::empty:
        if (scheduler::take_injected(carrier, *processor) || scheduler::run_due_timers()) break;
        if (scheduler::steal_into(carrier, *processor)) break;
        scheduler::go_idle(carrier, *processor);
        break;
    }
  }
}

}  // namespace

bool after_leaving(Carrier& carrier, GreenThread& thread, Leaving why) {
  switch (why) {
    case Leaving::park:
      if (thread.detections.load(std::memory_order_relaxed) != 0) count_quiet_park(thread);
      if (!park_saved(thread)) make_runnable(thread);
      return true;
    case Leaving::yield: make_runnable(thread); return true;
    case Leaving::finish: break;
  }
  host::thread_finished(thread);
  return !carrier.ends_with_thread;
}

void run_carrier(Carrier& carrier) {
  carrier.clock = ticks::now();
  for (;;) {
    GreenThread* thread = next_thread(carrier);
    if (thread == nullptr) return;
    ++carrier.statistics.switches;
    UNBLOCK_CHAOS_POINT();
    if (!after_leaving(carrier, *thread, resume(carrier, *thread))) return;
  }
}

void make_runnable(GreenThread& green) {
  Carrier* carrier = here.carrier;
  if (trace::on())
    trace::note(carrier, trace::Event::wake, green, here.green != nullptr ? host::number_of(*here.green) : 0);
  Processor* processor = carrier != nullptr ? carrier->processor.load(std::memory_order_acquire) : nullptr;
  UNBLOCK_CHAOS_POINT();
  if (processor != nullptr) {
    Held held(processor->lock);
    if (processor->owner == carrier) {  // [ownership-under-lock]
      processor->queue.push_back(green);
      processor->length.store(processor->queue.length(), std::memory_order_relaxed);
      return;
    }
  }
  scheduler::inject(green);
}

}  // namespace unblock
