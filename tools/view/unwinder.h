#pragma once
// Stacks of green threads. Each is presented to libdw as a thread of its own: a parked one with the registers that it
// has saved, one on a carrier with those of registers.h.

#include "tools/view/greens.h"
#include "tools/view/registers.h"
#include "tools/view/symbols.h"

namespace unblock::tools::view {

struct Frame {
  uint64_t address = 0;
  bool is_return_address = false;
  Place place;
  bool is_inlined = false;  // the next frame is the function that it was put into, at the same address
};

struct Stack {
  std::vector<Frame> frames;  // innermost first
  std::string remark;         // why it is empty or ends early; empty: nothing is to be said
};

class Unwinder {
 public:
  Unwinder(const Greens& greens, Symbols& symbols);

  // Reads `green` again, as often as it moves meanwhile, and leaves it as it was when the stack was taken.
  Stack stack_of(Green& green);
  // Frames for addresses that the target has recorded.
  std::vector<Frame> frames_of(const std::vector<uint64_t>& return_addresses);

 private:
  struct Current;
  Snapshot snapshot_of(const Green& green) const;
  Stack unwind(Snapshot snapshot);
  const std::vector<Place>& places_of(uint64_t address, bool is_return_address);
  // With a frame for each inlined function.
  std::vector<Frame> with_places(const std::vector<Frame>& frames);

  const Greens& greens_;
  Symbols& symbols_;
  std::shared_ptr<Current> current_;  // what libdw's questions are about
  std::unordered_map<uint64_t, std::vector<Place>> places_;
};

// Is it a part of the library itself?
bool is_library_frame(const Frame& frame);

// What a person wants to see: of the library's own frames at the inner end only the function that the program called,
// and none at the outer end.
void trim(std::vector<Frame>& frames);

}  // namespace unblock::tools::view
