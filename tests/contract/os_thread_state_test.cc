// What the kernel keeps for each thread: one thread's change is never another's.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>

#include "child.h"
#include "connection.h"
#include "threads.h"

extern "C" int capset(__user_cap_header_struct*, const __user_cap_data_struct*);
extern "C" int capget(__user_cap_header_struct*, __user_cap_data_struct*);

namespace {

constexpr uid_t somebody = 65534;

int own_fsuid() { return setfsuid((uid_t)-1); }

// A file that only root may read.
class SecretFile {
 public:
  SecretFile() {
    strcpy(name_, "/tmp/unblock-test-XXXXXX");
    checked(fchmod(Descriptor(checked(mkstemp(name_), "mkstemp")), 0600), "fchmod");
  }
  ~SecretFile() { unlink(name_); }
  // May the calling thread?
  bool opens() const {
    Descriptor file = open(name_, O_RDONLY);
    return file >= 0;
  }

 private:
  char name_[32];
};

class AsRoot : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root may become somebody else";
  }
};

// Two threads take turns, one with other rights than the other.
void expect_rights_stay(int turns, std::function<void()> change) {
  SecretFile file;
  sem_t turn[2];
  std::atomic<int> wrong = 0;
  for (sem_t& each : turn) sem_init(&each, 0, 0);
  auto run = [&](int me, bool may) {
    if (!may) change();
    for (int i = 0; i < turns; ++i) {
      sem_wait(&turn[me]);
      if (file.opens() != may) ++wrong;
      sem_post(&turn[1 - me]);
    }
    return nullptr;
  };
  pthread_t one = start_thread([&] { return run(0, true); });
  pthread_t two = start_thread([&] { return run(1, false); });
  sem_post(&turn[0]);
  join(one);
  join(two);
  for (sem_t& each : turn) sem_destroy(&each);
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(file.opens());
}

TEST_F(AsRoot, FsuidIsTheThreadsOwn) {
  expect_rights_stay(10'000, [] {
    setfsuid(somebody);
    EXPECT_EQ(own_fsuid(), (int)somebody);
  });
}

TEST_F(AsRoot, ARawSetresuidIsTheThreadsOwn) {
  expect_rights_stay(1'000, [] { EXPECT_EQ(syscall(SYS_setresuid, -1, somebody, -1), 0); });
  EXPECT_EQ(geteuid(), 0u);
}

TEST_F(AsRoot, CapabilitiesAreTheThreadsOwn) {
  expect_rights_stay(1'000, [] {
    // A file of root's own would be open to root without any capability.
    EXPECT_EQ(syscall(SYS_setresuid, -1, somebody, -1), 0);
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    EXPECT_EQ(syscall(SYS_capset, &header, none), 0);
  });
}

TEST_F(AsRoot, NamespacesAreTheThreadsOwn) {
  char before[65] = {}, after[65] = {};
  gethostname(before, sizeof before);
  bool done = join(start_thread([] {
                if (unshare(CLONE_NEWUTS) != 0) return word(0);
                EXPECT_EQ(sethostname("elsewhere", 9), 0);
                usleep(1000);
                char here[65] = {};
                gethostname(here, sizeof here);
                EXPECT_STREQ(here, "elsewhere");
                return word(1);
              })) != nullptr;
  if (!done) GTEST_SKIP() << "no namespaces here";
  gethostname(after, sizeof after);
  EXPECT_STREQ(before, after);
  join(start_thread([&] {
    gethostname(after, sizeof after);
    EXPECT_STREQ(before, after);
    return nullptr;
  }));
}

// What one thread changes and still finds later is as before for main and for the next thread.
template <typename Change, typename Find>
void expect_change_stays(Change change, Find find) {
  auto before = find();
  join(start_thread([&] {
    change();
    auto changed = find();
    EXPECT_NE(changed, before);
    usleep(1000);
    EXPECT_EQ(find(), changed);
    return nullptr;
  }));
  EXPECT_EQ(find(), before);
  EXPECT_EQ(join(start_thread([&] { return word(find() == before); })), word(true));
}

TEST_F(AsRoot, FsgidIsTheThreadsOwn) {
  // A question by the call itself would count as a change.
  auto groups = [] {
    std::ifstream status("/proc/thread-self/status");
    std::string line;
    while (std::getline(status, line) && line.compare(0, 4, "Gid:") != 0) continue;
    return line;
  };
  expect_change_stays([] { setfsgid(somebody); }, groups);
}

