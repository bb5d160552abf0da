// Waiting for the disk: results and errors as libc's, while other threads go on.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <thread>
#include <vector>

namespace {

// A file that has no name any more.
class File {
 public:
  File() {
    char name[] = "/tmp/unblock-disk-XXXXXX";
    fd_ = mkstemp(name);
    EXPECT_GE(fd_, 0);
    unlink(name);
  }
  ~File() { close(fd_); }
  operator int() const { return fd_; }

 private:
  int fd_;
};

TEST(Disk, EachCallSucceedsOnAFile) {
  File file;
  ASSERT_EQ(write(file, "written", 7), 7);
  EXPECT_EQ(fsync(file), 0);
  EXPECT_EQ(fdatasync(file), 0);
  EXPECT_EQ(sync_file_range(file, 0, 7, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER), 0);
  EXPECT_EQ(syncfs(file), 0);
  void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(msync(memory, 4096, MS_SYNC), 0);
  EXPECT_EQ(msync(memory, 4096, MS_ASYNC), 0);
  EXPECT_EQ(munmap(memory, 4096), 0);
  sync();
}

TEST(Disk, ErrorsAreLibcs) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  for (auto call : {fsync, fdatasync}) {
    errno = 0;
    EXPECT_EQ(call(-1), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(call(ends[0]), -1);
    EXPECT_EQ(errno, EINVAL);
  }
  errno = 0;
  EXPECT_EQ(syncfs(-1), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(msync(reinterpret_cast<void*>(1), 1, MS_SYNC), -1);
  EXPECT_EQ(errno, EINVAL);
  close(ends[0]);
  close(ends[1]);
}

TEST(Disk, ManyThreadsMayWaitForIt) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([] {
      File file;
      for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(write(file, &round, sizeof round), (ssize_t)sizeof round);
        EXPECT_EQ(fdatasync(file), 0);
        EXPECT_EQ(lseek(file, 0, SEEK_CUR), (round + 1) * (off_t)sizeof round);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
