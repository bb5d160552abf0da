// CPU quotas, read from a tree of files that looks like the kernel's.

#include "shim/cgroup.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace {

namespace fs = std::filesystem;
using unblock::cgroup::no_quota;
using unblock::cgroup::quota_processors;

class Cgroup : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "unblock-cgroup-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& path, const std::string& content) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << content;
  }

  unsigned quota_of(const std::string& membership) {
    write("membership", membership);
    return quota_processors((folder_ / "membership").c_str(), (folder_ / "mounts").c_str());
  }

 private:
  fs::path folder_;
};

TEST_F(Cgroup, LimitsNothingWhereNothingIsMounted) {
  EXPECT_EQ(quota_of("0::/a\n"), no_quota);
  EXPECT_EQ(quota_of("4:cpu:/a\n0::/a\n"), no_quota);
  EXPECT_EQ(quota_of(""), no_quota);
  EXPECT_EQ(quota_processors("/no/where", "/no/where"), no_quota);
}

TEST_F(Cgroup, RoundsTheQuotaUp) {
  for (auto [content, expected] : {std::pair{"50000 100000\n", 1u},
                                   {"100000 100000\n", 1u},
                                   {"100001 100000\n", 2u},
                                   {"400000 100000\n", 4u},
                                   {"max 100000\n", no_quota}}) {
    write("mounts/a/cpu.max", content);
    EXPECT_EQ(quota_of("0::/a\n"), expected) << content;
  }
}

TEST_F(Cgroup, TakesTheLeastOfAllAbove) {
  write("mounts/a/cpu.max", "200000 100000\n");
  write("mounts/a/b/cpu.max", "max 100000\n");
  write("mounts/a/b/c/cpu.max", "300000 100000\n");
  write("mounts/ab/cpu.max", "100000 100000\n");  // a neighbour whose name begins alike
  EXPECT_EQ(quota_of("0::/a/b/c\n"), 2u);
  EXPECT_EQ(quota_of("0::/\n"), no_quota);
}

TEST_F(Cgroup, ReadsTheFirstVersionByItsControllers) {
  write("mounts/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
  write("mounts/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota_of("5:memory:/a\n4:cpu,cpuacct:/a\n0::/\n"), 3u);
  EXPECT_EQ(quota_of("5:cpuset:/a\n"), no_quota);
}

TEST_F(Cgroup, ReadsTheFirstVersionByTheNameAlone) {
  write("mounts/cpu/a/cpu.cfs_quota_us", "-1\n");
  write("mounts/cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota_of("4:cpuacct,cpu:/a\n"), no_quota);
  write("mounts/cpu/a/cpu.cfs_quota_us", "100000\n");
  EXPECT_EQ(quota_of("4:cpuacct,cpu:/a\n"), 1u);
}

TEST_F(Cgroup, ReadsTheSecondVersionBesideTheFirst) {
  write("mounts/unified/a/cpu.max", "100000 100000\n");
  EXPECT_EQ(quota_of("4:cpu:/\n0::/a\n"), 1u);
}

// In a container the kernel may tell the host's path, while the container's own cgroup is the one that is mounted.
TEST_F(Cgroup, CountsTheMountedOneWhereThePathIsTheHosts) {
  write("mounts/cpu/cpu.cfs_quota_us", "200000\n");
  write("mounts/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota_of("4:cpu:/docker/0123456789\n"), 2u);
}

TEST_F(Cgroup, IsNotMisledByNonsense) {
  for (const char* content : {"", "\n", "100000\n", "100000 0\n", "0 100000\n", " 100000 100000\n", "one 100000\n"}) {
    write("mounts/a/cpu.max", content);
    EXPECT_EQ(quota_of("0::/a\n"), no_quota) << content;
  }
  write("mounts/a/cpu.max", "99999999999999999999999 1\n");
  EXPECT_EQ(quota_of("0::/a\n"), no_quota);
  write("mounts/cpu.max", "100000 100000\n");
  for (const char* line : {"nonsense\n", "0:\n", "::", ":::::\n", "0::" /* cut */, "\n\n\n"}) {
    EXPECT_GE(quota_of(line), 1u) << line;
  }
  EXPECT_EQ(quota_of("0::/" + std::string(3'000, 'x') + "\n"), 1u) << "a path too long to build limits nothing itself";
}

}  // namespace
