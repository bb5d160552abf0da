// What libc waits for inside itself lets others run: look-ups of names, commands, the system log.
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <wordexp.h>

#include "../contract/child.h"
#include "../contract/name_server.h"
#include "../contract/patience.h"
#include "alive.h"

namespace {

constexpr int many = 50;

// Runs `ask` on many threads; the server answers nobody before it has heard everybody.
template <typename Ask>
std::vector<std::string> all_at_once(Ask ask) {
  NameServer server;
  std::vector<std::string> answers(many);
  std::vector<std::thread> threads;
  for (int i = 0; i < many; ++i) {
    threads.emplace_back([&, i] {
      server.ask_here();
      answers[i] = ask(i);
    });
  }
  server.receive(many);
  server.answer();
  for (std::thread& thread : threads) thread.join();
  return answers;
}

std::string name_of(int number) { return "host" + std::to_string(number) + ".test."; }

TEST(Names, EverybodyAsksBeforeAnybodyIsAnswered) {
  EXPECT_EQ(all_at_once([](int i) { return address_of(name_of(i)); }), std::vector<std::string>(many, "10.1.2.3"));
}

TEST(Names, GethostbynameR) {
  EXPECT_EQ(all_at_once([](int i) {
              hostent entry, *found = nullptr;
              char buffer[2048];
              int error;
              gethostbyname_r(name_of(i).c_str(), &entry, buffer, sizeof buffer, &found, &error);
              return std::string(found != nullptr ? inet_ntoa(*reinterpret_cast<in_addr*>(found->h_addr)) : "none");
            }),
            std::vector<std::string>(many, "10.1.2.3"));
}

TEST(Names, Getnameinfo) {
  EXPECT_EQ(all_at_once([](int i) {
              sockaddr_in address = {};
              address.sin_family = AF_INET;
              address.sin_addr.s_addr = htonl(0x0a020000 + i);
              char text[NI_MAXHOST];
              int error = getnameinfo(reinterpret_cast<sockaddr*>(&address), sizeof address, text, sizeof text, nullptr,
                                      0, NI_NAMEREQD);
              return std::string(error == 0 ? text : gai_strerror(error));
            }),
            std::vector<std::string>(many, "host.test"));
}

TEST(Names, ResQuery) {
  EXPECT_EQ(all_at_once([](int i) {
              unsigned char answer[512];
              return std::to_string(res_query(name_of(i).c_str(), 1, 1, answer, sizeof answer) > 12);
            }),
            std::vector<std::string>(many, "1"));
}

// One static result, one look-up at a time: those who wait for their turn hold up nobody.
template <typename LookUp>
void expect_turns(LookUp look_up) {
  constexpr int askers = 4;
  NameServer server;
  std::vector<std::thread> threads;
  std::atomic<int> found = 0;
  for (int i = 0; i < askers; ++i) {
    threads.emplace_back([&] {
      server.ask_here();
      found += look_up() != nullptr;
    });
  }
  for (int i = 0; i < askers; ++i) {
    server.receive(1);
    let_others_run();
    server.answer();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, askers);
}

TEST(NameTurns, Gethostbyname) {
  expect_turns([] { return gethostbyname("host.test."); });
}

TEST(NameTurns, Gethostbyname2) {
  expect_turns([] { return gethostbyname2("host.test.", AF_INET); });
}

TEST(NameTurns, Gethostbyaddr) {
  in_addr address = {htonl(0x0a010203)};
  expect_turns([&] { return gethostbyaddr(&address, sizeof address, AF_INET); });
}

TEST(Commands, WordexpLetsOthersFeedTheCommand) {
  Connection gate = connection(Kind::pipe);
  std::string words = "$(read line <&" + std::to_string(gate.near) + "; echo got $line)";
  EXPECT_EQ(alive(
                [&] {
                  wordexp_t found = {};
                  if (wordexp(words.c_str(), &found, 0) != 0 || found.we_wordc != 2) return std::string("nothing");
                  std::string text = std::string(found.we_wordv[0]) + " " + found.we_wordv[1];
                  wordfree(&found);
                  return text;
                },
                [&] { send_text(gate.far, "fed\n"); }),
            "got fed");
}

TEST(Dprintf, LetsOthersEmptyThePipe) {
  Connection ends = connection(Kind::pipe);
  std::string big(1 << 20, 'p');
  EXPECT_EQ(alive([&] { return dprintf(ends.far, "%s", big.c_str()); },
                  [&] { EXPECT_EQ(read_all(ends.near, big.size()), big); }),
            1 << 20);
}

TEST(Lockf, LetsOthersUnlock) {
  char path[] = "/tmp/unblock-lockf-XXXXXX";
  Descriptor file = mkstemp(path);
  unlink(path);
  Connection gate = connection(Kind::pipe);
  Connection locked = connection(Kind::pipe);
  pid_t holder = start_child([&] {
    if (lockf(file, F_LOCK, 0) != 0) return 1;
    send_text(locked.far, "locked");
    return read_text(gate.near) == "go" ? 0 : 1;
  });
  EXPECT_EQ(read_text(locked.near), "locked");
  EXPECT_EQ(alive([&] { return lockf(file, F_LOCK, 0); }, [&] { send_text(gate.far, "go"); }), 0);
  EXPECT_EQ(end_of(holder), 0);
}

// Places of the test's own, seen by this process only: /dev for the log, /run for the cache of names. Before there are
// threads, since a thread that moves elsewhere in the kernel is an OS thread from then on.
struct OwnPlaces {
  OwnPlaces() {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      why_not = std::string("no mount namespace: ") + strerror(errno);
    } else if (mount("none", "/run", "tmpfs", 0, nullptr) != 0 || mkdir("/run/nscd", 0755) != 0) {
      why_not = std::string("no /run: ") + strerror(errno);
    } else if (mkdir("/run/dev", 0755) != 0 || close(creat("/run/dev/null", 0666)) != 0 ||
               mount("/dev/null", "/run/dev/null", nullptr, MS_BIND, nullptr) != 0 ||
               mount("/run/dev", "/dev", nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      why_not = std::string("no /dev: ") + strerror(errno);
    }
  }
  std::string why_not;
} own_places;

Descriptor listener_at(const char* path, int type) {
  Descriptor listening = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, path);
  EXPECT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return listening;
}

