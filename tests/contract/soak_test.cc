// A dozen threads that make threads, cancel them, interrupt them, send them signals, fork, and fight for locks, at
// random and at once. SOAK_SECONDS says for how long; else each does so many operations.
#include "soak.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include <array>
#include <functional>
#include <memory>

#include "child.h"
#include "connection.h"
#include "signals.h"
#include "threads.h"

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool under_tsan = true;  // it follows neither a cancelled pthread_join nor threads in a fork's child
#else
constexpr bool under_tsan = false;
#endif

void dawdle(Dice& dice) {
  switch (dice.below(4)) {
    case 0: break;
    case 1: sched_yield(); break;
    case 2: std::this_thread::sleep_for(std::chrono::microseconds(dice.below(200))); break;
    default: let_others_run(); break;
  }
}

void makes_threads(Dice& dice) {
  std::atomic<int> sum = 0;
  sem_t detached_done;
  sem_init(&detached_done, 0, 0);
  std::vector<pthread_t> threads;
  int count = 1 + dice.below(8);
  for (int i = 0; i < count; ++i) {
    threads.push_back(start_thread([&sum, i] {
      static thread_local std::vector<int> own(100, i);
      sum += own[99];
      return word(i + 1);
    }));
  }
  pthread_t loner = start_thread([&] {
    sem_post(&detached_done);
    return nullptr;
  });
  EXPECT_EQ(pthread_detach(loner), 0);
  dawdle(dice);
  for (int i = 0; i < count; ++i) EXPECT_EQ(join(threads[i]), word(i + 1));
  EXPECT_EQ(sum, count * (count - 1) / 2);
  while (sem_wait(&detached_done) == -1) continue;
  sem_destroy(&detached_done);
}

// What a thread can be caught waiting in. Each must be as good as new after a thread was cancelled in it.
struct Places {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  sem_t semaphore;
  Connection pipe = pipe_connection();
  Connection sockets = socket_pair(SOCK_STREAM);
  pthread_t sleeper = 0;
  std::atomic<bool> cleaned = false;
  Places() { sem_init(&semaphore, 0, 0); }
  ~Places() { sem_destroy(&semaphore); }
};

void waits_in(Places& places, unsigned where) {
  char byte;
  timespec long_time = {1000, 0};
  pollfd entry = {places.pipe.near, POLLIN, 0};
  switch (where) {
    case 0:
      pthread_mutex_lock(&places.mutex);
      pthread_cleanup_push([](void* mutex) { pthread_mutex_unlock((pthread_mutex_t*)mutex); }, &places.mutex);
      for (;;) pthread_cond_wait(&places.condition, &places.mutex);
      pthread_cleanup_pop(1);
      break;
    case 1: sem_wait(&places.semaphore); break;
    case 2: checked(read(places.pipe.near, &byte, 1), "read"); break;
    case 3: checked(recv(places.sockets.near, &byte, 1, 0), "recv"); break;
    case 4: poll(&entry, 1, -1); break;
    case 5: nanosleep(&long_time, nullptr); break;
    default: pthread_join(places.sleeper, nullptr); break;
  }
}

void expect_as_new(Places& places) {
  EXPECT_EQ(pthread_mutex_trylock(&places.mutex), 0);
  EXPECT_EQ(pthread_mutex_unlock(&places.mutex), 0);
  EXPECT_EQ(pthread_cond_destroy(&places.condition), 0);  // hangs if a waiter is still counted
  EXPECT_EQ(sem_post(&places.semaphore), 0);
  EXPECT_EQ(sem_trywait(&places.semaphore), 0);
  send_text(places.pipe.far, "p");
  EXPECT_EQ(read_text(places.pipe.near), "p");
  send_text(places.sockets.far, "s");
  EXPECT_EQ(read_text(places.sockets.near), "s");
}

