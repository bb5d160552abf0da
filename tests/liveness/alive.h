#pragma once
// The shape of every liveness test: one thread is in a call that only another thread can end. On one processor, with
// nothing to rescue a call that keeps its carrier, the other thread never runs unless the call gives way.
#include <gtest/gtest.h>

#include <functional>

#include "../contract/attempt.h"
#include "../contract/connection.h"

// Runs `call` on a thread of its own, then `release` here, and returns what the call answered. When there is one
// processor, the call has begun to wait when the Background has begun.
template <typename Call>
auto alive(Call call, std::function<void()> release) {
  Event released;
  Background waiter([&] {
    auto answer = call();
    EXPECT_TRUE(released.happened());
    return answer;
  });
  released.happen();
  release();
  return waiter.answer();
}
