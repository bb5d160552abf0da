// Read-write locks: many readers or one writer, kinds, errors.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <thread>
#include <vector>

#include "child.h"
#include "mutexes.h"

namespace {

class RwLock : public testing::Test {
 protected:
  void become(int kind) {
    EXPECT_EQ(pthread_rwlock_destroy(&lock_), 0);
    pthread_rwlockattr_t attributes;
    EXPECT_EQ(pthread_rwlockattr_init(&attributes), 0);
    EXPECT_EQ(pthread_rwlockattr_setkind_np(&attributes, kind), 0);
    EXPECT_EQ(pthread_rwlock_init(&lock_, &attributes), 0);
    EXPECT_EQ(pthread_rwlockattr_destroy(&attributes), 0);
  }
  ~RwLock() override { EXPECT_EQ(pthread_rwlock_destroy(&lock_), 0); }
  int read() { return pthread_rwlock_rdlock(&lock_); }
  int write() { return pthread_rwlock_wrlock(&lock_); }
  int try_read() { return pthread_rwlock_tryrdlock(&lock_); }
  int try_write() { return pthread_rwlock_trywrlock(&lock_); }
  int unlock() { return pthread_rwlock_unlock(&lock_); }

  pthread_rwlock_t lock_ = PTHREAD_RWLOCK_INITIALIZER;
};

TEST_F(RwLock, LocksAndUnlocksWithoutTouchingErrno) {
  for (auto take : {pthread_rwlock_rdlock, pthread_rwlock_wrlock, pthread_rwlock_tryrdlock, pthread_rwlock_trywrlock}) {
    EXPECT_EQ(keeping_errno([&] { return take(&lock_); }), 0);
    EXPECT_EQ(keeping_errno([&] { return unlock(); }), 0);
  }
}

TEST_F(RwLock, ReadersShare) {
  std::atomic<int> inside = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 10; ++i) {
    readers.emplace_back([&] {
      EXPECT_EQ(read(), 0);
      ++inside;
      EXPECT_TRUE(eventually([&] { return inside == 10; }));
      EXPECT_EQ(unlock(), 0);
    });
  }
  for (auto& reader : readers) reader.join();
}

TEST_F(RwLock, OneThreadMayReadRecursively) {
  ASSERT_EQ(read(), 0);
  EXPECT_EQ(read(), 0);
  EXPECT_EQ(unlock(), 0);
  EXPECT_EQ(in_another_thread([&] { return try_write(); }), EBUSY);
  EXPECT_EQ(unlock(), 0);
}

TEST_F(RwLock, TryIsEbusyWhenItWouldWait) {
  ASSERT_EQ(read(), 0);
  EXPECT_EQ(in_another_thread([&] { return keeping_errno([&] { return try_write(); }); }), EBUSY);
  EXPECT_EQ(unlock(), 0);
  ASSERT_EQ(write(), 0);
  EXPECT_EQ(in_another_thread([&] { return keeping_errno([&] { return try_write(); }); }), EBUSY);
  EXPECT_EQ(in_another_thread([&] { return keeping_errno([&] { return try_read(); }); }), EBUSY);
  EXPECT_EQ(unlock(), 0);
}

TEST_F(RwLock, WriterThatLocksAgainIsEdeadlk) {
  ASSERT_EQ(write(), 0);
  EXPECT_EQ(keeping_errno([&] { return write(); }), EDEADLK);
  EXPECT_EQ(keeping_errno([&] { return read(); }), EDEADLK);
  EXPECT_EQ(try_write(), EBUSY);
  EXPECT_EQ(unlock(), 0);
}

TEST_F(RwLock, WriterWaitsForEveryReader) {
  ASSERT_EQ(read(), 0);
  ASSERT_EQ(read(), 0);
  std::atomic<bool> coming = false, got = false;
  std::thread writer([&] {
    coming = true;
    EXPECT_EQ(keeping_errno([&] { return write(); }), 0);
    got = true;
    EXPECT_EQ(unlock(), 0);
  });
  EXPECT_TRUE(eventually(coming));
  for (int i = 0; i < 2; ++i) {
    let_others_run();
    EXPECT_FALSE(got);
    EXPECT_EQ(unlock(), 0);
  }
  writer.join();
  EXPECT_TRUE(got);
}

