// What belongs to each thread by the language: thread_local, errno, exceptions in flight, locale, random state.
#include <ctype.h>
#include <gtest/gtest.h>
#include <locale.h>
#include <pthread.h>
#include <string.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "threads.h"

namespace {

void wait_a_little() {
  timespec moment = milliseconds(1);
  nanosleep(&moment, nullptr);
  sched_yield();
}

thread_local int number = 42;
thread_local std::string text = "fresh";
thread_local char large[64 << 10];

TEST(ThreadLocal, StartsFreshInEachThread) {
  for (int i = 0; i < 100; ++i) {
    join(start_thread([] {
      EXPECT_EQ(number, 42);
      EXPECT_EQ(text, "fresh");
      EXPECT_EQ(large[sizeof large - 1], 0);
      number = 1;
      text = "used";
      large[sizeof large - 1] = 1;
      return nullptr;
    }));
  }
  EXPECT_EQ(number, 42);
  EXPECT_EQ(text, "fresh");
}

TEST(ThreadLocal, IsKeptAcrossWaitsAndItsAddressStaysTheSame) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 50; ++i) {
    threads.push_back(start_thread([i] {
      int* address = &number;
      bool same = true;
      for (int j = 0; j < 20; ++j) {
        number = i * 100 + j;
        text = std::to_string(number);
        wait_a_little();
        same = same && address == &number && number == i * 100 + j && text == std::to_string(i * 100 + j);
      }
      return word(same);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

std::atomic<int> made = 0, destroyed = 0;
struct Counted {
  Counted() { ++made; }
  ~Counted() {
    wait_a_little();  // a destructor may wait
    ++destroyed;
  }
  int use() const { return 1; }
};
thread_local Counted counted;

TEST(ThreadLocal, IsDestroyedWhenItsThreadReturns) {
  int before = destroyed;
  for (int i = 1; i <= 10; ++i) {
    join(start_thread([] { return word(counted.use()); }));
    EXPECT_EQ(destroyed, before + i);
  }
}

TEST(ThreadLocal, IsDestroyedOnPthreadExit) {
  int before = destroyed;
  join(start_thread([]() -> void* {
    counted.use();
    pthread_exit(nullptr);
  }));
  EXPECT_EQ(destroyed, before + 1);
}

TEST(ThreadLocal, IsNotMadeInAThreadThatDoesNotUseIt) {
  int before = made;
  join(start_thread([] { return nullptr; }));
  EXPECT_EQ(made, before);
}

std::string* order = nullptr;
struct Ordered {
  explicit Ordered(char letter) : letter(letter) {}
  ~Ordered() { order->push_back(letter); }
  char letter;
};

TEST(ThreadLocal, DestructorsRunInReverseAndBeforeThoseOfKeys) {
  static std::string log;
  log.clear();
  order = &log;
  static pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, [](void*) { log.push_back('k'); }), 0);
  join(start_thread([] {
    pthread_setspecific(key, word(1));
    thread_local Ordered first('1');
    thread_local Ordered second('2');
    return word(first.letter + second.letter);
  }));
  EXPECT_EQ(log, "21k");
  EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(Errno, IsEachThreadsOwnAcrossWaits) {
  std::vector<pthread_t> threads;
  for (int i = 1; i <= 50; ++i) {
    threads.push_back(start_thread([i] {
      bool same = true;
      int* address = &errno;
      for (int j = 0; j < 50; ++j) {
        errno = i * 1000 + j;
        j % 10 == 0 ? wait_a_little() : (void)sched_yield();
        same = same && errno == i * 1000 + j && &errno == address;
      }
      return word(same);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

TEST(Errno, StartsAtZeroInANewThread) {
  errno = 4711;
  EXPECT_EQ(join(start_thread([] { return word(errno); })), word(0));
}

TEST(Exception, InFlightSurvivesAWaitInItsHandler) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 30; ++i) {
    threads.push_back(start_thread([i]() -> void* {
      try {
        throw std::runtime_error(std::to_string(i));
      } catch (std::exception& outer) {
        wait_a_little();
        try {
          throw i;
        } catch (int inner) {
          wait_a_little();
          return word(inner == i && outer.what() == std::to_string(i) && std::current_exception() != nullptr);
        }
      }
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

TEST(Exception, ThrownOutOfFramesThatWaitedRunsTheirDestructors) {
  struct Waits {
    int* count;
    ~Waits() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      wait_a_little();
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      ++*count;
    }
  };
  std::vector<pthread_t> threads;
  for (int i = 0; i < 30; ++i) {
    threads.push_back(start_thread([] {
      int count = 0;
      try {
        Waits outer{&count}, inner{&count};
        throw 1;
      } catch (int) {
        count += 10;
      }
      return word(count);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(12));
}

TEST(Exception, ThrownUnderALockLeavesTheLockFree) {
  std::mutex mutex;
  std::condition_variable condition;
  auto fail = [&] {
    std::unique_lock lock(mutex);
    condition.wait_for(lock, std::chrono::milliseconds(2));
    throw std::runtime_error("on purpose");
  };
  std::thread thread([&] { EXPECT_THROW(fail(), std::runtime_error); });
  thread.join();
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(Exception, CarriedToAnotherThreadCanBeThrownThere) {
  std::exception_ptr carried;
  join(start_thread([&] {
    try {
      throw std::runtime_error("carried");
    } catch (...) {
      carried = std::current_exception();
    }
    return nullptr;
  }));
  try {
    std::rethrow_exception(carried);
  } catch (std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "carried");
  }
}

TEST(Locale, IsEachThreadsOwnAcrossWaits) {
  locale_t own = newlocale(LC_ALL_MASK, "C", nullptr);
  pthread_t with = start_thread([&] {
    uselocale(own);
    wait_a_little();
    bool same = uselocale(nullptr) == own && toupper('a') == 'A' && isalpha('z');
    return word(same);
  });
  pthread_t without = start_thread([] {
    wait_a_little();
    return word(uselocale(nullptr) == LC_GLOBAL_LOCALE && toupper('a') == 'A' && isalpha('z'));
  });
  EXPECT_EQ(join(with), word(1));
  EXPECT_EQ(join(without), word(1));
  freelocale(own);
}

TEST(Strerror, BufferIsEachThreadsOwn) {
  auto ask = [](int number) {
    return [number] {
      std::string expected = "Unknown error " + std::to_string(number);
      char* answer = strerror(number);
      wait_a_little();
      return word(expected == answer);
    };
  };
  pthread_t first = start_thread(ask(4711)), second = start_thread(ask(4712));
  EXPECT_EQ(join(first), word(1));
  EXPECT_EQ(join(second), word(1));
}

}  // namespace
