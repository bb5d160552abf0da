// Everything at once, at random and for a bounded number of operations. Each kind of actor keeps a sum that a lost, a
// doubled or a misdirected wake-up would break, or makes it wait for ever.
//   --operations=N  of each actor     --seed=N  the same choices again (the order of events is the machine's)
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <thread>

#include "scheduler/readiness.h"
#include "scheduler/region.h"
#include "tests/scheduler/objects.h"
#include "tests/scheduler/test_thread.h"

using namespace unblock;

namespace {

uint64_t option(const char* name, uint64_t otherwise) {
  for (const std::string& argument : testing::internal::GetArgvs()) {
    if (argument.starts_with(name)) return strtoull(argument.c_str() + strlen(name), nullptr, 10);
  }
  return otherwise;
}

// The choices of one actor.
class Choices {
 public:
  explicit Choices(uint64_t seed) : random_(seed) {}
  uint64_t below(uint64_t limit) { return random_() % limit; }
  bool one_in(uint64_t count) { return below(count) == 0; }
  Deadline deadline(int64_t most) { return Deadline::after((int64_t)below((uint64_t)most)); }

 private:
  std::mt19937_64 random_;
};

void compute(int64_t nanoseconds) {
  const int64_t end = kernel::now() + nanoseconds;
  while (kernel::now() < end) continue;
}

// What any actor does between two steps.
void wander(Choices& choices) {
  switch (choices.below(32)) {
    case 0:
    case 1:
    case 2:
    case 3: return yield();
    case 4: return give_way();
    case 5: return compute((int64_t)choices.below(50'000));
    case 6: {
      Waiter waiter(WaitKind::sleep);
      waiter.wait(choices.deadline(200'000));
      return;
    }
    case 7: {
      Region region;
      kernel::invoke(SYS_sched_yield);
      return;
    }
  }
}

// Tokens wander from one semaphore to the next and are never lost; waits have random deadlines.
struct Ring {
  static constexpr int places = 5, tokens = 7;
  test::Semaphore semaphores[places];

  Ring() {
    for (int i = 0; i < tokens; ++i) semaphores[i % places].give();
  }
  void act(Choices& choices) {
    test::Semaphore& from = semaphores[choices.below(places)];
    if (!from.take(choices.deadline(100'000))) return;
    wander(choices);
    semaphores[choices.below(places)].give();
  }
  void check() {
    int sum = 0;
    for (test::Semaphore& each : semaphores) sum += each.value();
    EXPECT_EQ(sum, tokens);
  }
};

// A bounded buffer: mutex, two conditions, no deadlines.
struct Buffer {
  static constexpr size_t capacity = 3;
  test::Mutex mutex;
  test::Condition not_full, not_empty;
  std::deque<uint64_t> items;  // guarded(mutex)
  std::atomic<uint64_t> put_in{0}, taken_out{0};

  void put(uint64_t item, Choices& choices) {
    mutex.lock();
    while (items.size() == capacity) not_full.wait(mutex);
    items.push_back(item);
    put_in += item;
    if (choices.one_in(8)) yield();
    not_empty.notify_one(mutex);
    mutex.unlock();
  }
  void take(Choices& choices) {
    mutex.lock();
    while (items.empty()) not_empty.wait(mutex);
    EXPECT_LE(items.size(), capacity);
    taken_out += items.front();
    items.pop_front();
    if (choices.one_in(8)) yield();
    not_full.notify_one(mutex);
    mutex.unlock();
  }
  void check() {
    EXPECT_EQ(put_in, taken_out);
    EXPECT_TRUE(items.empty());
  }
};

// Nobody is ever a round ahead.
struct Meeting {
  static constexpr int members = 4;
  test::Barrier barrier{members};
  std::atomic<uint64_t> steps{0};

  void act(uint64_t round) {
    EXPECT_GE(steps.load(), round * members);
    EXPECT_LT(steps.fetch_add(1), (round + 1) * members);
    barrier.meet();
  }
};

// Bytes through a socket, edge by edge.
struct Channel {
  int ends[2];
  std::atomic<uint64_t> sent{0}, received{0};

  Channel() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    for (int fd : ends) open_descriptor(fd, true);
  }
  ~Channel() {
    for (int fd : ends) {
      close_descriptor(fd, false);
      close(fd);
    }
  }
  // False at the end of the stream.
  bool receive(Choices& choices) {
    char bytes[4];
    for (;;) {
      begin_try(ends[0], Direction::in);
      ssize_t size = read(ends[0], bytes, 1 + choices.below(sizeof bytes));
      if (size > 0) {
        set_mark(ends[0], Direction::in);
        received += (uint64_t)size;
      }
      if (size >= 0) {
        pass_on(ends[0], Direction::in);
        return size > 0;
      }
      bool patient = choices.one_in(2);
      wait_for_descriptor(ends[0], Direction::in, patient ? Deadline::never() : choices.deadline(100'000));
    }
  }
  void send() {
    for (;;) {
      begin_try(ends[1], Direction::out);
      if (write(ends[1], "x", 1) == 1) break;
      wait_for_descriptor(ends[1], Direction::out);
    }
    set_mark(ends[1], Direction::out);
    ++sent;
  }
  void finish() { shutdown(ends[1], SHUT_WR); }
  void check() { EXPECT_EQ(sent, received); }
};

// Threads that come and go, with children of their own.
struct Families {
  std::atomic<uint64_t> born{0}, ended{0};

  void grow(Choices& choices, int generations) {
    std::vector<test::Thread> children;
    for (uint64_t count = 1 + choices.below(3); count > 0; --count) {
      ++born;
      children.emplace_back([this, generations, seed = choices.below(UINT64_MAX)] {
        Choices own(seed);
        wander(own);
        if (generations > 0 && own.one_in(2)) grow(own, generations - 1);
        ++ended;
      });
    }
  }
  void check() { EXPECT_EQ(born, ended); }
};

// Who keeps a carrier: computes long, blocks in the kernel, wants an OS thread for itself.
void trouble(Choices& choices) {
  switch (choices.below(3)) {
    case 0: return compute((int64_t)choices.below(15'000'000));
    case 1: {
      LongRegion region;
      timespec moment = {0, (long)choices.below(1'000'000)};
      kernel::invoke(SYS_nanosleep, &moment, nullptr);
      return;
    }
    case 2: {
      test::Thread loner([seed = choices.below(UINT64_MAX)] {
        Choices own(seed);
        bind_to_os_thread(own.one_in(2));
        for (int i = 0; i < 5; ++i) wander(own);
      });
      return;
    }
  }
}

}  // namespace

TEST(Stress, EveryWakeIsAccountedFor) {
  const uint64_t seed = option("--seed=", std::random_device()());
  const uint64_t operations = option("--operations=", 1'000);
  printf("--seed=%llu --operations=%llu\n", (unsigned long long)seed, (unsigned long long)operations);
  fflush(stdout);

  Ring ring;
  Buffer buffer;
  Meeting meeting;
  Channel channels[2];
  Families families;
  std::atomic<int> interrupting{1};

  std::vector<test::Thread> actors;
  std::vector<GreenThread*> greens;
  uint64_t actor = 0;
  auto begin = [&](auto body) {
    actors.emplace_back([body, seed = seed + ++actor, operations] {
      Choices choices(seed);
      for (uint64_t i = 0; i < operations; ++i) {
        body(choices, i);
        wander(choices);
      }
    });
    greens.push_back(&actors.back().green());
  };

  for (int i = 0; i < 10; ++i) begin([&](Choices& choices, uint64_t) { ring.act(choices); });
  for (int i = 0; i < 3; ++i) begin([&](Choices& choices, uint64_t n) { buffer.put(n, choices); });
  for (int i = 0; i < 3; ++i) begin([&](Choices& choices, uint64_t) { buffer.take(choices); });
  for (int i = 0; i < Meeting::members; ++i) begin([&](Choices&, uint64_t n) { meeting.act(n); });
  for (int i = 0; i < 2; ++i) {
    begin([&, i, last = operations - 1](Choices&, uint64_t n) {
      channels[i].send();
      if (n == last) channels[i].finish();
    });
  }
  for (int i = 0; i < 2; ++i)
    begin([&](Choices& choices, uint64_t n) {
      if (n % 16 == 0) families.grow(choices, 2);
    });
  begin([&](Choices& choices, uint64_t n) {
    if (n % 32 == 0) trouble(choices);
  });

  // Threads of other runtimes take part.
  std::vector<std::thread> strangers;
  auto begin_stranger = [&](auto body) {
    strangers.emplace_back([body, seed = seed + ++actor, operations] {
      Choices choices(seed);
      for (uint64_t i = 0; i < operations; ++i) body(choices, i);
    });
  };
  begin_stranger([&](Choices& choices, uint64_t) { ring.act(choices); });
  begin_stranger([&](Choices& choices, uint64_t n) { buffer.put(n, choices); });
  begin_stranger([&](Choices& choices, uint64_t) { buffer.take(choices); });

  // Receivers end with their stream, not with a count.
  std::vector<test::Thread> receivers;
  for (int i = 0; i < 4; ++i) {
    receivers.emplace_back([&, i, seed = seed + ++actor] {
      Choices choices(seed);
      while (channels[i % 2].receive(choices)) wander(choices);
    });
    greens.push_back(&receivers.back().green());
  }

  // Signals come at any time, also to threads that have ended meanwhile.
  test::Thread interrupter([&] {
    Choices choices(seed);
    while (interrupting != 0) {
      wake_thread(*greens[choices.below(greens.size())], Wakeup::interrupted);
      Waiter waiter(WaitKind::sleep);
      waiter.wait(choices.deadline(100'000));
    }
  });

  actors.clear();
  receivers.clear();
  for (std::thread& stranger : strangers) stranger.join();
  interrupting = 0;
  interrupter.join();

  ring.check();
  buffer.check();
  for (Channel& channel : channels) channel.check();
  families.check();
  EXPECT_EQ(meeting.steps, operations * Meeting::members);
  Statistics done = scheduler::statistics();
  printf("switches %llu, steals %llu, regions %llu, hand-offs %llu, OS threads at most %u\n",
         (unsigned long long)done.switches, (unsigned long long)done.steals, (unsigned long long)done.regions,
         (unsigned long long)done.hand_offs, scheduler::os_threads_peak());
}
