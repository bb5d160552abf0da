// pthread_atfork: the order of handlers, and where they run.
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <string>

#include "child.h"
#include "threads.h"

namespace {

std::string log;
pthread_t forker;
pthread_mutex_t guarded = PTHREAD_MUTEX_INITIALIZER;

void note(char letter) { log.push_back(pthread_equal(pthread_self(), forker) ? letter : '!'); }

// Handlers cannot be taken off again, so all tests share these.
void register_once() {
  static bool done = false;
  if (done) return;
  done = true;
  ASSERT_EQ(pthread_atfork([] { note('p'); }, [] { note('q'); }, [] { note('c'); }), 0);
  ASSERT_EQ(pthread_atfork([] { note('P'); }, [] { note('Q'); }, [] { note('C'); }), 0);
  ASSERT_EQ(pthread_atfork(nullptr, nullptr, nullptr), 0);
  ASSERT_EQ(pthread_atfork([] { pthread_mutex_lock(&guarded); }, [] { pthread_mutex_unlock(&guarded); },
                           [] { pthread_mutex_unlock(&guarded); }),
            0);
}

void expect_order() {
  forker = pthread_self();
  log.clear();
  EXPECT_EQ(end_of_child([] { return log == "PpcC" ? 0 : 1; }), 0);
  EXPECT_EQ(log, "PpqQ");
}

TEST(Atfork, PrepareRunsLastRegisteredFirstAndTheOthersInOrder) {
  register_once();
  expect_order();
}

TEST(Atfork, HandlersRunInTheThreadThatForks) {
  register_once();
  join(start_thread([] { return expect_order(), nullptr; }));
}

TEST(Atfork, MutexThatTheHandlersHoldIsFreeOnBothSides) {
  register_once();
  for (int i = 0; i < 20; ++i) {
    pthread_t busy = start_thread([] {
      for (int j = 0; j < 100; ++j) {
        pthread_mutex_lock(&guarded);
        sched_yield();
        pthread_mutex_unlock(&guarded);
      }
      return nullptr;
    });
    EXPECT_EQ(end_of_child([] { return pthread_mutex_trylock(&guarded); }), 0);
    join(busy);
  }
}

}  // namespace
