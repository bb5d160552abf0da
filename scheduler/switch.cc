#include "scheduler/switch.h"

#include "scheduler/check.h"
#include "scheduler/cpu_time.h"
#include "scheduler/sanitizer.h"
#include "scheduler/thread_pointer.h"
#include "scheduler/ticks.h"

namespace unblock {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

void switch_out(Leaving leaving) {
  Critical::enter();
  UNBLOCK_CHECK(here.critical == 1);
  transfer_t from = jump_fcontext(here.carrier->context, reinterpret_cast<void*>(leaving));
  here.carrier->context = from.fctx;
  Critical::leave();
}

// The carrier's clock was read when the thread before left, or after the carrier has looked for this one: what lies
// between is a lock and a queue. So a switch reads the counter once.
void note_entering(const Carrier& carrier, GreenThread& green) {
  green.resumed_at = carrier.clock;
  ++green.resumptions;
}

void note_leaving(Carrier& carrier, GreenThread& green) {
  carrier.clock = green.waiting_since = ticks::now();
  green.run_ticks += carrier.clock - green.resumed_at;
}

namespace {

trace::Event event_of(Leaving why) {
  switch (why) {
    case Leaving::park: return trace::Event::wait;
    case Leaving::yield: return trace::Event::yield;
    case Leaving::finish: return trace::Event::end;
  }
  return trace::Event::none;
}

}  // namespace

Leaving resume(Carrier& carrier, GreenThread& green) {
  host::before_resume(carrier, green);
  green.local->carrier = &carrier;
  green.carrier.store(&carrier, std::memory_order_relaxed);
  carrier.running.store(&green, std::memory_order_relaxed);
  carrier.in_region.store(false, std::memory_order_relaxed);  // a cancelled thread may have left one open
  note_entering(carrier, green);
  if (__builtin_expect(cpu_time::is_counted.load(std::memory_order_relaxed), 0))
    cpu_time::note_entering(carrier, green);
  if (trace::on()) trace::note(&carrier, trace::Event::run, green);
  void* back_to = sanitizer::enter(green.thread_pointer);
  load_thread_pointer(green.thread_pointer);
  transfer_t from = jump_fcontext(green.context, nullptr);
  load_thread_pointer(carrier.thread_pointer);
  sanitizer::leave(back_to);
  green.context = from.fctx;
  note_leaving(carrier, green);
  if (__builtin_expect(cpu_time::is_counted.load(std::memory_order_relaxed), 0)) cpu_time::note_leaving(carrier, green);
  if (green.local->signals_recorded) carrier.local->signals_recorded = true;  // perhaps for others than this thread
  carrier.running.store(nullptr, std::memory_order_relaxed);
  green.carrier.store(nullptr, std::memory_order_relaxed);
  Leaving why = static_cast<Leaving>(reinterpret_cast<uintptr_t>(from.data));
  if (trace::on()) trace::note(&carrier, event_of(why), green);
  if (why == Leaving::finish) sanitizer::end(green, from.fctx);
  return why;
}

namespace {

// The first frame of every green thread. Nobody called it, and unwinders are told so: they would go on into nothing.
void begin(transfer_t from) {
  __asm__ volatile(".cfi_undefined rip");
  here.carrier->context = from.fctx;
  Critical::leave();
  here.green->entry();
  __builtin_unreachable();
}

}  // namespace

void prepare_green(GreenThread& green, void (*entry)(), Stack* stack, void* stack_top) {
  green.stack = stack;
  green.entry = entry;
  green.context = make_fcontext(stack_top, 0, begin);
  green.local->critical = 1;  // until it begins
  sanitizer::begin(green.thread_pointer);
}

}  // namespace unblock
