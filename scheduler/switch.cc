#include "scheduler/switch.h"

#include "scheduler/check.h"
#include "scheduler/sanitizer.h"
#include "scheduler/thread_pointer.h"

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

Leaving resume(Carrier& carrier, GreenThread& green) {
  host::before_resume(carrier, green);
  green.local->carrier = &carrier;
  green.carrier.store(&carrier, std::memory_order_relaxed);
  carrier.running.store(&green, std::memory_order_relaxed);
  carrier.in_region.store(false, std::memory_order_relaxed);  // a cancelled thread may have left one open
  void* back_to = sanitizer::enter(green.thread_pointer);
  load_thread_pointer(green.thread_pointer);
  transfer_t from = jump_fcontext(green.context, nullptr);
  load_thread_pointer(carrier.thread_pointer);
  sanitizer::leave(back_to);
  green.context = from.fctx;
  if (green.local->signals_recorded) carrier.local->signals_recorded = true;  // perhaps for others than this thread
  carrier.running.store(nullptr, std::memory_order_relaxed);
  green.carrier.store(nullptr, std::memory_order_relaxed);
  Leaving why = static_cast<Leaving>(reinterpret_cast<uintptr_t>(from.data));
  if (why == Leaving::finish) sanitizer::end(green, from.fctx);
  return why;
}

namespace {

// The first frame of every green thread.
void begin(transfer_t from) {
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
