#include "scheduler/trace.h"

#include <sys/mman.h>

#include "scheduler/carrier.h"
#include "scheduler/ticks.h"

namespace unblock::trace {

std::atomic<uint64_t> until;
std::atomic<Ring*> rings;

namespace {

std::atomic<Ring*> shared;

Ring* make_ring() {
  long memory =
      kernel::invoke(SYS_mmap, nullptr, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory < 0 && memory > -4096 ? nullptr : reinterpret_cast<Ring*>(memory);
}

void list(Ring& ring) {
  ring.next = rings.load(std::memory_order_relaxed);
  while (!rings.compare_exchange_weak(ring.next, &ring, std::memory_order_release)) continue;
}

// The one that stands in `place`, made when there is none. Two that make one for the same place: one stays.
Ring* ring_in(std::atomic<Ring*>& place) {
  Ring* ring = place.load(std::memory_order_acquire);
  if (ring != nullptr) return ring;
  Ring* made = make_ring();
  if (made == nullptr) return nullptr;
  if (place.compare_exchange_strong(ring, made, std::memory_order_acq_rel)) {
    list(*made);
    return made;
  }
  kernel::invoke(SYS_munmap, made, sizeof(Ring));
  return ring;
}

}  // namespace

void note(Carrier* carrier, Event event, const GreenThread& green, uint64_t other) {
  uint64_t now = ticks::now();
  if (now > until.load(std::memory_order_relaxed)) return until.store(0, std::memory_order_relaxed);
  Ring* ring = ring_in(carrier != nullptr ? carrier->ring : shared);
  if (ring == nullptr) return;
  ring->kernel_tid = carrier != nullptr ? carrier->kernel_tid : 0;
  uint64_t number = ring->written.fetch_add(1, std::memory_order_relaxed) + 1;
  Slot& slot = ring->slots[number % Ring::slot_count];
  slot.number.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  slot.ticks = now;
  uint64_t kind = event == Event::wait ? (uint64_t)green.wait_kind : 0;
  slot.what = host::number_of(green) << 16 | kind << 8 | (uint64_t)event;
  slot.other = event == Event::wait ? reinterpret_cast<uint64_t>(green.waiting_for) : other;
  slot.number.store(number, std::memory_order_release);
}

}  // namespace unblock::trace
