#include "scheduler/region.h"

#include "scheduler/idle.h"

namespace unblock {

Region::Region() : carrier_(here.carrier) {
  if (carrier_ == nullptr) return;
  ++carrier_->statistics.regions;
  carrier_->in_region.store(true, std::memory_order_relaxed);
}

Region::~Region() {
  if (carrier_ != nullptr) carrier_->in_region.store(false, std::memory_order_relaxed);
}

LongRegion::LongRegion() {
  if (carrier_ != nullptr) scheduler::give_processor_away();
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