void cancels(Dice& dice) {
  Places places;
  unsigned where = dice.below(under_tsan ? 6 : 7);
  sem_t wake_sleeper;
  sem_init(&wake_sleeper, 0, 0);
  if (where == 6) {
    places.sleeper = start_thread([&] {
      while (sem_wait(&wake_sleeper) == -1) continue;
      return word(3);
    });
  }
  pthread_t thread = start_thread([&] {
    pthread_cleanup_push([](void* flag) { *(std::atomic<bool>*)flag = true; }, &places.cleaned);
    waits_in(places, where);
    pthread_cleanup_pop(0);
    return nullptr;
  });
  dawdle(dice);
  EXPECT_EQ(pthread_cancel(thread), 0);
  EXPECT_EQ(join(thread), PTHREAD_CANCELED);
  EXPECT_TRUE(places.cleaned);
  if (where == 6) {
    sem_post(&wake_sleeper);
    EXPECT_EQ(join(places.sleeper), word(3));
  }
  expect_as_new(places);
  sem_destroy(&wake_sleeper);
}

thread_local std::atomic<int> interruptions;

void interrupts(Dice& dice) {
  Places places;
  unsigned where = 1 + dice.below(5);
  std::atomic<bool> is_done = false;
  pthread_t thread = start_thread([&] {
    char byte;
    timespec long_time = {1000, 0};
    pollfd entry = {places.pipe.near, POLLIN, 0};
    int result = 0;
    switch (where) {
      case 1: result = sem_wait(&places.semaphore); break;
      case 2: result = read(places.pipe.near, &byte, 1); break;
      case 3: result = recv(places.sockets.near, &byte, 1, 0); break;
      case 4: result = poll(&entry, 1, -1); break;
      default: result = nanosleep(&long_time, nullptr); break;
    }
    EXPECT_EQ(result, -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_GE(interruptions, 1);
    is_done = true;
    return nullptr;
  });
  // A signal that comes before the wait does not interrupt it.
  while (!is_done) {
    pthread_kill(thread, SIGUSR1);
    dawdle(dice);
  }
  join(thread);
}

void queues_signals(Dice& dice) {
  constexpr int messages = 20;
  std::atomic<bool> is_ready = false;
  pthread_t thread = start_thread([&] {
    sigset_t wanted = set_of({SIGRTMIN + 3});
    Blocked blocked({SIGRTMIN + 3});
    is_ready = true;
    for (int i = 0; i < messages; ++i) {
      siginfo_t info;
      while (sigwaitinfo(&wanted, &info) == -1) continue;
      EXPECT_EQ(info.si_value.sival_int, i);
    }
    return nullptr;
  });
  while (!is_ready) sched_yield();
  for (int i = 0; i < messages; ++i) {
    while (pthread_sigqueue(thread, SIGRTMIN + 3, {.sival_int = i}) == EAGAIN) sched_yield();
    if (dice.below(4) == 0) dawdle(dice);
  }
  join(thread);
}

thread_local std::atomic<int> let_in;

void blocks_signals(Dice& dice) {
  std::atomic<int> stage = 0;
  pthread_t thread = start_thread([&] {
    {
      Blocked blocked({SIGUSR2});
      stage = 1;
      while (stage == 1) sched_yield();
      EXPECT_TRUE(is_pending(SIGUSR2));
      EXPECT_EQ(let_in, 0);
    }
    EXPECT_EQ(let_in, 1);
    return nullptr;
  });
  while (stage == 0) sched_yield();
  for (unsigned i = 0; i <= dice.below(3); ++i) EXPECT_EQ(pthread_kill(thread, SIGUSR2), 0);
  stage = 2;
  join(thread);
}

void forks(Dice& dice) {
  int code = dice.below(100);
  pid_t child = start_child([&] {
    if (under_tsan) return code;
    std::string text(10'000, 'x');
    std::mutex mutex;
    std::thread([&] {
      std::lock_guard lock(mutex);
      text += "y";
    }).join();
    std::lock_guard lock(mutex);
    return text.size() == 10'001 ? code : 101;
  });
  dawdle(dice);
  EXPECT_EQ(end_of(child), code);
}

// Two numbers that are equal whenever nobody writes.
struct Pair {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
  long first = 0, second = 0, third = 0, fourth = 0;
};
std::array<Pair, 4> pairs;

void locks(Dice& dice) {
  for (int i = 0; i < 50; ++i) {
    Pair& pair = pairs[dice.below(pairs.size())];
    timespec soon = in_milliseconds(dice.below(3), CLOCK_REALTIME);
    int result = dice.below(3) == 0 ? pthread_mutex_timedlock(&pair.mutex, &soon) : pthread_mutex_lock(&pair.mutex);
    if (result == 0) {
      EXPECT_EQ(pair.first++, pair.second);
      if (dice.below(8) == 0) dawdle(dice);
      ++pair.second;
      pthread_mutex_unlock(&pair.mutex);
    } else {
      EXPECT_EQ(result, ETIMEDOUT);
    }
    if (dice.below(3) == 0) {
      pthread_rwlock_wrlock(&pair.rwlock);
      ++pair.third;
      if (dice.below(8) == 0) dawdle(dice);
      ++pair.fourth;
    } else {
      pthread_rwlock_rdlock(&pair.rwlock);
      EXPECT_EQ(pair.third, pair.fourth);
      if (dice.below(8) == 0) dawdle(dice);
    }
    pthread_rwlock_unlock(&pair.rwlock);
  }
}

void hands_over(Dice& dice) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  std::vector<int> queue;
  int most = 30 + dice.below(50), received = 0;
  std::vector<std::thread> consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.emplace_back([&] {
      pthread_mutex_lock(&mutex);
      while (received < most) {
        while (queue.empty() && received < most) pthread_cond_wait(&condition, &mutex);
        received += queue.size();
        queue.clear();
      }
      pthread_cond_broadcast(&condition);
      pthread_mutex_unlock(&mutex);
    });
  }
  for (int i = 0; i < most; ++i) {
    pthread_mutex_lock(&mutex);
    queue.push_back(i);
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
    if (dice.below(8) == 0) dawdle(dice);
  }
  for (auto& consumer : consumers) consumer.join();
  EXPECT_EQ(received, most);
  pthread_cond_destroy(&condition);
  pthread_mutex_destroy(&mutex);
}

