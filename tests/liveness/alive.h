#pragma once
// The shape of every liveness test: one thread is in a call that only another thread can end. On one processor, with
// nothing to rescue a call that keeps its carrier, the other thread never runs unless the call gives way.
#include <gtest/gtest.h>

#include <functional>

#include "../contract/attempt.h"
#include "../contract/connection.h"

// Runs `call` on a thread of its own, then `release` here, and returns what the call answered.
template <typename Call>
auto alive(Call call, std::function<void()> release) {
  Event about_to_wait, released;
  Background waiter([&] {
    about_to_wait.happen();
    auto answer = call();
    EXPECT_TRUE(released.happened());
    return answer;
  });
  about_to_wait.wait();
  released.happen();
  release();
  return waiter.answer();
}
