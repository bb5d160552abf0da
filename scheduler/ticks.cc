#include "scheduler/ticks.h"

#include "scheduler/kernel.h"

namespace unblock::ticks {

Point begin, latest;

void note() {
  int64_t nanoseconds = kernel::now();
  uint64_t ticks = now();
  for (Point* point : {&begin, &latest}) {
    if (point == &begin && begin.ticks.load(std::memory_order_relaxed) != 0) continue;
    point->nanoseconds.store(nanoseconds, std::memory_order_relaxed);
    point->ticks.store(ticks, std::memory_order_relaxed);
  }
}

}  // namespace unblock::ticks
