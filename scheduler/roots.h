#pragma once
// Where a reader from outside begins (shim/layout.cc): what scheduler.cc and idle.cc keep. For nobody else.

#include "scheduler/carrier.h"
#include "scheduler/pool.h"

namespace unblock {

extern Pool<Carrier> carriers;
extern Statistics of_ended_carriers;
extern std::atomic<unsigned> os_threads, os_threads_most;

namespace scheduler {
extern Processor* processors;
extern unsigned count_of_processors;
extern uint64_t count_of_hand_offs;
extern std::atomic<size_t> injected_now;
}  // namespace scheduler

}  // namespace unblock