TEST(Syslog, LetsOthersReadTheLog) {
  if (!own_places.why_not.empty()) GTEST_SKIP() << own_places.why_not;
  unlink("/dev/log");
  Descriptor log = listener_at("/dev/log", SOCK_DGRAM);
  constexpr int messages = 1000;  // more than the socket has room for
  EXPECT_EQ(alive(
                [&] {
                  openlog("inside", 0, LOG_USER);
                  for (int i = 0; i < messages; ++i) syslog(LOG_INFO, "message %d", i);
                  closelog();
                  return 0;
                },
                [&] {
                  for (int i = 0; i < messages; ++i) {
                    std::string text = read_text(log), end = "message " + std::to_string(i);
                    ASSERT_EQ(text.substr(text.size() - end.size()), end);
                  }
                }),
            0);
}

extern "C" void __syslog_chk(int, int, const char*, ...);
extern "C" void __vsyslog_chk(int, int, const char*, va_list);

void by_vsyslog(const char* format, ...) {
  va_list list;
  va_start(list, format);
  vsyslog(LOG_INFO, format, list);
  va_end(list);
}

void by_vsyslog_chk(const char* format, ...) {
  va_list list;
  va_start(list, format);
  __vsyslog_chk(LOG_INFO, 1, format, list);
  va_end(list);
}

class Loggers : public testing::TestWithParam<void (*)()> {};

INSTANTIATE_TEST_SUITE_P(Syslog, Loggers,
                         testing::Values(
                             +[] { syslog(LOG_INFO, "%s", "message"); }, +[] { by_vsyslog("message"); },
                             +[] { __syslog_chk(LOG_INFO, 1, "message"); }, +[] { by_vsyslog_chk("message"); }));

TEST_P(Loggers, WaitForTheirTurn) {
  if (!own_places.why_not.empty()) GTEST_SKIP() << own_places.why_not;
  unlink("/dev/log");
  Descriptor log = listener_at("/dev/log", SOCK_DGRAM);
  constexpr int loggers = 4, messages = 1000;
  openlog("inside", 0, LOG_USER);
  std::vector<std::thread> threads;
  for (int i = 0; i < loggers; ++i) {
    threads.emplace_back([write = GetParam()] {
      for (int j = 0; j < messages; ++j) write();
    });
  }
  let_others_run();
  for (int i = 0; i < loggers * messages; ++i) EXPECT_FALSE(read_text(log).empty());
  for (std::thread& thread : threads) thread.join();
  closelog();
}

// libc asks a cache of names first, if there is one, and reads its lists itself when that gives no answer.
TEST(Users, GetpwnamLetsOthersAnswer) {
  if (!own_places.why_not.empty()) GTEST_SKIP() << own_places.why_not;
  unlink("/run/nscd/socket");
  Descriptor cache = listener_at("/run/nscd/socket", SOCK_STREAM);
  ASSERT_EQ(listen(cache, 8), 0);
  EXPECT_EQ(alive(
                [] {
                  passwd entry, *found = nullptr;
                  char buffer[2048];
                  getpwnam_r("root", &entry, buffer, sizeof buffer, &found);
                  return std::string(found != nullptr ? found->pw_name : "nobody");
                },
                [&] {
                  Descriptor question = accept(cache, nullptr, nullptr);
                  EXPECT_FALSE(read_text(question).empty());
                  cache.reset();
                }),
            "root");
}

class Turns : public testing::TestWithParam<bool (*)()> {};

INSTANTIATE_TEST_SUITE_P(Users, Turns,
                         testing::Values(
                             +[] { return getpwnam("root") != nullptr; }, +[] { return getpwuid(0) != nullptr; },
                             +[] { return getgrnam("root") != nullptr; }, +[] { return getgrgid(0) != nullptr; }));

// A cache that did not answer is tried again after a hundred look-ups.
TEST_P(Turns, HoldUpNobody) {
  if (!own_places.why_not.empty()) GTEST_SKIP() << own_places.why_not;
  unlink("/run/nscd/socket");
  Descriptor cache = listener_at("/run/nscd/socket", SOCK_STREAM);
  ASSERT_EQ(listen(cache, 8), 0);
  auto look_up = [each = GetParam()] {
    int found = 0;
    for (int i = 0; i < 110; ++i) found += each();
    return found;
  };
  Background one(look_up), other(look_up);
  let_others_run();
  cache.reset();
  EXPECT_EQ(one.answer(), 110);
  EXPECT_EQ(other.answer(), 110);
}

}  // namespace
