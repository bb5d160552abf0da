#include "scheduler/parking_lot.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <thread>

#include "tests/scheduler/objects.h"
#include "tests/scheduler/test_thread.h"

using namespace unblock;
using test::eventually;

namespace {

Parking park_at(const void* address, uint32_t tag = 0, Deadline deadline = Deadline::never()) {
  return parking_lot::park(
      address, WaitKind::mutex, deadline, [] { return Recheck::park; }, tag);
}

// Green threads that park at one address, in the order of their numbers.
class Row {
 public:
  Row(int count, const void* address, const uint32_t* tags = nullptr) : results_(count) {
    order_.reserve(count);
    threads_.reserve(count);
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this, i, address, tag = tags != nullptr ? tags[i] : 0] {
        results_[i] = park_at(address, tag);
        Held held(lock_);
        order_.push_back(i);
      });
      EXPECT_TRUE(eventually([&] { return threads_.back().is_parked(); }));
    }
  }

  // Waits until so many have returned; which ones, in order.
  std::vector<int> returned(size_t count) {
    std::vector<int> order;
    EXPECT_TRUE(eventually([&] { return (order = returned_so_far()).size() >= count; }));
    return order;
  }
  std::vector<int> returned_so_far() {
    Held held(lock_);
    return order_;
  }
  Parking result(int i) { return results_[i]; }
  GreenThread& green(int i) { return threads_[i].green(); }

 private:
  std::vector<Parking> results_;
  Lock lock_;
  std::vector<int> order_;             // guarded(lock_)
  std::vector<test::Thread> threads_;  // joined before the rest goes
};

Deadline soon() { return Deadline::after(1'000'000); }

}  // namespace

TEST(ParkingLot, IsEmptyAtFirst) {
  int address = 0;
  EXPECT_FALSE(parking_lot::anyone_at(&address));
  EXPECT_EQ(parking_lot::unpark(&address, INT32_MAX), 0);
}

TEST(ParkingLot, WakesInOrderOfArrival) {
  int address = 0;
  Row row(5, &address);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(parking_lot::anyone_at(&address));
    EXPECT_EQ(parking_lot::unpark(&address, 1), 1);
    EXPECT_EQ(row.returned(i + 1).back(), i);
    EXPECT_EQ(row.result(i), Parking::woken);
  }
  EXPECT_FALSE(parking_lot::anyone_at(&address));
}

TEST(ParkingLot, WakesNoMoreThanItWasAskedTo) {
  int address = 0;
  Row row(5, &address);
  EXPECT_EQ(parking_lot::unpark(&address, 3), 3);
  EXPECT_EQ(row.returned(3).size(), 3u);
  EXPECT_EQ(parking_lot::unpark(&address, 3), 2);
  row.returned(5);
}

TEST(ParkingLot, LeavesOtherAddressesAlone) {
  int mine = 0, other = 0;
  Row row(1, &mine);
  Row neighbour(1, &other);
  EXPECT_EQ(parking_lot::unpark(&other, INT32_MAX), 1);
  neighbour.returned(1);
  EXPECT_EQ(row.returned_so_far().size(), 0u);
  EXPECT_EQ(parking_lot::unpark(&mine, INT32_MAX), 1);
}

TEST(ParkingLot, ChoosesByTag) {
  int address = 0;
  const uint32_t tags[] = {1, 2, 1, 2, 3};
  Row row(5, &address, tags);
  auto wants_two = [](uint32_t tag, int) { return tag == 2 ? Choice::wake : Choice::skip; };
  EXPECT_EQ(parking_lot::unpark(&address, INT32_MAX, wants_two), 2);
  row.returned(2);
  EXPECT_EQ(row.result(1), Parking::woken);
  EXPECT_EQ(row.result(3), Parking::woken);
  auto until_three = [](uint32_t tag, int) { return tag == 3 ? Choice::stop : Choice::wake; };
  EXPECT_EQ(parking_lot::unpark(&address, INT32_MAX, until_three), 2);
  row.returned(4);
  EXPECT_EQ(parking_lot::unpark(&address, 1), 1);
}

TEST(ParkingLot, TellsTheChooserHowManyWereWoken) {
  int address = 0;
  Row row(3, &address);
  std::vector<int> counts;
  parking_lot::unpark(&address, INT32_MAX, [&](uint32_t, int woken) {
    counts.push_back(woken);
    return Choice::wake;
  });
  EXPECT_EQ(counts, (std::vector<int>{0, 1, 2}));
}

TEST(ParkingLot, DoesNotParkWhoFindsWhatHeWants) {
  int address = 0;
  auto there = [] { return Recheck::leave; };
  EXPECT_EQ(parking_lot::park(&address, WaitKind::mutex, Deadline::never(), there), Parking::not_needed);
  EXPECT_FALSE(parking_lot::anyone_at(&address));
  EXPECT_FALSE(is_waiting(*here.green));
}

