#pragma once
// The target's time-stamp counter, converted: how long something that began at a reading of it has lasted.

#include <optional>

#include "tools/view/published.h"

namespace unblock::tools::view {

class Clock {
 public:
  // A living process shares the counter with us; a core ends at the latest reading that it holds. Takes some
  // milliseconds, once.
  Clock(const Target& target, const Published& published);

  // Nanoseconds; none where the rate is not known.
  std::optional<double> nanoseconds(uint64_t ticks) const;
  std::optional<double> since(uint64_t ticks) const { return nanoseconds(now_ > ticks ? now_ - ticks : 0); }

  // The present, of a living process.
  void look();

  uint64_t now() const { return now_; }
  // A core: something in it was read from the counter later than what is known so far.
  void note_seen(uint64_t ticks) {
    if (!is_live_ && ticks > now_) now_ = ticks;
  }

 private:
  bool is_live_;
  uint64_t now_ = 0;
  double nanoseconds_per_tick_ = 0;  // 0: not known
};

}  // namespace unblock::tools::view
