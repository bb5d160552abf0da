// A thread that will not stop loses nothing but its processor.
#include <gtest/gtest.h>

#include "scheduler/wait.h"
#include "tests/scheduler/raw_pipe.h"
#include "tests/scheduler/test_thread.h"

using namespace unblock;
using test::eventually;

namespace {

bool has_processor() { return this_carrier()->processor.load() != nullptr; }

// Computes until the processor has been taken. Marks of time are for who waits in vain.
void compute_until_handed_off() {
  const Deadline patience = Deadline::after(30 * kernel::nanoseconds_per_second);
  while (has_processor() && kernel::now() < patience.at) continue;
  EXPECT_FALSE(has_processor());
}

}  // namespace

TEST(HandOff, AnEndlessLoopEndsThroughTheFlagOfAnother) {
  uint64_t before = scheduler::statistics().hand_offs;
  const unsigned hogs = scheduler::processor_count();
  std::atomic<bool> flag{false};
  std::atomic<unsigned> started{0};
  auto threads = test::start_threads((int)hogs, [&](int) {
    ++started;
    while (!flag) continue;
  });
  EXPECT_TRUE(eventually([&] { return started == hogs; }));
  test::Thread setter([&] { flag = true; });
  threads.clear();
  if (hogs == 1) {
    EXPECT_GT(scheduler::statistics().hand_offs, before);
  }
}

TEST(HandOff, AnUnknownBlockingCallHoldsNobodyUp) {
  test::RawPipe raw;
  std::atomic<bool> blocked{false}, returned{false};
  test::Thread reader([&] {
    blocked = true;
    raw.read_one();
    returned = true;
  });
  EXPECT_TRUE(eventually([&] { return blocked.load(); }));
  test::start_threads(100, [&](int) { yield(); }).clear();
  EXPECT_FALSE(returned);
  raw.write_one();
}

TEST(HandOff, WhoWasHandedOffIsGreenAgainAfterItsNextWait) {
  test::Thread hog([&] {
    compute_until_handed_off();
    yield();
    EXPECT_TRUE(eventually(has_processor));
    EXPECT_TRUE(may_switch());
  });
}

TEST(HandOff, WhoIsFoundAgainAndAgainGetsAnOsThreadUntilItHasWaitedLong) {
  test::Thread hog([&] {
    GreenThread& me = *here.green;
    for (int i = 0; i < 100 && !me.bound; ++i) {
      compute_until_handed_off();
      if (!me.bound) yield();
    }
    EXPECT_TRUE(me.bound);
    EXPECT_FALSE(may_switch());
    int waits = 0;
    for (; waits < 1'000 && me.bound; ++waits) {
      Waiter waiter(WaitKind::sleep);
      waiter.wait(Deadline::passed());
    }
    EXPECT_FALSE(me.bound);
    EXPECT_GT(waits, 1);
    EXPECT_TRUE(may_switch());
    yield();
  });
}