TEST(ParkingLot, WhoCompletesABarrierWakesAllOthers) {
  int address = 0;
  Row row(4, &address);
  auto complete = [] { return Recheck::leave_and_wake_all; };
  EXPECT_EQ(parking_lot::park(&address, WaitKind::barrier, Deadline::never(), complete), Parking::not_needed);
  row.returned(4);
  EXPECT_FALSE(parking_lot::anyone_at(&address));
}

TEST(ParkingLot, TimesOut) {
  int address = 0;
  EXPECT_EQ(park_at(&address, 0, Deadline::passed()), Parking::timed_out);
  EXPECT_EQ(park_at(&address, 0, soon()), Parking::timed_out);
  EXPECT_FALSE(parking_lot::anyone_at(&address));
}

TEST(ParkingLot, EndsWhenTheThreadIsInterrupted) {
  int address = 0;
  Row row(2, &address);
  EXPECT_TRUE(wake_thread(row.green(0), Wakeup::interrupted));
  EXPECT_TRUE(wake_thread(row.green(1), Wakeup::cancelled));
  row.returned(2);
  EXPECT_EQ(row.result(0), Parking::interrupted);
  EXPECT_EQ(row.result(1), Parking::cancelled);
  EXPECT_FALSE(parking_lot::anyone_at(&address));
}

TEST(ParkingLot, LateUnparkIsHarmless) {
  int address = 0;
  EXPECT_EQ(park_at(&address, 0, soon()), Parking::timed_out);
  EXPECT_EQ(parking_lot::unpark(&address, INT32_MAX), 0);
  EXPECT_EQ(park_at(&address, 0, soon()), Parking::timed_out) << "the next wait was ended by an old wake-up";
}

TEST(ParkingLot, SpendsNoWakeUpOnOneThatHasLeft) {
  int address = 0;
  Row row(2, &address);
  EXPECT_TRUE(wake_thread(row.green(0), Wakeup::interrupted));
  EXPECT_EQ(parking_lot::unpark(&address, 1), 1);
  row.returned(2);
  EXPECT_EQ(row.result(0), Parking::interrupted);
  EXPECT_EQ(row.result(1), Parking::woken);
}

TEST(ParkingLot, WhatHappensBeforeTheWaitRunsAfterLinking) {
  int address = 0;
  int woken_before_waiting = 0;
  Parking result = parking_lot::park_then(&address, WaitKind::condition, Deadline::never(), nullptr, [&] {
    woken_before_waiting = parking_lot::unpark(&address, 1);
    return true;
  });
  EXPECT_EQ(woken_before_waiting, 1);
  EXPECT_EQ(result, Parking::woken);
}

TEST(ParkingLot, TheWaitCanBeCalledOff) {
  int address = 0;
  auto call_off = [] { return false; };
  EXPECT_EQ(parking_lot::park_then(&address, WaitKind::condition, Deadline::never(), nullptr, call_off),
            Parking::not_needed);
  EXPECT_FALSE(parking_lot::anyone_at(&address));
}

TEST(ParkingLot, AThreadCanPassAMutexBeforeItWaits) {
  int inner = 0, outer = 0;
  Parking result = parking_lot::park_then(&outer, WaitKind::condition, soon(), nullptr, [&] {
    parking_lot::unpark(&inner, 1);
    return true;
  });
  EXPECT_EQ(result, Parking::timed_out);
}

TEST(Requeue, WakesTheFirstAndMovesTheOthersInOrder) {
  int from = 0, to = 0, moved = 0;
  Row row(4, &from);
  EXPECT_EQ(parking_lot::requeue(&from, &to, 1, INT32_MAX, &moved, [] { return true; }), 1);
  EXPECT_EQ(moved, 3);
  EXPECT_EQ(row.returned(1), (std::vector<int>{0}));
  EXPECT_EQ(parking_lot::unpark(&from, INT32_MAX), 0);
  for (int i = 1; i < 4; ++i) {
    EXPECT_EQ(parking_lot::unpark(&to, 1), 1);
    EXPECT_EQ(row.returned(i + 1).back(), i);
  }
}

TEST(Requeue, MovesNoMoreThanItWasAskedTo) {
  int from = 0, to = 0, moved = 0;
  Row row(4, &from);
  EXPECT_EQ(parking_lot::requeue(&from, &to, 0, 3, &moved, [] { return true; }), 0);
  EXPECT_EQ(moved, 3);
  EXPECT_EQ(parking_lot::unpark(&from, INT32_MAX), 1);
  EXPECT_EQ(row.returned(1), (std::vector<int>{3}));
  EXPECT_EQ(parking_lot::unpark(&to, INT32_MAX), 3);
}

