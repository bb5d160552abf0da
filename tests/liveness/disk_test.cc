// A thread that does nothing but wait for the disk lets others run, however short each of its waits is.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "../contract/connection.h"
#include "../contract/moments.h"

namespace {

struct Call {
  const char* name;
  int (*wait)(int fd, void* memory);
};

constexpr size_t page = 4096;

const Call calls[] = {
    {"fsync", [](int fd, void*) { return fsync(fd); }},
    {"fdatasync", [](int fd, void*) { return fdatasync(fd); }},
    {"sync_file_range", [](int fd, void*) { return sync_file_range(fd, 0, page, SYNC_FILE_RANGE_WRITE); }},
    {"msync", [](int, void* memory) { return msync(memory, page, MS_SYNC); }},
    {"syncfs", [](int fd, void*) { return syncfs(fd); }},
    {"sync", [](int, void*) { return sync(), 0; }},
};

class Disk : public testing::TestWithParam<Call> {};
INSTANTIATE_TEST_SUITE_P(Waits, Disk, testing::ValuesIn(calls), [](auto& call) { return call.param.name; });

TEST_P(Disk, LetOthersRun) {
  Descriptor file = checked(open("/tmp", O_TMPFILE | O_RDWR, 0600), "open");
  checked(ftruncate(file, page), "ftruncate");
  void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ASSERT_NE(memory, MAP_FAILED);
  // On a thread of its own: one that has waited for the disk goes on beside the others until it waits otherwise.
  std::thread([&] {
    std::atomic<bool> ran = false;
    std::thread other([&] { ran = true; });
    timespec deadline = in_milliseconds(20'000, CLOCK_MONOTONIC);
    while (!ran && !is_over(deadline, CLOCK_MONOTONIC)) EXPECT_EQ(GetParam().wait(file, memory), 0);
    EXPECT_TRUE(ran);
    other.join();
  }).join();
  munmap(memory, page);
}

}  // namespace
