// flock(2), fcntl(2) locks of open file descriptions, and lockf(3): one thread waits for the lock of another.
#include <gtest/gtest.h>
#include <sys/file.h>

#include <atomic>
#include <functional>

#include "attempt.h"
#include "child.h"
#include "connection.h"

namespace {

class FileLock : public testing::Test {
 protected:
  FileLock() { checked(first, "mkostemp"); }
  ~FileLock() { unlink(path); }
  Descriptor again() { return checked(open(path, O_RDWR | O_CLOEXEC), "open"); }
  // Whether `lock` on another thread waits until `unlock` has been called here.
  void expect_to_wait(std::function<Outcome()> lock, std::function<Outcome()> unlock) {
    Event unlocking;
    Background waiter([&] {
      Outcome outcome = lock();
      EXPECT_TRUE(unlocking.happened());
      return outcome;
    });
    unlocking.happen();
    EXPECT_EQ(unlock(), done(0));
    EXPECT_EQ(waiter.answer(), done(0));
  }
  char path[40] = "/tmp/unblock-locks-XXXXXX";
  Descriptor first = mkostemp(path, O_CLOEXEC);
};

Outcome set_lock(int fd, int command, short type) {
  struct flock lock {};
  lock.l_type = type;
  return attempt(fcntl, fd, command, &lock);
}

TEST_F(FileLock, FlockWaitsForTheOtherDescription) {
  Descriptor second = again();
  ASSERT_EQ(flock(first, LOCK_EX), 0);
  EXPECT_EQ(attempt(flock, second, LOCK_EX | LOCK_NB), failed(EWOULDBLOCK));
  expect_to_wait([&] { return attempt(flock, second, LOCK_EX); }, [&] { return attempt(flock, first, LOCK_UN); });
}

TEST_F(FileLock, FlockIsSharedByReaders) {
  Descriptor second = again();
  EXPECT_EQ(attempt(flock, first, LOCK_SH), done(0));
  EXPECT_EQ(attempt(flock, second, LOCK_SH), done(0));
}

TEST_F(FileLock, CloseReleasesIt) {
  Descriptor second = again();
  ASSERT_EQ(flock(first, LOCK_EX), 0);
  expect_to_wait([&] { return attempt(flock, second, LOCK_EX); },
                 [&] {
                   first.reset();
                   return done(0);
                 });
}

TEST_F(FileLock, DescriptionLockWaits) {
  Descriptor second = again();
  ASSERT_EQ(set_lock(first, F_OFD_SETLK, F_WRLCK), done(0));
  EXPECT_EQ(set_lock(second, F_OFD_SETLK, F_WRLCK), failed(EAGAIN));
  expect_to_wait([&] { return set_lock(second, F_OFD_SETLKW, F_WRLCK); },
                 [&] { return set_lock(first, F_OFD_SETLK, F_UNLCK); });
}

TEST_F(FileLock, ProcessLockDoesNotHinderThreadsOfTheProcess) {
  Descriptor second = again();
  EXPECT_EQ(set_lock(first, F_SETLK, F_WRLCK), done(0));
  Background other([&] { return set_lock(second, F_SETLKW, F_WRLCK); });
  EXPECT_EQ(other.answer(), done(0));
}

TEST_F(FileLock, ProcessLockWaitsForAChild) {
  Connection ready = connection(Kind::pipe), go = connection(Kind::pipe);
  pid_t pid = start_child([&] {
    if (!(set_lock(first, F_SETLK, F_WRLCK) == done(0))) return 1;
    send_text(ready.far, "locked");
    read_text(go.near);
    return 0;
  });
  EXPECT_EQ(read_text(ready.near), "locked");
  EXPECT_EQ(set_lock(first, F_SETLK, F_WRLCK), failed(EAGAIN));
  expect_to_wait([&] { return set_lock(first, F_SETLKW, F_WRLCK); },
                 [&] {
                   send_text(go.far, "go");
                   return done(0);
                 });
  EXPECT_EQ(end_of(pid), 0);
}

TEST_F(FileLock, LockfWaitsForAChild) {
  Connection ready = connection(Kind::pipe), go = connection(Kind::pipe);
  pid_t pid = start_child([&] {
    if (lockf(first, F_LOCK, 0) != 0) return 1;
    send_text(ready.far, "locked");
    read_text(go.near);
    return 0;
  });
  EXPECT_EQ(read_text(ready.near), "locked");
  EXPECT_EQ(attempt(lockf, first, F_TLOCK, 0), failed(EAGAIN));
  expect_to_wait([&] { return attempt(lockf, first, F_LOCK, 0); },
                 [&] {
                   send_text(go.far, "go");
                   return done(0);
                 });
  EXPECT_EQ(end_of(pid), 0);
}

TEST_F(FileLock, ManyThreadsTakeTurns) {
  std::atomic<int> inside = 0, most = 0;
  auto take_turns = [&] {
    Descriptor own = again();
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(flock(own, LOCK_EX), 0);
      most = std::max<int>(most, ++inside);
      --inside;
      EXPECT_EQ(flock(own, LOCK_UN), 0);
    }
    return 0;
  };
  { Background a(take_turns), b(take_turns), c(take_turns), d(take_turns); }
  EXPECT_EQ(most, 1);
}

}  // namespace