TEST(Requeue, DoesNothingWhenTheValueHasChanged) {
  int from = 0, to = 0, moved = 1;
  Row row(1, &from);
  EXPECT_EQ(parking_lot::requeue(&from, &to, 1, 1, &moved, [] { return false; }), -1);
  EXPECT_EQ(moved, 0);
  EXPECT_EQ(parking_lot::unpark(&from, 1), 1);
}

TEST(Requeue, ToTheSameAddressKeepsEverybody) {
  int address = 0, moved = 0;
  Row row(3, &address);
  EXPECT_EQ(parking_lot::requeue(&address, &address, 0, INT32_MAX, &moved, [] { return true; }), 0);
  EXPECT_EQ(moved, 3);
  EXPECT_EQ(parking_lot::unpark(&address, INT32_MAX), 3);
}

TEST(Requeue, WhoWasMovedCanStillTimeOut) {
  int from = 0, to = 0, moved = 0;
  test::Thread thread([&] { EXPECT_EQ(park_at(&from, 0, Deadline::after(50'000'000)), Parking::timed_out); });
  EXPECT_TRUE(eventually([&] { return parking_lot::anyone_at(&from); }));
  parking_lot::requeue(&from, &to, 0, 1, &moved, [] { return true; });
  thread.join();
  EXPECT_FALSE(parking_lot::anyone_at(&from));
  EXPECT_FALSE(parking_lot::anyone_at(&to));
}

// Threads that wait at one address and named where they go on.
class Followers {
 public:
  Followers(int count, const void* address, const void* moves_to) {
    threads_ = test::start_threads(count, [this, address, moves_to](int i) {
      auto nothing = [] { return true; };
      EXPECT_EQ(parking_lot::park_then(address, WaitKind::condition, Deadline::never(), moves_to, nothing),
                Parking::woken);
      returned_[i] = ++order_;
    });
    EXPECT_TRUE(eventually([&] {
      for (test::Thread& thread : threads_) {
        if (!thread.is_parked()) return false;
      }
      return true;
    }));
  }
  int returned(int count) {
    EXPECT_TRUE(eventually([&] { return order_ >= count; }));
    return order_;
  }
  int place_of(int i) const { return returned_[i]; }

 private:
  std::atomic<int> order_{0};
  std::atomic<int> returned_[10] = {};
  std::vector<test::Thread> threads_;
};

TEST(MoveAll, WakesNobodyWhileTheObjectIsHeld) {
  int condition = 0, object = 0;
  Followers followers(4, &condition, &object);
  parking_lot::move_all(&condition, [](const void*) { return true; });
  EXPECT_FALSE(parking_lot::anyone_at(&condition));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(followers.returned(i), i);
    EXPECT_EQ(parking_lot::unpark(&object, 1), 1);
    EXPECT_EQ(followers.returned(i + 1), i + 1);
    EXPECT_EQ(followers.place_of(i), i + 1);
  }
}

TEST(MoveAll, WakesOneWhenTheObjectIsFree) {
  int condition = 0, object = 0;
  Followers followers(4, &condition, &object);
  parking_lot::move_all(&condition, [](const void*) { return false; });
  EXPECT_EQ(followers.returned(1), 1);
  EXPECT_EQ(parking_lot::unpark(&object, INT32_MAX), 3);
  followers.returned(4);
}

TEST(MoveAll, WakesWhoeverDoesNotFollowTheFirst) {
  int condition = 0, object = 0, another = 0;
  Followers followers(2, &condition, &object), strays(2, &condition, &another), settled(2, &condition, nullptr);
  parking_lot::move_all(&condition, [](const void*) { return true; });
  EXPECT_EQ(strays.returned(2), 2);
  EXPECT_EQ(settled.returned(2), 2);
  EXPECT_EQ(followers.returned(0), 0);
  EXPECT_EQ(parking_lot::unpark(&object, INT32_MAX), 2);
  followers.returned(2);
}

TEST(MoveAll, WakesAllWhereNobodyNamedAnObject) {
  int condition = 0;
  Followers settled(3, &condition, nullptr);
  parking_lot::move_all(&condition, [](const void*) { return true; });
  EXPECT_EQ(settled.returned(3), 3);
  parking_lot::move_all(&condition, [](const void*) { return true; });
}

