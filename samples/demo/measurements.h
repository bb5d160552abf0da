// How long answers took, and the result of a load as one line of JSON.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

class Measurements {
 public:
  explicit Measurements(size_t expected) : expected_(expected) { latencies_us_.reserve(expected); }

  void add(uint64_t microseconds) { latencies_us_.push_back(static_cast<uint32_t>(microseconds)); }

  // Shows the first.
  void add_wrong(std::string_view due, std::string_view received) {
    if (++wrong_ > 1) return;
    fprintf(stderr, "wrong answer\ndue: %.*s\nreceived: %.*s\n", static_cast<int>(due.size()), due.data(),
            static_cast<int>(received.size()), received.data());
  }

  bool all_right() const { return latencies_us_.size() == expected_; }

  void print_progress(double seconds) const {
    double answered = static_cast<double>(latencies_us_.size());
    fprintf(stderr, "%zu of %zu requests answered, %.0f per second\n", latencies_us_.size(), expected_,
            answered / seconds);
  }

  void print_result(size_t clients, double seconds) {
    std::sort(latencies_us_.begin(), latencies_us_.end());
    size_t answered = latencies_us_.size();
    printf(
        "{\"clients\": %zu, \"requests\": %zu, \"wrong\": %zu, \"missing\": %zu, \"seconds\": %.3f, \"rps\": %.1f, "
        "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
        clients, answered, wrong_, expected_ - answered - wrong_, seconds, static_cast<double>(answered) / seconds,
        percentile_ms(50), percentile_ms(99), percentile_ms(100));
  }

 private:
  double percentile_ms(size_t percent) const {
    if (latencies_us_.empty()) return 0;
    return latencies_us_[(latencies_us_.size() - 1) * percent / 100] / 1e3;
  }

  size_t expected_;
  size_t wrong_ = 0;
  std::vector<uint32_t> latencies_us_;  // Of right answers only; sorted by print_result.
};
