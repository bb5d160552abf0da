// Queued signals of the process keep their order. In a program of its own: what is sent while threads of earlier tests
// are still ending may be offered to one of their OS threads first, and then comes back to the end of the queue.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "signals.h"

namespace {

TEST(Sigwaitinfo, TakesQueuedOnesInOrder) {
  Blocked blocked({SIGRTMIN});
  sigset_t set = set_of({SIGRTMIN});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(sigqueue(getpid(), SIGRTMIN, {.sival_int = i}), 0);
  for (int i = 0; i < 5; ++i) {
    siginfo_t info{};
    EXPECT_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
    EXPECT_EQ(info.si_value.sival_int, i);
  }
}

}  // namespace