TEST_F(RwLock, WriterThatUnlocksLetsEveryReaderIn) {
  ASSERT_EQ(write(), 0);
  std::atomic<int> coming = 0, inside = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 10; ++i) {
    readers.emplace_back([&] {
      ++coming;
      EXPECT_EQ(keeping_errno([&] { return read(); }), 0);
      ++inside;
      EXPECT_TRUE(eventually([&] { return inside == 10; }));
      EXPECT_EQ(unlock(), 0);
    });
  }
  EXPECT_TRUE(eventually([&] { return coming == 10; }));
  let_others_run();
  EXPECT_EQ(inside, 0);
  EXPECT_EQ(unlock(), 0);
  for (auto& reader : readers) reader.join();
}

TEST_F(RwLock, WritersTakeTurns) {
  long count = 0;
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&] {
      for (int j = 0; j < 300; ++j) {
        ASSERT_EQ(write(), 0);
        long seen = count;
        if (j % 30 == 0) sched_yield();
        count = seen + 1;
        ASSERT_EQ(unlock(), 0);
      }
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(count, 2400);
}

TEST_F(RwLock, ReadersGoFirstByDefaultSoANestedReadNeverWaitsForAWriter) {
  ASSERT_EQ(read(), 0);
  std::atomic<bool> coming = false;
  std::thread writer([&] {
    coming = true;
    EXPECT_EQ(write(), 0);
    EXPECT_EQ(unlock(), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(read(), 0);
  EXPECT_EQ(unlock(), 0);
  EXPECT_EQ(unlock(), 0);
  writer.join();
}

TEST_F(RwLock, NonRecursiveWriterPreferenceMakesNewReadersWaitForTheWriter) {
  become(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  ASSERT_EQ(read(), 0);
  std::atomic<bool> wrote = false;
  std::thread writer([&] {
    EXPECT_EQ(write(), 0);
    wrote = true;
    EXPECT_EQ(unlock(), 0);
  });
  // Once the writer waits, a new reader is refused; this is also how we see that it waits.
  EXPECT_TRUE(eventually([&] {
    int result = try_read();
    if (result == 0) unlock();
    return result == EBUSY;
  }));
  std::thread reader([&] {
    EXPECT_EQ(read(), 0);
    EXPECT_TRUE(wrote);
    EXPECT_EQ(unlock(), 0);
  });
  let_others_run();
  EXPECT_EQ(unlock(), 0);
  writer.join();
  reader.join();
}

TEST_F(RwLock, ProcessSharedOneExcludesBetweenProcesses) {
  struct Data {
    pthread_rwlock_t lock;
    std::atomic<bool> held = false, go = false;
    int value = 0;
  };
  Shared<Data> data;
  pthread_rwlockattr_t attributes;
  ASSERT_EQ(pthread_rwlockattr_init(&attributes), 0);
  ASSERT_EQ(pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
  ASSERT_EQ(pthread_rwlock_init(&data->lock, &attributes), 0);
  pid_t child = start_child([&] {
    if (pthread_rwlock_wrlock(&data->lock) != 0) return 1;
    data->held = true;
    if (!eventually(data->go)) return 2;
    let_others_run();
    data->value = 4711;
    return pthread_rwlock_unlock(&data->lock);
  });
  ASSERT_TRUE(eventually(data->held));
  EXPECT_EQ(pthread_rwlock_tryrdlock(&data->lock), EBUSY);
  data->go = true;
  EXPECT_EQ(pthread_rwlock_rdlock(&data->lock), 0);
  EXPECT_EQ(data->value, 4711);
  EXPECT_EQ(pthread_rwlock_unlock(&data->lock), 0);
  EXPECT_EQ(end_of(child), 0);
}

TEST(RwLockAttributes, KeepWhatIsSetAndRefuseNonsense) {
  pthread_rwlockattr_t attributes;
  int value = -1;
  ASSERT_EQ(pthread_rwlockattr_init(&attributes), 0);
  EXPECT_EQ(pthread_rwlockattr_getkind_np(&attributes, &value), 0);
  EXPECT_EQ(value, PTHREAD_RWLOCK_PREFER_READER_NP);
  EXPECT_EQ(pthread_rwlockattr_setkind_np(&attributes, 4711), EINVAL);
  EXPECT_EQ(pthread_rwlockattr_setpshared(&attributes, 4711), EINVAL);
  EXPECT_EQ(pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
  EXPECT_EQ(pthread_rwlockattr_getpshared(&attributes, &value), 0);
  EXPECT_EQ(value, PTHREAD_PROCESS_SHARED);
  EXPECT_EQ(pthread_rwlockattr_destroy(&attributes), 0);
}

}  // namespace
