#include "scheduler/region.h"

#include "scheduler/idle.h"

namespace unblock {

Region::Region() {
  Carrier* carrier = here.carrier;
  if (carrier == nullptr) return;
  ++carrier->statistics.regions;
  carrier->in_region.store(true, std::memory_order_relaxed);
}

Region::~Region() {
  Carrier* carrier = here.carrier;  // another one, if the call has parked inside
  if (carrier != nullptr) carrier->in_region.store(false, std::memory_order_relaxed);
}

LongRegion::LongRegion() {
  if (here.carrier != nullptr) scheduler::give_processor_away();
}

void bind_to_os_thread(bool for_life) {
  GreenThread* green = here.green;
  if (green == nullptr) return;
  green->bound.store(true, std::memory_order_relaxed);
  if (for_life) {
    green->bound_for_life = true;
    here.carrier->ends_with_thread = true;
  }
  scheduler::give_processor_away();
}

}  // namespace unblock