TEST(ParkingLot, GreenAndOsThreadsWaitAtOneAddress) {
  int address = 0;
  std::atomic<int> green_woken{0}, os_woken{0};
  auto green = test::start_threads(4, [&](int) { green_woken += park_at(&address) == Parking::woken; });
  std::vector<std::thread> os;
  for (int i = 0; i < 4; ++i) os.emplace_back([&] { os_woken += park_at(&address) == Parking::woken; });
  int woken = 0;
  EXPECT_TRUE(eventually([&] { return (woken += parking_lot::unpark(&address, 1)) == 8; }));
  green.clear();
  for (std::thread& thread : os) thread.join();
  EXPECT_EQ(green_woken, 4);
  EXPECT_EQ(os_woken, 4);
}

TEST(ParkingLot, GrowsWithThoseWhoWait) {
  constexpr int count = test::many_threads, os_count = 20;
  std::vector<char> addresses(count + os_count);
  std::atomic<int> returned{0};
  std::vector<std::thread> os;
  for (int i = 0; i < os_count; ++i) {
    os.emplace_back([&, i] { returned += park_at(&addresses[count + i]) == Parking::woken; });
  }
  auto threads = test::start_threads(count, [&](int i) { returned += park_at(&addresses[i]) == Parking::woken; });
  for (test::Thread& thread : threads) ASSERT_TRUE(eventually([&] { return thread.is_parked(); }));
  EXPECT_EQ(returned, 0);
  for (int i = 0; i < count; ++i) ASSERT_EQ(parking_lot::unpark(&addresses[i], INT32_MAX), 1) << i;
  for (int i = 0; i < os_count; ++i) {
    EXPECT_TRUE(eventually([&] { return parking_lot::unpark(&addresses[count + i], 1) == 1; }));
  }
  threads.clear();
  for (std::thread& thread : os) thread.join();
  EXPECT_EQ(returned, count + os_count);
  for (char& address : addresses) ASSERT_FALSE(parking_lot::anyone_at(&address));
}

// Each token is taken once, whoever gives and takes, and nobody sleeps beside one.
TEST(ParkingLot, NoWakeUpIsLostBetweenGreenAndOsThreads) {
  constexpr int threads_of_a_kind = 4, tokens_of_each = 2'000;
  test::Semaphore tokens, results;
  auto give = [&](int) {
    for (int i = 0; i < tokens_of_each; ++i) {
      tokens.give();
      if (i % 16 == 0) yield();
    }
  };
  auto take = [&](int) {
    for (int i = 0; i < tokens_of_each; ++i) {
      tokens.take();
      results.give();
    }
  };
  auto givers = test::start_threads(threads_of_a_kind, give);
  auto takers = test::start_threads(threads_of_a_kind, take);
  std::vector<std::thread> os;
  os.emplace_back(give, 0);
  os.emplace_back(take, 0);
  givers.clear();
  takers.clear();
  for (std::thread& thread : os) thread.join();
  EXPECT_EQ(tokens.value(), 0);
  EXPECT_EQ(results.value(), (threads_of_a_kind + 1) * tokens_of_each);
}

TEST(ParkingLot, WakesAndDeadlinesNeverEndOneWaitTwice) {
  constexpr int count = 8, rounds = 500;
  int address = 0;
  std::atomic<int> woken{0}, timed_out{0}, running{count};
  auto threads = test::start_threads(count, [&](int i) {
    std::mt19937 random(i);
    for (int round = 0; round < rounds; ++round) {
      Parking result = park_at(&address, 0, Deadline::after(random() % 100'000));
      (result == Parking::woken ? woken : timed_out) += 1;
    }
    --running;
  });
  std::mt19937 random(99);
  int given = 0;
  while (running != 0) {
    if (random() % 8 == 0) given += parking_lot::unpark(&address, 1);
    yield();
  }
  threads.clear();
  EXPECT_EQ(woken, given);
  EXPECT_EQ(woken + timed_out, count * rounds);
  EXPECT_FALSE(parking_lot::anyone_at(&address));
}

TEST(ParkingLot, RequeueLosesNobodyWhileOthersComeAndGo) {
  constexpr int count = 8, rounds = 500;
  char addresses[4] = {};
  std::atomic<int> running{count}, woken{0};
  auto threads = test::start_threads(count, [&](int i) {
    std::mt19937 random(i);
    for (int round = 0; round < rounds; ++round) {
      woken += park_at(&addresses[random() % 4], 0, Deadline::after(random() % 200'000)) == Parking::woken;
    }
    --running;
  });
  std::mt19937 random(99);
  int given = 0, moved = 0;
  while (running != 0) {
    int step = parking_lot::requeue(&addresses[random() % 4], &addresses[random() % 4], (int)(random() % 2), 2, &moved,
                                    [] { return true; });
    given += step;
    if (random() % 4 == 0) given += parking_lot::unpark(&addresses[random() % 4], 1);
    yield();
  }
  threads.clear();
  EXPECT_EQ(woken, given);
  for (char& address : addresses) EXPECT_FALSE(parking_lot::anyone_at(&address));
}
