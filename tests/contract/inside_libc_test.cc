// libc's calls inside itself, in a program with threads: look-ups of names, commands, logs. The results are libc's.
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <wordexp.h>

#include "attempt.h"
#include "child.h"
#include "name_server.h"
#include "patience.h"
#include "signals.h"
#include "threads.h"

namespace {

std::string asked_of(NameServer& server) {
  server.ask_here();
  return address_of("host.test.");
}

TEST(Getaddrinfo, GivesTheAddress) {
  NameServer server;
  Background asker([&] { return asked_of(server); });
  server.receive(1);
  server.answer();
  EXPECT_EQ(asker.answer(), "10.1.2.3");
}

TEST(Getaddrinfo, GivesUpWhenNobodyAnswers) {
  NameServer server;
  Background asker([&] {
    server.ask_here();
    _res.retrans = 1;
    return address_of("host.test.");
  });
  EXPECT_EQ(asker.answer(), gai_strerror(EAI_AGAIN));
}

TEST(Getaddrinfo, GivesUpWhenThereIsNoServer) {
  Background asker([] {
    {
      NameServer gone;
      gone.ask_here();
    }
    return address_of("host.test.");
  });
  EXPECT_EQ(asker.answer(), gai_strerror(EAI_AGAIN));
}

TEST(Getaddrinfo, GoesOnAfterASignal) {
  NameServer server;
  static std::atomic<int> handled;
  handled = 0;
  Handler handler(SIGUSR1, [](int) { ++handled; });
  Background asker([&] { return asked_of(server); });
  server.receive(1);
  EXPECT_EQ(pthread_kill(asker.handle(), SIGUSR1), 0);
  EXPECT_TRUE(eventually([] { return handled == 1; }));
  server.answer();
  EXPECT_EQ(asker.answer(), "10.1.2.3");
}

TEST(Getaddrinfo, IsACancellationPoint) {
  NameServer server;
  static int cleaned_up;
  cleaned_up = 0;
  pthread_t asker = start_thread([&]() -> void* {
    server.ask_here();
    pthread_cleanup_push([](void*) { ++cleaned_up; }, nullptr);
    address_of("host.test.");
    pthread_cleanup_pop(0);
    return nullptr;
  });
  server.receive(1);
  EXPECT_EQ(pthread_cancel(asker), 0);
  EXPECT_EQ(join(asker), PTHREAD_CANCELED);
  EXPECT_EQ(cleaned_up, 1);
}

TEST(Getaddrinfo, LeavesNoDescriptorBehind) {
  NameServer server;
  int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(before);
  for (int i = 0; i < 20; ++i) {
    Background asker([&] { return asked_of(server); });
    server.receive(1);
    server.answer();
    EXPECT_EQ(asker.answer(), "10.1.2.3");
    int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(after, before);
    close(after);
  }
}

// A number that libc has used for a socket of its own is the program's afterwards, whatever it opens there.
TEST(Getaddrinfo, LeavesNothingOfItsSocketToTheNextOfTheNumber) {
  NameServer server;
  Background asker([&] {
    server.ask_here();
    address_of("host.test.");
    Descriptor file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    char byte;
    return attempt(read, file, &byte, 1);
  });
  server.receive(1);
  server.answer();
  EXPECT_EQ(asker.answer(), done(1));
}

// The functions that give one static result each have one lock, which is held while they wait.
TEST(Gethostbyname, GivesEverybodyAResult) {
  constexpr int many = 8;
  NameServer server;
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < many; ++i) {
    threads.emplace_back([&] {
      server.ask_here();
      hostent* found = gethostbyname("host.test.");
      right += found != nullptr && found->h_length == 4 && found->h_addr_list[1] == nullptr;
    });
  }
  for (int i = 0; i < many; ++i) {
    server.receive(1);
    server.answer();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, many);
}

TEST(Users, AreFoundByAllThreads) {
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        passwd user, *found_user = nullptr;
        group list, *found_group = nullptr;
        char buffer[2048], more[2048];
        getpwuid_r(0, &user, buffer, sizeof buffer, &found_user);
        getgrgid_r(0, &list, more, sizeof more, &found_group);
        right +=
            found_user && found_group && std::string(user.pw_name) == "root" && std::string(list.gr_name) == "root";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
}

TEST(Wordexp, SubstitutesCommands) {
  Background expander([] {
    wordexp_t found = {};
    EXPECT_EQ(wordexp("$(echo one; echo two) three", &found, 0), 0);
    std::string all;
    for (size_t i = 0; i < found.we_wordc; ++i) all += std::string(found.we_wordv[i]) + "|";
    wordfree(&found);
    return all;
  });
  EXPECT_EQ(expander.answer(), "one|two|three|");
}

// The child closes and doubles descriptors before it execs. In this process somebody waits at those numbers.
TEST(StartingAChild, ChangesNothingForThoseWhoWait) {
  Connection ends = connection(Kind::unix_pair), pipe = connection(Kind::pipe);
  Background reader([&] { return read_text(ends.near); });
  Background other([&] { return read_text(pipe.near); });
  Background spawner([&] {
    int wrong = 0;
    for (int i = 0; i < 20; ++i) {
      posix_spawn_file_actions_t actions;
      posix_spawn_file_actions_init(&actions);
      posix_spawn_file_actions_addclose(&actions, ends.near);
      posix_spawn_file_actions_adddup2(&actions, ends.far, pipe.near);
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
      char shell[] = "sh", option[] = "-c", script[] = "exit 7";
      char* arguments[] = {shell, option, script, nullptr};
      pid_t child;
      wrong += posix_spawnp(&child, "sh", &actions, nullptr, arguments, environ) != 0 || end_of(child) != 7;
      FILE* output = popen("echo said", "r");
      char line[16] = {};
      wrong += fgets(line, sizeof line, output) == nullptr || std::string(line) != "said\n" || pclose(output) != 0;
      wrong += system("exit 3") != 3 << 8;
      posix_spawn_file_actions_destroy(&actions);
    }
    return wrong;
  });
  EXPECT_EQ(spawner.answer(), 0);
  send_text(ends.far, "still here");
  send_text(pipe.far, "here, too");
  EXPECT_EQ(reader.answer(), "still here");
  EXPECT_EQ(other.answer(), "here, too");
}

TEST(StartingAChild, FailsWithTheReason) {
  Background spawner([] {
    char name[] = "nowhere";
    char* arguments[] = {name, nullptr};
    pid_t child;
    return posix_spawn(&child, "/nowhere", nullptr, nullptr, arguments, environ);
  });
  EXPECT_EQ(spawner.answer(), ENOENT);
}

// A child of fork asks, too.
TEST(Fork, ChildLooksNamesUp) {
  NameServer server;
  Background asker([&] {
    return end_of_child([&] {
      server.ask_here();
      return address_of("host.test.") == "10.1.2.3" ? 0 : 1;
    });
  });
  server.receive(1);
  server.answer();
  EXPECT_EQ(asker.answer(), 0);
}

}  // namespace
