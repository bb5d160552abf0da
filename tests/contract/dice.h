// Random numbers for stress tests: each thread throws its own dice, and a seed makes a run repeatable.
#pragma once

class Dice {
 public:
  explicit Dice(unsigned seed) : state_(seed * 2654435761u + 1) {}
  unsigned below(unsigned limit) {
    state_ = state_ * 1664525u + 1013904223u;
    return (state_ >> 8) % limit;
  }

 private:
  unsigned state_;
};
