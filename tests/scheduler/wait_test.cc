#include "scheduler/wait.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "tests/scheduler/test_thread.h"

using namespace unblock;
using test::eventually;

namespace {

// The smallest source: at most one waiter, and the lock that a waker holds.
class Source {
 public:
  void link(Waiter& waiter) {
    Held held(lock_);
    waiter_ = &waiter;
  }
  void unlink() {
    Held held(lock_);
    waiter_ = nullptr;
  }
  // True when this call ended the wait.
  bool wake(Wakeup result = Wakeup::ready) {
    Held held(lock_);
    return waiter_ != nullptr && waiter_->wake(result);
  }

  Wakeup wait(Deadline deadline = Deadline::never()) {
    Waiter waiter(WaitKind::condition);
    link(waiter);
    Wakeup result = waiter.wait(deadline);
    unlink();
    return result;
  }

 private:
  Lock lock_;
  Waiter* waiter_ = nullptr;
};

uint64_t parks(WaitKind kind) { return scheduler::statistics().parks[(int)kind]; }

}  // namespace

TEST(Wait, OneOfManyWakersWins) {
  constexpr int wakers = 6, rounds = 100;
  constexpr Wakeup results[] = {Wakeup::ready, Wakeup::timed_out, Wakeup::interrupted, Wakeup::closed,
                                Wakeup::cancelled};
  Source sources[wakers];
  std::atomic<int> round{0}, winners{0}, finished{0};
  std::atomic<Wakeup> won_with{Wakeup::ready};
  std::vector<std::thread> threads;
  for (int i = 0; i < wakers; ++i) {
    threads.emplace_back([&, i] {
      for (int mine = 0; mine < rounds; ++mine) {
        round.wait(mine);
        if (sources[i].wake(results[(i + mine) % 5])) {
          won_with = results[(i + mine) % 5];
          ++winners;
        }
        ++finished;
      }
    });
  }
  for (int i = 1; i <= rounds; ++i) {
    Waiter waiter(WaitKind::condition);
    for (Source& source : sources) source.link(waiter);
    winners = finished = 0;
    round = i;
    round.notify_all();
    Wakeup result = waiter.wait();
    for (Source& source : sources) source.unlink();
    EXPECT_TRUE(eventually([&] { return finished == wakers; }));
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(result, won_with);
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Wait, AWakeBeforeTheSuspensionIsNotLost) {
  uint64_t before = parks(WaitKind::spin);
  Waiter waiter(WaitKind::spin);
  EXPECT_TRUE(waiter.wake(Wakeup::closed));
  EXPECT_EQ(waiter.wait(), Wakeup::closed);
  EXPECT_EQ(parks(WaitKind::spin), before) << "it has no reason to leave its stack";
}

TEST(Wait, TheSecondWakeFindsNothingToDo) {
  Waiter waiter(WaitKind::condition);
  EXPECT_TRUE(waiter.wake(Wakeup::ready));
  EXPECT_FALSE(waiter.wake(Wakeup::timed_out));
  EXPECT_EQ(waiter.wait(), Wakeup::ready);
}

TEST(Wait, ALateWakeFindsAnotherEpoch) {
  Waiter first(WaitKind::condition);
  EXPECT_TRUE(first.wake(Wakeup::ready));
  EXPECT_EQ(first.wait(), Wakeup::ready);
  EXPECT_FALSE(first.wake(Wakeup::interrupted));
  Waiter second(WaitKind::condition);
  EXPECT_FALSE(first.wake(Wakeup::interrupted));
  EXPECT_TRUE(second.wake(Wakeup::closed));
  EXPECT_EQ(second.wait(), Wakeup::closed);
}

TEST(Wait, EpochsOutliveTheThread) {
  Source source;
  uint64_t word = 0;
  GreenThread* first = nullptr;
  {
    test::Thread thread([&] { source.wait(); });
    first = &thread.green();
    EXPECT_TRUE(eventually([&] { return source.wake(); }));
    thread.join();
    word = first->wait_word.load();
  }
  test::Thread thread([] {});
  ASSERT_EQ(&thread.green(), first) << "the record was expected to be recycled";
  EXPECT_GE(thread.green().wait_word.load(), word);
}

TEST(Wait, CancelEndsIt) {
  Waiter waiter(WaitKind::condition);
  EXPECT_TRUE(is_waiting(*here.green));
  waiter.cancel();
  EXPECT_FALSE(is_waiting(*here.green));
  EXPECT_FALSE(waiter.wake(Wakeup::ready));
}

TEST(Wait, EachResultArrives) {
  for (Wakeup result : {Wakeup::ready, Wakeup::timed_out, Wakeup::interrupted, Wakeup::closed, Wakeup::cancelled}) {
    Source source;
    Wakeup seen = result == Wakeup::ready ? Wakeup::closed : Wakeup::ready;
    test::Thread thread([&] { seen = source.wait(); });
    EXPECT_TRUE(eventually([&] { return thread.is_parked(); }));
    EXPECT_TRUE(source.wake(result));
    thread.join();
    EXPECT_EQ(seen, result);
  }
}

TEST(Wait, TellsWhatTheThreadWaitsFor) {
  Source source;
  int object;
  test::Thread thread([&] {
    Waiter waiter(WaitKind::semaphore, &object);
    source.link(waiter);
    waiter.wait();
    source.unlink();
  });
  EXPECT_TRUE(eventually([&] { return thread.is_parked(); }));
  GreenThread& green = thread.green();
  EXPECT_EQ(green.wait_kind, WaitKind::semaphore);
  EXPECT_EQ(green.waiting_for, &object);
  EXPECT_TRUE(source.wake());
  thread.join();
  EXPECT_EQ(green.wait_kind, WaitKind::none);
}

TEST(Wait, AParkedThreadCanBeInterrupted) {
  Source source;
  Wakeup seen = Wakeup::ready;
  test::Thread thread([&] { seen = source.wait(); });
  EXPECT_TRUE(eventually([&] { return thread.is_parked(); }));
  EXPECT_TRUE(wake_thread(thread.green(), Wakeup::interrupted));
  thread.join();
  EXPECT_EQ(seen, Wakeup::interrupted);
}

TEST(Wait, AThreadThatDoesNotWaitCannotBeInterrupted) { EXPECT_FALSE(wake_thread(*here.green, Wakeup::interrupted)); }

TEST(Wait, AReasonNotToParkEndsIt) {
  test::give_reason_not_to_park(Wakeup::interrupted);
  EXPECT_EQ(Source().wait(), Wakeup::interrupted);
}

TEST(Wait, ADeadlineInThePastComesAtOnce) { EXPECT_EQ(Source().wait(Deadline::passed()), Wakeup::timed_out); }

TEST(Wait, ADeadlineIsNeverEarly) {
  for (int64_t span : {1, 1'000, 100'000, 3'000'000, 20'000'000}) {
    Deadline deadline = Deadline::after(span);
    EXPECT_EQ(Source().wait(deadline), Wakeup::timed_out);
    EXPECT_GE(kernel::now(), deadline.at);
  }
}

TEST(Wait, ATimerThatWasNotNeededIsForgotten) {
  Source source;
  test::Thread thread([&] {
    EXPECT_EQ(source.wait(Deadline::after(20'000'000)), Wakeup::ready);
    EXPECT_EQ(source.wait(Deadline::after(3600 * kernel::nanoseconds_per_second)), Wakeup::ready);
  });
  EXPECT_TRUE(eventually([&] { return source.wake(); }));
  EXPECT_EQ(Source().wait(Deadline::after(40'000'000)), Wakeup::timed_out);  // past the first deadline
  EXPECT_TRUE(eventually([&] { return source.wake(); }));
}

TEST(Wait, ManySleepersAllWakeAndNoneIsEarly) {
  constexpr int count = 1'000;
  std::atomic<int> early{0}, woken{0};
  std::mt19937 random(1);
  std::vector<int64_t> spans(count);
  for (int64_t& span : spans) span = random() % 100'000'000;
  auto threads = test::start_threads(count, [&](int i) {
    Deadline deadline = Deadline::after(spans[i]);
    Waiter waiter(WaitKind::sleep);
    woken += waiter.wait(deadline) == Wakeup::timed_out;
    early += kernel::now() < deadline.at;
  });
  threads.clear();
  EXPECT_EQ(woken, count);
  EXPECT_EQ(early, 0);
}

// A waker that meets each moment between "armed" and "parked" sooner or later.
TEST(Wait, NoWakeIsLostBetweenArmedAndParked) {
  constexpr int rounds = 20'000;
  Source sides[2];
  std::atomic<int> turn{0};
  auto play = [&](int side) {
    std::mt19937 random(side + 1);
    for (int i = 0; i < rounds; ++i) {
      while (turn.load() % 2 != side) {
        Waiter waiter(WaitKind::condition);
        sides[side].link(waiter);
        if (turn.load() % 2 == side) {  // [publish-then-recheck]
          sides[side].unlink();
          waiter.cancel();
          break;
        }
        EXPECT_EQ(waiter.wait(), Wakeup::ready);
        sides[side].unlink();
      }
      if (random() % 64 == 0) yield();
      turn.fetch_add(1);
      sides[1 - side].wake();
    }
  };
  test::start_threads(2, play).clear();
  EXPECT_EQ(turn, 2 * rounds);
}

TEST(Wait, AnOsThreadWaitsByTheSameObject) {
  Source source;
  Wakeup first = Wakeup::closed, second = Wakeup::closed;
  std::thread thread([&] {
    EXPECT_FALSE(may_switch());
    first = source.wait();
    second = source.wait(Deadline::after(1'000'000));
  });
  EXPECT_TRUE(eventually([&] { return source.wake(Wakeup::ready); }));
  thread.join();
  EXPECT_EQ(first, Wakeup::ready);
  EXPECT_EQ(second, Wakeup::timed_out);
}

TEST(Wait, AWaitInsideAHandlerKeepsTheCarrier) {
  int frame;
  here.in_handler = 1;
  here.handler_frame = &frame;
  EXPECT_FALSE(may_switch());
  EXPECT_EQ(Source().wait(Deadline::after(1'000)), Wakeup::timed_out);
  here.handler_frame = nullptr;  // left by a jump
  EXPECT_TRUE(may_switch());
  EXPECT_EQ(here.in_handler, 0u);
}

TEST(Wait, APinnedThreadKeepsTheCarrier) {
  here.pinned = 1;
  Carrier* carrier = this_carrier();
  EXPECT_FALSE(may_switch());
  EXPECT_EQ(Source().wait(Deadline::after(1'000)), Wakeup::timed_out);
  EXPECT_EQ(this_carrier(), carrier);
  here.pinned = 0;
}

TEST(Yield, LetsTheOthersRun) {
  std::atomic<bool> ran{false};
  test::Thread thread([&] { ran = true; });
  EXPECT_TRUE(eventually([&] { return ran.load(); }));
}

TEST(Yield, ThreadsThatYieldStarveNobody) {
  std::atomic<bool> done{false};
  std::atomic<int> parked_and_woken{0};
  auto yielding = test::start_threads(8, [&](int) {
    while (!done) yield();
  });
  auto sleeping = test::start_threads(8, [&](int) {
    for (int i = 0; i < 10; ++i) parked_and_woken += Source().wait(Deadline::after(100'000)) == Wakeup::timed_out;
  });
  sleeping.clear();
  done = true;
  yielding.clear();
  EXPECT_EQ(parked_and_woken, 80);
}

TEST(GiveWay, LetsOthersRunAfterManyCallsThatDidNotWait) {
  std::atomic<bool> ran{false};
  test::Thread thread([&] { ran = true; });
  for (int i = 0; i < 1'000'000 && !ran; ++i) give_way();
  EXPECT_TRUE(ran);
}
