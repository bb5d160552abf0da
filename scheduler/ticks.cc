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

int64_t nanoseconds_since(uint64_t then) {
  int64_t elapsed = kernel::now() - begin.nanoseconds.load(std::memory_order_relaxed);
  uint64_t present = now(), ticks = present - begin.ticks.load(std::memory_order_relaxed);
  return (int64_t)((double)(present - then) / (double)(ticks + 1) * (double)elapsed);
}

}  // namespace unblock::ticks
