// set*id of one thread is set*id of the process: every thread has the new credentials when it returns, whether it runs,
// waits or begins later. Each test is a child, which can give its rights away; without rights there is nothing to test.
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "child.h"
#include "connection.h"
#include "threads.h"

namespace {

constexpr uid_t user = 12345;
constexpr gid_t group = 23456;

// What the kernel says of each OS thread of this process in one line of its status.
std::set<std::string> lines_of_all_tasks(const char* name) {
  std::set<std::string> lines;
  FILE* input =
      popen((std::string("grep -hs ^") + name + ": /proc/" + std::to_string(getpid()) + "/task/*/status").c_str(), "r");
  char line[256];
  while (fgets(line, sizeof line, input)) lines.insert(line);
  pclose(input);
  return lines;
}

class SetId : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can change who it is";
  }

  // In a child with threads that run, that wait for a descriptor and that sleep: `change` is called by main or by a
  // thread; then has_changed() must hold in every thread, old and new. 0, or what is wrong.
  int in_a_child(std::function<int()> change, std::function<bool()> has_changed) {
    bool by_a_thread = GetParam();
    return end_of_child([&] {
      std::atomic<bool> changed = false;
      std::atomic<int> right = 0, ready = 0;
      Connection gate = pipe_connection();
      std::vector<std::thread> threads;
      for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
          for (++ready; !changed;) sched_yield();
          right += has_changed();
        });
        threads.emplace_back([&] {
          ++ready;
          read_text(gate.near, 1);
          right += has_changed();
        });
        threads.emplace_back([&] {
          for (++ready; !changed;) usleep(500);
          right += has_changed();
        });
      }
      if (!eventually([&] { return ready == 9; })) return 1;
      int result = -1;
      if (by_a_thread) {
        std::thread([&] { result = change(); }).join();
      } else {
        result = change();
      }
      if (result != 0) return 2;
      if (!has_changed()) return 3;
      changed = true;
      send_text(gate.far, "xxx");
      for (auto& thread : threads) thread.join();
      std::thread([&] { right += has_changed(); }).join();
      return right == 10 ? 0 : 4;
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Process, SetId, testing::Bool(),
                         [](auto& thread) { return thread.param ? "ByAThread" : "ByMain"; });

bool is_user(uid_t real, uid_t effective, uid_t saved) {
  uid_t ids[3];
  return getresuid(&ids[0], &ids[1], &ids[2]) == 0 && ids[0] == real && ids[1] == effective && ids[2] == saved;
}
bool is_group(gid_t real, gid_t effective, gid_t saved) {
  gid_t ids[3];
  return getresgid(&ids[0], &ids[1], &ids[2]) == 0 && ids[0] == real && ids[1] == effective && ids[2] == saved;
}

TEST_P(SetId, SetuidOfRootSetsAllThree) {
  EXPECT_EQ(in_a_child([] { return setuid(user); }, [] { return is_user(user, user, user); }), 0);
}
TEST_P(SetId, SetgidOfRootSetsAllThree) {
  EXPECT_EQ(in_a_child([] { return setgid(group); }, [] { return is_group(group, group, group); }), 0);
}
TEST_P(SetId, SeteuidSetsTheEffectiveOne) {
  EXPECT_EQ(in_a_child([] { return seteuid(user); }, [] { return is_user(0, user, 0); }), 0);
}
TEST_P(SetId, SetegidSetsTheEffectiveOne) {
  EXPECT_EQ(in_a_child([] { return setegid(group); }, [] { return is_group(0, group, 0); }), 0);
}
TEST_P(SetId, SetreuidSetsTwoAndTheSavedOne) {
  EXPECT_EQ(in_a_child([] { return setreuid(user, user); }, [] { return is_user(user, user, user); }), 0);
}
TEST_P(SetId, SetregidSetsTwoAndTheSavedOne) {
  EXPECT_EQ(in_a_child([] { return setregid(group, group); }, [] { return is_group(group, group, group); }), 0);
}
TEST_P(SetId, SetresuidSetsWhatItIsAskedFor) {
  EXPECT_EQ(in_a_child([] { return setresuid(-1, user, -1); }, [] { return is_user(0, user, 0); }), 0);
}
TEST_P(SetId, SetresgidSetsWhatItIsAskedFor) {
  EXPECT_EQ(in_a_child([] { return setresgid(group, -1, -1); }, [] { return is_group(group, 0, 0); }), 0);
}
TEST_P(SetId, SetgroupsIsForAll) {
  auto has_changed = [] {
    gid_t groups[4] = {};
    return getgroups(4, groups) == 2 && groups[0] == group && groups[1] == group + 1;
  };
  EXPECT_EQ(in_a_child(
                [] {
                  gid_t groups[] = {group, group + 1};
                  return setgroups(2, groups);
                },
                has_changed),
            0);
}

TEST_P(SetId, InitgroupsIsForAll) {
  auto has_changed = [] {
    gid_t groups[64] = {};
    int count = getgroups(64, groups);
    return std::find(groups, groups + std::max(count, 0), group) != groups + std::max(count, 0);
  };
  EXPECT_EQ(in_a_child([] { return initgroups("root", group); }, has_changed), 0);
}

TEST_P(SetId, WhoGivesItsRightsAwayHasNoneLeftInAnyOsThread) {
  EXPECT_EQ(in_a_child([] { return setresuid(user, user, user); },
                       [] {
                         std::string id = std::to_string(user), tab = "\t";
                         std::string expected = "Uid:" + tab + id + tab + id + tab + id + tab + id + "\n";
                         return lines_of_all_tasks("Uid") == std::set<std::string>{expected} && setuid(0) == -1 &&
                                errno == EPERM;
                       }),
            0);
}

TEST_P(SetId, BackAndForthManyTimes) {
  EXPECT_EQ(in_a_child(
                [] {
                  int result = 0;
                  for (int i = 0; i < 50; ++i) result |= seteuid(user) | seteuid(0);
                  return result;
                },
                [] { return is_user(0, 0, 0); }),
            0);
}

}  // namespace
