// What the library reads from its environment, and what it says about nonsense.

#include "shim/configuration.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sched.h>
#include <unistd.h>

#include <thread>

#include "shim/setting.h"

namespace {

using namespace unblock::configuration;

class ConfigurationTest : public testing::Test {
 protected:
  // Reads an environment of these entries; afterwards said_ is what went to standard error meanwhile.
  const Configuration& read_from(std::vector<const char*> environment) {
    environment.push_back(nullptr);
    testing::internal::CaptureStderr();
    const Configuration& result = read(environment.data());
    said_ = testing::internal::GetCapturedStderr();
    return result;
  }

  void expect_one_line(std::initializer_list<const char*> texts) {
    EXPECT_EQ(said_.rfind("unblock: ", 0), 0u) << said_;
    EXPECT_EQ(said_.find('\n'), said_.size() - 1) << said_;
    for (const char* text : texts) EXPECT_NE(said_.find(text), std::string::npos) << said_;
  }

  std::string said_;
};

TEST_F(ConfigurationTest, HasDefaults) {
  for (const auto& environment : {std::vector<const char*>{},
                                  {"PATH=/bin", "UNBLOCK_PROCESSOR=3", "UNBLOCK"},
                                  {"UNBLOCK_PROCESSORS=", "UNBLOCK_STACK=", "UNBLOCK_MONITOR=", "UNBLOCK_STATS="}}) {
    const Configuration& result = read_from(environment);
    EXPECT_EQ(result.processors, 0u);
    EXPECT_EQ(result.stack_size_bytes, 0u);
    EXPECT_TRUE(result.monitor);
    EXPECT_EQ(result.statistics, nullptr);
    EXPECT_EQ(said_, "");
  }
}

TEST_F(ConfigurationTest, ReadsEachVariable) {
  const Configuration& result = read_from(
      {"UNBLOCK_STATS=/tmp/statistics", "A=B", "UNBLOCK_MONITOR=0", "UNBLOCK_STACK=256K", "UNBLOCK_PROCESSORS=3"});
  EXPECT_EQ(result.processors, 3u);
  EXPECT_EQ(result.stack_size_bytes, 256u << 10);
  EXPECT_FALSE(result.monitor);
  EXPECT_STREQ(result.statistics, "/tmp/statistics");
  EXPECT_EQ(said_, "");
}

TEST_F(ConfigurationTest, TakesTheFirstOfEqualNames) {
  EXPECT_EQ(read_from({"UNBLOCK_PROCESSORS=1", "UNBLOCK_PROCESSORS=2"}).processors, 1u);
}

TEST_F(ConfigurationTest, SwitchesStatisticsAndMonitor) {
  EXPECT_STREQ(read_from({"UNBLOCK_STATS=1"}).statistics, "1");
  EXPECT_EQ(read_from({"UNBLOCK_STATS=0"}).statistics, nullptr);
  EXPECT_TRUE(read_from({"UNBLOCK_MONITOR=1"}).monitor);
  EXPECT_EQ(said_, "");
}

TEST_F(ConfigurationTest, RecordsCreationStacksOnlyWhenAsked) {
  EXPECT_FALSE(read_from({}).creation_stacks);
  EXPECT_TRUE(read_from({"UNBLOCK_CREATION_STACKS=1"}).creation_stacks);
  EXPECT_FALSE(read_from({"UNBLOCK_CREATION_STACKS=0"}).creation_stacks);
  EXPECT_EQ(said_, "");
  EXPECT_FALSE(read_from({"UNBLOCK_CREATION_STACKS=yes"}).creation_stacks);
  expect_one_line({"UNBLOCK_CREATION_STACKS", "'yes'", "0 or 1"});
}

TEST_F(ConfigurationTest, ReportsFromAThresholdOn) {
  EXPECT_EQ(read_from({}).report_threshold, 0);
  EXPECT_EQ(read_from({"UNBLOCK_REPORT_HOGS=0"}).report_threshold, 0);
  EXPECT_EQ(read_from({"UNBLOCK_REPORT_HOGS=50ms"}).report_threshold, 50'000'000);
  EXPECT_EQ(read_from({"UNBLOCK_REPORT_HOGS=2s"}).report_threshold, 2'000'000'000);
  EXPECT_EQ(read_from({"UNBLOCK_REPORT_HOGS=1000us"}).report_threshold, 1'000'000);
  EXPECT_EQ(said_, "");
  for (const char* entry : {"UNBLOCK_REPORT_HOGS=50", "UNBLOCK_REPORT_HOGS=999us", "UNBLOCK_REPORT_HOGS=1h"}) {
    EXPECT_EQ(read_from({entry}).report_threshold, 0);
    expect_one_line({"UNBLOCK_REPORT_HOGS", accepted_threshold});
  }
  EXPECT_EQ(read_from({"UNBLOCK_REPORT_HOGS=50ms", "UNBLOCK_MONITOR=0"}).report_threshold, 0);
  expect_one_line({"UNBLOCK_REPORT_HOGS", "monitor"});
}

TEST_F(ConfigurationTest, DumpsOnASignalAndOnACrash) {
  EXPECT_EQ(read_from({}).dump_signal, 0);
  EXPECT_EQ(read_from({"UNBLOCK_DUMP_SIGNAL=USR2"}).dump_signal, SIGUSR2);
  EXPECT_EQ(read_from({"UNBLOCK_DUMP_SIGNAL=SIGUSR1"}).dump_signal, SIGUSR1);
  EXPECT_EQ(read_from({"UNBLOCK_DUMP_SIGNAL=40"}).dump_signal, 40);
  EXPECT_TRUE(read_from({"UNBLOCK_DUMP_ON_CRASH=1"}).dump_on_crash);
  EXPECT_EQ(said_, "");
  EXPECT_EQ(read_from({"UNBLOCK_DUMP_SIGNAL=KILL"}).dump_signal, 0);
  expect_one_line({"UNBLOCK_DUMP_SIGNAL", "'KILL'", accepted_signal});
  EXPECT_FALSE(read_from({"UNBLOCK_DUMP_ON_CRASH=2"}).dump_on_crash);
  expect_one_line({"UNBLOCK_DUMP_ON_CRASH", "0 or 1"});
}

// The program may overwrite its environment, as setproctitle does.
TEST_F(ConfigurationTest, KeepsThePathItself) {
  char entry[] = "UNBLOCK_STATS=/tmp/statistics";
  const Configuration& result = read_from({entry});
  memset(entry, 'x', sizeof entry - 1);
  EXPECT_STREQ(result.statistics, "/tmp/statistics");
}

TEST_F(ConfigurationTest, SaysWhatIsWrongAndUsesTheDefault) {
  EXPECT_EQ(read_from({"UNBLOCK_PROCESSORS=many"}).processors, 0u);
  expect_one_line({"UNBLOCK_PROCESSORS", "'many'", accepted_processors});
  EXPECT_EQ(read_from({"UNBLOCK_STACK=1"}).stack_size_bytes, 0u);
  expect_one_line({"UNBLOCK_STACK", "'1'", accepted_stack});
  EXPECT_TRUE(read_from({"UNBLOCK_MONITOR=off"}).monitor);
  expect_one_line({"UNBLOCK_MONITOR", "'off'", "0 or 1"});
  for (const char* entry : {"UNBLOCK_STATS=statistics", "UNBLOCK_STATS=2", "UNBLOCK_STATS=./x"}) {
    EXPECT_EQ(read_from({entry}).statistics, nullptr);
    expect_one_line({"UNBLOCK_STATS", "absolute path"});
  }
}

TEST_F(ConfigurationTest, RefusesAPathThatNoFileCanHave) {
  std::string entry = "UNBLOCK_STATS=/" + std::string(5'000, 'x');
  EXPECT_EQ(read_from({entry.c_str()}).statistics, nullptr);
  expect_one_line({"UNBLOCK_STATS"});
}

TEST(AutomaticProcessors, AreAtMostTheAffinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_GE(automatic_processors(), 1u);
  EXPECT_LE(automatic_processors(), unsigned(CPU_COUNT(&before)));
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(automatic_processors(), 1u);
  sched_setaffinity(0, sizeof before, &before);
}

}  // namespace
