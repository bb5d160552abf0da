#include "scheduler/descriptor_table.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

using namespace unblock;

namespace {

struct Entry {
  std::atomic<int> value;
};

// Eight MiB of pointers, untouched: not for a stack.
DescriptorTable<Entry> table;

}  // namespace

TEST(DescriptorTable, AnEntryBeginsAsZeroAndStaysWhereItIs) {
  Entry* entry = table.at(5);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->value, 0);
  entry->value = 5;
  for (int fd : {6, 1'023, 1'024, 1'000'000, (1 << 30) - 1}) ASSERT_NE(table.at(fd), nullptr);
  EXPECT_EQ(table.at(5), entry);
  EXPECT_EQ(entry->value, 5);
}

TEST(DescriptorTable, LookingDoesNotMakeAnEntry) {
  EXPECT_EQ(table.existing(50'000'000), nullptr);
  Entry* made = table.at(50'000'000);
  EXPECT_EQ(table.existing(50'000'000), made);
}

TEST(DescriptorTable, NumbersThatNoKernelGivesHaveNone) {
  for (int fd : {-1, 1 << 30, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(table.at(fd), nullptr);
    EXPECT_EQ(table.existing(fd), nullptr);
  }
}

TEST(DescriptorTable, VisitsEachNumberWithItsEntry) {
  static DescriptorTable<Entry> small;
  for (int fd : {3, 1'500, 70'000}) small.at(fd)->value = fd;
  std::vector<int> found;
  small.for_each([&](int fd, Entry& entry) {
    if (entry.value == 0) return;
    EXPECT_EQ(entry.value, fd);
    found.push_back(fd);
  });
  EXPECT_EQ(found, (std::vector<int>{3, 1'500, 70'000}));
}

TEST(DescriptorTable, ThreadsThatRaceForAChunkGetOne) {
  static DescriptorTable<Entry> contended;
  constexpr int threads_count = 4, numbers = 200;
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_count; ++i) {
    threads.emplace_back([] {
      for (int n = 0; n < numbers; ++n) contended.at(n * 1'024 + 1)->value.fetch_add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int n = 0; n < numbers; ++n) EXPECT_EQ(contended.at(n * 1'024 + 1)->value, threads_count);
}
