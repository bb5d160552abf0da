// echo-load PORT CONNECTIONS [BYTES]: drives an echo server on loopback, one request outstanding on each connection.
//
// It says "ready". Then each line on standard input is a number of round trips to make; one JSON line on standard output
// answers it. The first of them opens the connections, which then stay. The end of the input ends the program. One
// thread, edge-triggered, so that it costs little beside the server that it shares the machine with. Each answer is
// compared with its request.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int most_events = 512;
constexpr int patience_milliseconds = 60'000;

struct Connection {
  int fd = -1;
  size_t sent = 0;
  size_t received = 0;
  uint64_t number = 0;
  Clock::time_point begin;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "echo-load: %s: %s\n", what, errno ? std::strerror(errno) : "the server answered wrongly");
  std::exit(1);
}

int connect_to_loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  return fd;
}

class Load {
 public:
  Load(int port, size_t connections, size_t bytes)
      : port_(port), connections_(connections), request_(bytes), answer_(bytes) {
    for (size_t i = 0; i < bytes; ++i) request_[i] = static_cast<char>(i * 31 + 7);
    if (loop_ < 0) fail("epoll_create1");
  }

  void open_connections() {
    for (auto& connection : connections_) {
      if (connection.fd < 0) open(connection);
    }
  }

  void make_round_trips(size_t wanted) {
    to_begin_ = wanted;
    latencies_.clear();
    latencies_.reserve(wanted);
    const auto begin = Clock::now();
    for (auto& connection : connections_) begin_request(connection);
    while (latencies_.size() < wanted) handle_events();
    report(std::chrono::duration<double>(Clock::now() - begin).count());
  }

 private:
  void open(Connection& connection) {
    connection.fd = connect_to_loopback(port_);
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLOUT | EPOLLET;
    interest.data.ptr = &connection;
    if (epoll_ctl(loop_, EPOLL_CTL_ADD, connection.fd, &interest) != 0) fail("epoll_ctl");
  }

  void begin_request(Connection& connection) {
    if (to_begin_ == 0) return;
    --to_begin_;
    connection.sent = connection.received = 0;
    connection.number = ++number_;
    connection.begin = Clock::now();
    send_more(connection);
  }

  void send_more(Connection& connection) {
    // The number makes each request its own, so that no answer can be taken for another.
    std::memcpy(request_.data(), &connection.number, std::min(sizeof connection.number, request_.size()));
    while (connection.sent < request_.size()) {
      const auto sent = send(connection.fd, request_.data() + connection.sent, request_.size() - connection.sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EAGAIN) return;
      if (sent < 0) fail("send");
      connection.sent += static_cast<size_t>(sent);
    }
  }

  void receive_more(Connection& connection) {
    while (connection.received < request_.size() && connection.number != 0) {
      const size_t wanted = request_.size() - connection.received;
      const auto received = recv(connection.fd, answer_.data(), wanted, MSG_DONTWAIT);
      if (received < 0 && errno == EAGAIN) return;
      if (received <= 0) fail("recv");
      compare(connection, static_cast<size_t>(received));
      connection.received += static_cast<size_t>(received);
      if (connection.received == request_.size()) return finish(connection);
      if (static_cast<size_t>(received) < wanted) return;
    }
  }

  void compare(const Connection& connection, size_t size) {
    std::memcpy(request_.data(), &connection.number, std::min(sizeof connection.number, request_.size()));
    if (std::memcmp(request_.data() + connection.received, answer_.data(), size) == 0) return;
    errno = 0;
    fail("recv");
  }

  void finish(Connection& connection) {
    latencies_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - connection.begin).count());
    connection.number = 0;
    begin_request(connection);
  }

  void handle_events() {
    epoll_event events[most_events];
    const int count = epoll_wait(loop_, events, most_events, patience_milliseconds);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    if (count == 0) {
      errno = ETIMEDOUT;
      fail("no answer for a minute");
    }
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (connection.number == 0 && !(events[i].events & (EPOLLHUP | EPOLLERR | EPOLLIN))) continue;
      if (connection.sent < request_.size() && connection.number != 0) send_more(connection);
      if (events[i].events & ~static_cast<uint32_t>(EPOLLOUT)) receive_more(connection);
    }
  }

  double percentile(double part) {
    const auto place = latencies_.begin() + static_cast<ptrdiff_t>(part * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), place, latencies_.end());
    return *place;
  }

  void report(double seconds) {
    std::printf("{\"round_trips\": %zu, \"seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", latencies_.size(),
                seconds, percentile(0.50), percentile(0.99));
    std::fflush(stdout);
  }

  const int port_;
  const int loop_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> connections_;
  std::vector<char> request_;
  std::vector<char> answer_;
  std::vector<double> latencies_;
  size_t to_begin_ = 0;
  uint64_t number_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 && count != 4) {
    std::fprintf(stderr, "usage: echo-load PORT CONNECTIONS [BYTES]\n");
    return 2;
  }
  const size_t bytes = count == 4 ? std::strtoul(arguments[3], nullptr, 10) : 64;
  Load load(std::atoi(arguments[1]), std::strtoul(arguments[2], nullptr, 10), std::max<size_t>(bytes, 1));
  std::printf("ready\n");
  std::fflush(stdout);
  for (size_t wanted; std::scanf("%zu", &wanted) == 1 && wanted != 0;) {
    load.open_connections();
    load.make_round_trips(wanted);
  }
  return 0;
}