TEST_F(AsRoot, CapsetIsTheThreadsOwn) {
  auto give_up_all = [] {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    EXPECT_EQ(capset(&header, none), 0);
  };
  expect_change_stays(give_up_all, [] {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct found[2] = {};
    EXPECT_EQ(capget(&header, found), 0);
    return found[0].effective;
  });
}

std::string host_name() {
  char name[65] = {};
  gethostname(name, sizeof name);
  return name;
}

TEST_F(AsRoot, EnteredNamespacesAreTheThreadsOwn) {
  Shared<std::atomic<int>> state;
  pid_t child = start_child([&] {
    bool is_elsewhere = unshare(CLONE_NEWUTS) == 0 && sethostname("elsewhere", 9) == 0;
    *state.operator->() = is_elsewhere ? 1 : 2;
    return eventually([&] { return state->load() == 3; }) ? 0 : 1;
  });
  EXPECT_TRUE(eventually([&] { return state->load() != 0; }));
  bool is_elsewhere = state->load() == 1;
  Descriptor there = open(("/proc/" + std::to_string(child) + "/ns/uts").c_str(), O_RDONLY);
  if (is_elsewhere) {
    expect_change_stays([&] { EXPECT_EQ(setns(there, CLONE_NEWUTS), 0); }, host_name);
  }
  *state.operator->() = 3;
  EXPECT_EQ(end_of(child), 0);
  if (!is_elsewhere) GTEST_SKIP() << "no namespaces here";
}

// What a thread has made its own, its children have too, and theirs.
TEST_F(AsRoot, RightsAreInherited) {
  SecretFile file;
  auto opens_not = [&] {
    usleep(1000);
    EXPECT_FALSE(file.opens());
    return nullptr;
  };
  join(start_thread([&] {
    setfsuid(somebody);
    join(start_thread([&] {
      opens_not();
      for (int i = 0; i < 5; ++i) join(start_thread(opens_not));
      return nullptr;
    }));
    return nullptr;
  }));
  EXPECT_TRUE(file.opens());
  join(start_thread([&] {
    EXPECT_TRUE(file.opens());
    return nullptr;
  }));
}

TEST(Prctl, NoNewPrivilegesAreInherited) {
  join(start_thread([&] {
    EXPECT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    sem_t begun, goes_on;
    sem_init(&begun, 0, 0);
    sem_init(&goes_on, 0, 0);
    pthread_t child = start_thread([&] {
      sem_post(&begun);
      sem_wait(&goes_on);
      return word(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    });
    sem_wait(&begun);
    sem_post(&goes_on);
    EXPECT_EQ(join(child), word(1));
    sem_destroy(&begun);
    sem_destroy(&goes_on);
    return nullptr;
  }));
  EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

TEST(Prctl, TheNameIsTheThreadsOwn) {
  join(start_thread([] {
    char name[16] = {};
    EXPECT_EQ(prctl(PR_SET_NAME, "one of many, and long"), 0);
    usleep(1000);
    EXPECT_EQ(prctl(PR_GET_NAME, name), 0);
    EXPECT_STREQ(name, "one of many, an");
    EXPECT_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    EXPECT_STREQ(name, "one of many, an");
    return nullptr;
  }));
  char name[16] = {};
  EXPECT_EQ(prctl(PR_GET_NAME, name), 0);
  EXPECT_STRNE(name, "one of many, an");
}

TEST(Prctl, NoNewPrivilegesAndTimerSlackAreTheThreadsOwn) {
  int slack = prctl(PR_GET_TIMERSLACK);
  join(start_thread([&] {
    EXPECT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    EXPECT_EQ(prctl(PR_SET_TIMERSLACK, slack + 1000), 0);
    usleep(1000);
    EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    EXPECT_EQ(prctl(PR_GET_TIMERSLACK), slack + 1000);
    return nullptr;
  }));
  for (int i = 0; i < 3; ++i) {
    join(start_thread([&] {
      EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
      EXPECT_EQ(prctl(PR_GET_TIMERSLACK), slack);
      return nullptr;
    }));
  }
  EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

TEST(Personality, IsTheThreadsOwn) {
  int before = personality(0xffffffff);
  join(start_thread([&] {
    EXPECT_EQ(personality(before | ADDR_NO_RANDOMIZE), before);
    usleep(1000);
    EXPECT_EQ(personality(0xffffffff), before | ADDR_NO_RANDOMIZE);
    return nullptr;
  }));
  EXPECT_EQ(personality(0xffffffff), before);
}

}  // namespace
