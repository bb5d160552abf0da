// accept and connect let others run while they wait.
#include <vector>

#include "alive.h"

namespace {

TEST(Accept, LetsTheClientConnect) {
  for (int family : {AF_INET, AF_INET6, AF_UNIX}) {
    Descriptor listening = listener(family), client;
    EXPECT_TRUE(alive([&] { return Descriptor(accept(listening, nullptr, nullptr)) >= 0; },
                      [&] { client = connected_to(listening); }));
    EXPECT_TRUE(alive([&] { return Descriptor(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; },
                      [&] { client = connected_to(listening); }));
  }
}

TEST(Accept, LetsTheClientConnectThoughItHasATimeout) {
  Descriptor listening = listener(), client;
  set_option(listening, SOL_SOCKET, SO_RCVTIMEO, timeval{1000, 0});
  EXPECT_TRUE(alive([&] { return Descriptor(accept(listening, nullptr, nullptr)) >= 0; },
                    [&] { client = connected_to(listening); }));
}

TEST(Accept, LetsOthersShutTheListener) {
  Descriptor listening = listener();
  EXPECT_EQ(
      alive([&] { return attempt(accept, listening, nullptr, nullptr); }, [&] { shutdown(listening, SHUT_RDWR); }),
      failed(EINVAL));
}

// The listener was there before the copy, and another process may use it: nothing may depend on who made it.
TEST(Accept, OnACopyLetsTheClientConnect) {
  Descriptor listening = listener(), client;
  Descriptor copy = dup(listening);
  for (int fd : {int(copy), int(listening)}) {
    EXPECT_TRUE(alive([&] { return Descriptor(accept(fd, nullptr, nullptr)) >= 0; },
                      [&] { client = connected_to(listening); }));
  }
}

TEST(Connect, ToAFullBacklogLetsTheServerAccept) {
  Descriptor listening = listener(AF_INET, 1);
  Descriptor queued[] = {connected_to(listening), connected_to(listening)};
  EXPECT_TRUE(alive([&] { return connected_to(listening) >= 0; },
                    [&] {
                      for (int i = 0; i < 3; ++i) EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
                    }));
}

TEST(Threads, ServeOneAnother) {
  Descriptor listening = listener();
  Background server([&] {
    std::vector<std::thread> serving;
    for (int i = 0; i < 20; ++i) {
      int client = checked(accept(listening, nullptr, nullptr), "accept");
      serving.emplace_back([client] {
        Descriptor own = client;
        for (std::string text; !(text = read_text(own)).empty();) send_text(own, text);
      });
    }
    for (auto& thread : serving) thread.join();
    return 0;
  });
  std::vector<std::thread> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back([&] {
      Descriptor own = connected_to(listening);
      for (int round = 0; round < 20; ++round) {
        send_text(own, "ping");
        EXPECT_EQ(read_all(own, 4), "ping");
      }
    });
  }
  for (auto& thread : clients) thread.join();
  EXPECT_EQ(server.answer(), 0);
}

}  // namespace
