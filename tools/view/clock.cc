#include "tools/view/clock.h"

#include <time.h>
#include <x86intrin.h>

namespace unblock::tools::view {
namespace {

struct Point {
  uint64_t ticks = 0;
  double nanoseconds = 0;
};

Point here_and_now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return {__rdtsc(), (double)time.tv_sec * 1e9 + (double)time.tv_nsec};
}

double rate(const Point& from, const Point& to) {
  return to.ticks > from.ticks ? (to.nanoseconds - from.nanoseconds) / (double)(to.ticks - from.ticks) : 0;
}

// The counter's rate on this machine: five milliseconds tell it to some millionths.
double measured_rate() {
  Point from = here_and_now();
  timespec pause = {0, 5'000'000};
  nanosleep(&pause, nullptr);
  return rate(from, here_and_now());
}

Point published_point(const Target& target, const Published& published, const char* root) {
  uint64_t at = published.root(root);
  auto ticks = target.memory().value<uint64_t>(at + published.field("TicksPoint", "ticks").offset);
  auto nanoseconds = target.memory().value<int64_t>(at + published.field("TicksPoint", "nanoseconds").offset);
  if (!ticks || !nanoseconds) return {};
  return {*ticks, (double)*nanoseconds};
}

}  // namespace

Clock::Clock(const Target& target, const Published& published) : is_live_(target.is_live()) {
  if (is_live_) {
    nanoseconds_per_tick_ = measured_rate();
    now_ = __rdtsc();
    return;
  }
  Point latest = published_point(target, published, "ticks_latest");
  nanoseconds_per_tick_ = rate(published_point(target, published, "ticks_begin"), latest);
  now_ = latest.ticks;
}

void Clock::look() {
  if (is_live_) now_ = __rdtsc();
}

std::optional<double> Clock::nanoseconds(uint64_t ticks) const {
  if (nanoseconds_per_tick_ <= 0) return {};
  return (double)ticks * nanoseconds_per_tick_;
}

}  // namespace unblock::tools::view
