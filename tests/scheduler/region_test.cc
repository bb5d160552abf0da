// Blocking regions, and threads that have an OS thread to themselves.
#include "scheduler/region.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "scheduler/wait.h"
#include "tests/scheduler/raw_pipe.h"
#include "tests/scheduler/test_thread.h"

using namespace unblock;
using test::eventually;

namespace {

bool os_thread_exists(int tid) {
  struct stat about;
  return stat(("/proc/self/task/" + std::to_string(tid)).c_str(), &about) == 0;
}

}  // namespace

TEST(Region, ALongOneLetsOthersRunAtOnce) {
  test::RawPipe raw;
  std::atomic<bool> inside{false};
  uint64_t before = scheduler::statistics().regions;
  test::Thread reader([&] {
    LongRegion region;
    inside = true;
    raw.read_one();
  });
  EXPECT_TRUE(eventually([&] { return inside.load(); }));
  test::start_threads(20, [&](int) { yield(); }).clear();
  raw.write_one();
  reader.join();
  EXPECT_GT(scheduler::statistics().regions, before);
}

TEST(Region, ManyLongOnesAtOnceLetOthersRun) {
  constexpr int count = 20;
  test::RawPipe raws[count];
  std::atomic<int> inside{0}, left{0};
  auto readers = test::start_threads(count, [&](int i) {
    LongRegion region;
    ++inside;
    raws[i].read_one();
    ++left;
  });
  EXPECT_TRUE(eventually([&] { return inside == count; }));
  EXPECT_EQ(left, 0);
  for (test::RawPipe& raw : raws) raw.write_one();
  readers.clear();
  EXPECT_EQ(left, count);
}

TEST(Region, AShortOneIsNotedAndLeft) {
  {
    Region region;
    EXPECT_TRUE(this_carrier()->in_region);
  }
  EXPECT_FALSE(this_carrier()->in_region);
}

TEST(Region, AThreadThatIsNotOursPassesThrough) {
  std::thread thread([] {
    Region short_one;
    LongRegion long_one;
    EXPECT_EQ(this_carrier(), nullptr);
  });
  thread.join();
}

TEST(Bound, AThreadThatIsBoundForLifeKeepsItsOsThreadAndEndsWithIt) {
  int tid = 0;
  test::Thread thread([&] {
    bind_to_os_thread(true);
    tid = (int)kernel::invoke(SYS_gettid);
    EXPECT_FALSE(may_switch());
    for (int i = 0; i < 200; ++i) {
      Waiter waiter(WaitKind::sleep);
      waiter.wait(Deadline::after(1'000));
      yield();
      EXPECT_EQ((int)kernel::invoke(SYS_gettid), tid);
    }
    EXPECT_TRUE(here.green->bound);
  });
  thread.join();
  // The process's first OS thread stays, but runs nobody else.
  if (tid != getpid()) {
    EXPECT_TRUE(eventually([&] { return !os_thread_exists(tid); })) << "what the kernel keeps for it reached another";
  }
}

TEST(Bound, OthersRunOnWhileItComputes) {
  std::atomic<bool> flag{false}, bound{false};
  test::Thread thread([&] {
    bind_to_os_thread(true);
    bound = true;
    while (!flag) continue;
  });
  EXPECT_TRUE(eventually([&] { return bound.load(); }));
  test::start_threads(20, [&](int) { yield(); }).clear();
  flag = true;
}

TEST(Bound, ManyComeAndGoAndLeaveNoOsThreadBehind) {
  constexpr int rounds = 10, count = 5;
  for (int round = 0; round < rounds; ++round) {
    test::start_threads(count, [&](int) { bind_to_os_thread(true); }).clear();
  }
  auto carriers = [] {
    int count = 0;
    scheduler::for_each_carrier([](Carrier&, void* sum) { ++*static_cast<int*>(sum); }, &count);
    return count;
  };
  const int most = (int)scheduler::processor_count() * 2 + 4;
  EXPECT_TRUE(eventually([&] { return carriers() <= most; })) << carriers();
}
