// Threads that use one descriptor at the same time, in both directions and by every call.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/uio.h>

#include <memory>
#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

class Duplex : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
};

INSTANTIATE_TEST_SUITE_P(FullDuplex, Duplex, testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Duplex, BothDirectionsMoveManyMebibytesAtOnce) {
  const std::string there = pattern(24 << 20, 1), back = pattern(24 << 20, 2);
  Background near_writer([&] { return attempt(send, ends.near, there.data(), there.size(), 0); });
  Background far_writer([&] { return attempt(write, ends.far, back.data(), back.size()); });
  Background near_reader([&] { return read_all(ends.near, back.size()) == back; });
  EXPECT_EQ(read_all(ends.far, there.size()), there);
  EXPECT_TRUE(near_reader.answer());
  EXPECT_EQ(near_writer.answer(), done(there.size()));
  EXPECT_EQ(far_writer.answer(), done(back.size()));
}

TEST_P(Duplex, EchoReturnsWhatWasSent) {
  const std::string sent = pattern(8 << 20);
  Background echo([&] {
    for (std::string text; !(text = read_text(ends.far, 65536)).empty();) send_text(ends.far, text);
    shutdown(ends.far, SHUT_WR);
    return 0;
  });
  Background writer([&] {
    for (size_t at = 0; at < sent.size(); at += 100000) send_text(ends.near, sent.substr(at, 100000));
    return shutdown(ends.near, SHUT_WR);
  });
  EXPECT_EQ(read_all(ends.near), sent);
  EXPECT_EQ(writer.answer(), 0);
}

TEST_P(Duplex, HalfClosedConnectionStillCarriesTheOtherDirection) {
  ASSERT_EQ(shutdown(ends.near, SHUT_WR), 0);
  EXPECT_EQ(read_text(ends.far), "");
  Background reader([&] { return read_text(ends.near); });
  send_text(ends.far, "still open");
  EXPECT_EQ(reader.answer(), "still open");
}

TEST_P(Duplex, ReaderAndPollerOfOneDescriptorBothSeeTheEnd) {
  Background reader([&] { return read_text(ends.near); });
  pollfd readable = {ends.near, POLLIN, 0};
  Background poller([&] { return attempt(poll, &readable, 1, -1); });
  shutdown(ends.far, SHUT_WR);
  EXPECT_EQ(reader.answer(), "");
  EXPECT_EQ(poller.answer(), done(1));
}

TEST_P(Duplex, ManyReadersOfOneStreamShareItsBytes) {
  constexpr size_t total = 1 << 20;
  std::atomic<size_t> received = 0;
  auto receive = [&] {
    for (std::string text; !(text = read_text(ends.near, 1000)).empty();) received += text.size();
    return 0;
  };
  Background a(receive), b(receive), c(receive), d(receive);
  const std::string block = pattern(4096);
  for (size_t sent = 0; sent < total; sent += block.size()) send_text(ends.far, block);
  shutdown(ends.far, SHUT_WR);
  for (auto* each : {&a, &b, &c, &d}) each->answer();
  EXPECT_EQ(received, total);
}

TEST_P(Duplex, EveryReaderIsToldOfTheEnd) {
  auto receive = [&] { return read_text(ends.near); };
  Background a(receive), b(receive), c(receive), d(receive);
  ends.far.reset();
  for (auto* each : {&a, &b, &c, &d}) EXPECT_EQ(each->answer(), "");
}

TEST_P(Duplex, ReadersThroughCopiesShareTheStream) {
  Descriptor copy = dup(ends.near);
  auto count = [](int fd) {
    size_t bytes = 0;
    while (!read_text(fd, 1).empty()) ++bytes;
    return bytes;
  };
  Background through_one([&] { return count(ends.near); });
  Background through_other([&] { return count(copy); });
  for (int i = 0; i < 200; ++i) send_text(ends.far, "0123456789");
  ends.far.reset();
  EXPECT_EQ(through_one.answer() + through_other.answer(), 2000u);
}

// A ring of threads: each waits for its neighbour, so nobody moves unless everybody does.
TEST_P(Duplex, RingOfThreadsPassesAToken) {
  constexpr int members = 50, laps = 40;
  std::vector<Connection> ring;
  for (int i = 0; i < members; ++i) ring.push_back(connection(GetParam()));
  std::vector<std::thread> threads;
  for (int i = 1; i < members; ++i) {
    threads.emplace_back([&ring, i] {
      for (int lap = 0; lap < laps; ++lap) send_text(ring[(i + 1) % members].far, read_text(ring[i].near, 8));
    });
  }
  for (int lap = 0; lap < laps; ++lap) {
    send_text(ring[1].far, std::to_string(lap));
    EXPECT_EQ(read_text(ring[0].near, 8), std::to_string(lap));
  }
  for (auto& thread : threads) thread.join();
}

TEST(FullDuplex, ThreadForEachOfManyClients) {
  constexpr int clients = 200;
  Descriptor listening = listener(AF_INET, clients);
  std::vector<std::thread> threads;
  Background server([&] {
    std::vector<std::thread> serving;
    for (int i = 0; i < clients; ++i) {
      int client = checked(accept(listening, nullptr, nullptr), "accept");
      serving.emplace_back([client] {
        Descriptor own = client;
        for (std::string text; !(text = read_text(own)).empty();) send_text(own, text);
      });
    }
    for (auto& thread : serving) thread.join();
    return 0;
  });
  std::atomic<int> right = 0;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      Descriptor own = connected_to(listening);
      for (int round = 0; round < 20; ++round) {
        std::string text = std::to_string(i) + ":" + std::to_string(round);
        send_text(own, text);
        right += read_all(own, text.size()) == text;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(server.answer(), 0);
  EXPECT_EQ(right, clients * 20);
}

}  // namespace