void meets(Dice& dice) {
  pthread_barrier_t barrier;
  unsigned count = 2 + dice.below(4);
  pthread_barrier_init(&barrier, nullptr, count);
  std::atomic<int> serial = 0;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(serial, 5);
  pthread_barrier_destroy(&barrier);
}

void echoes(Dice& dice) {
  Connection pair = connection(dice.below(2) ? Kind::tcp : Kind::unix_pair);
  std::thread server([far = std::move(pair.far)] {
    for (std::string text; !(text = read_text(far)).empty();) send_text(far, text);
  });
  for (int i = 0; i < 10; ++i) {
    std::string sent = pattern(1 + dice.below(2000), i);
    send_text(pair.near, sent);
    EXPECT_EQ(read_all(pair.near, sent.size()), sent);
  }
  pair.near.reset();
  server.join();
}

void begins_once(Dice& dice) {
  auto once = std::make_unique<std::once_flag>();
  int begun = 0;
  unsigned side = dice.below(3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::call_once(*once, [&] {
        if (side == 0) let_others_run();
        ++begun;
      });
      EXPECT_EQ(begun, 1);
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Soak, EverythingAtOnceEndsAndComesOutRight) {
  Handler one(SIGUSR1, [](int) { ++interruptions; });
  Handler two(SIGUSR2, [](int) { ++let_in; });
  Soak soak({{"threads", makes_threads},
             {"cancel", cancels},
             {"interrupt", interrupts},
             {"queue", queues_signals},
             {"block", blocks_signals},
             {"fork", forks},
             {"lock", locks},
             {"hand over", hands_over},
             {"barrier", meets},
             {"echo", echoes},
             {"once", begins_once}},
            12, 120);
  unsigned long all = 0;
  for (auto& [name, count] : soak.run()) {
    printf("%-12s %lu\n", name.c_str(), count);
    all += count;
  }
  printf("%lu operations\n", all);
  for (Pair& pair : pairs) {
    EXPECT_EQ(pair.first, pair.second);
    EXPECT_EQ(pair.third, pair.fourth);
  }
}

}  // namespace
