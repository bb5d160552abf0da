// Many threads that do random operations for a while, each operation under a watchdog: one that does not end tells where
// everybody is, and ends the program.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dice.h"

struct Operation {
  const char* name;
  void (*run)(Dice&);
};

class Soak {
 public:
  // Seconds if SOAK_SECONDS is set, else so many operations for each driver.
  Soak(std::vector<Operation> operations, int drivers, unsigned operations_each)
      : operations_(std::move(operations)), stations_(drivers), most_(operations_each) {
    if (const char* seconds = getenv("SOAK_SECONDS")) end_ = Clock::now() + std::chrono::seconds(atoi(seconds));
    if (const char* seed = getenv("SOAK_SEED")) seed_ = atoi(seed);
  }

  // How often each operation was done.
  std::map<std::string, unsigned long> run() {
    std::thread watchdog([this] { watch(); });
    std::vector<std::thread> drivers;
    for (unsigned i = 0; i < stations_.size(); ++i) drivers.emplace_back([this, i] { drive(stations_[i], seed_ + i); });
    for (auto& driver : drivers) driver.join();
    is_over_ = true;
    watchdog.join();
    return counts_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds patience{100};

  struct Station {
    std::atomic<const char*> doing = nullptr;
    std::atomic<Clock::rep> since = 0;
  };

  bool goes_on(unsigned done) const { return end_ == Clock::time_point{} ? done < most_ : Clock::now() < end_; }

  void drive(Station& station, unsigned seed) {
    Dice dice(seed);
    std::map<std::string, unsigned long> counts;
    for (unsigned done = 0; goes_on(done); ++done) {
      const Operation& next = operations_[dice.below(operations_.size())];
      station.since = Clock::now().time_since_epoch().count();
      station.doing = next.name;
      next.run(dice);
      station.doing = nullptr;
      ++counts[next.name];
    }
    std::lock_guard lock(counts_lock_);
    for (auto& [name, count] : counts) counts_[name] += count;
  }

  void watch() {
    while (!is_over_) {
      for (auto& station : stations_) {
        Clock::duration since(station.since.load());
        if (station.doing.load() != nullptr && Clock::now().time_since_epoch() - since > patience) give_up();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  void give_up() {
    auto now = Clock::now().time_since_epoch();
    for (auto& station : stations_) {
      const char* doing = station.doing;
      double seconds = std::chrono::duration<double>(now - Clock::duration(station.since.load())).count();
      fprintf(stderr, "%-12s for %.1f s\n", doing != nullptr ? doing : "-", seconds);
    }
    fprintf(stderr, "an operation does not end\n");
    abort();
  }

  std::vector<Operation> operations_;
  std::vector<Station> stations_;
  unsigned most_, seed_ = 1;
  Clock::time_point end_{};
  std::atomic<bool> is_over_ = false;
  std::mutex counts_lock_;
  std::map<std::string, unsigned long> counts_;
};
