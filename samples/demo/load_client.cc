// The load of the demo: many clients of the front end, each asking one question after another on a connection of its
// own. One thread and a hand-written epoll loop. Every byte of every answer is checked.
//
//   load-client --port P [--clients N] [--requests R] [--seconds S]
//
// N clients (100) connect first; then all of them begin at once, and each makes R requests (10). After S seconds (60)
// the rest is given up. The result is one line of JSON: requests (answered right), wrong (not the bytes that were due),
// missing (never answered), seconds, rps, p50_ms, p99_ms, max_ms. Exit code 0 when every request was answered right.
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "loopback.h"
#include "measurements.h"
#include "options.h"
#include "price_list.h"

namespace {

struct Options {
  uint64_t port = 0, clients = 100, requests = 10, seconds = 60;
};

struct Client {
  int descriptor = -1;
  uint64_t asked = 0;     // Requests sent so far,
  uint64_t asked_at = 0;  // when the last of them was, in microseconds,
  std::string due;        // and what is still to come of its answer.
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        clients_(options.clients),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        measurements_(options.clients * options.requests) {
    if (epoll_ < 0) fail("epoll_create1");
  }

  // So few at a time that they fit in the server's backlog: what overflows it comes again a second later.
  void connect_all() {
    uint64_t begun = 0, deadline = now_us() + options_.seconds * 1000000;
    while (settled_ < clients_.size() && now_us() < deadline) {
      for (; begun < clients_.size() && begun - settled_ < 128; ++begun) {
        clients_[begun].descriptor = start_connecting(static_cast<uint16_t>(options_.port));
        watch(epoll_, EPOLL_CTL_ADD, clients_[begun].descriptor, EPOLLOUT, begun);
      }
      turn([this](Client& client, uint64_t index) { finish_connecting(client, index); });
    }
  }

  // Returns whether every request was answered right.
  bool run() {
    uint64_t begin = now_us(), deadline = begin + options_.seconds * 1000000, next_report = begin + 1000000;
    at_work_ = clients_.size();
    for (Client& client : clients_) client.descriptor < 0 ? end(client) : ask(client);
    while (at_work_ > 0 && now_us() < deadline) {
      turn([this](Client& client, uint64_t) { receive(client); });
      if (now_us() < next_report) continue;
      measurements_.print_progress(static_cast<double>(now_us() - begin) / 1e6);
      next_report += 1000000;
    }
    measurements_.print_result(clients_.size(), static_cast<double>(now_us() - begin) / 1e6);
    return measurements_.all_right();
  }

 private:
  template <typename Handler>
  void turn(Handler handle) {
    epoll_event events[512];
    int count = epoll_wait(epoll_, events, 512, 200);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) handle(clients_[events[i].data.u64], events[i].data.u64);
  }

  void finish_connecting(Client& client, uint64_t index) {
    ++settled_;
    if (int error = error_of(client.descriptor)) {
      fprintf(stderr, "load-client: no connection: %s\n", strerror(error));
      close(client.descriptor);
      client.descriptor = -1;
    } else {
      watch(epoll_, EPOLL_CTL_MOD, client.descriptor, EPOLLIN, index);
    }
  }

  void ask(Client& client) {
    if (client.asked == options_.requests) return rest(client);
    uint64_t item = static_cast<uint64_t>(&client - clients_.data()) * options_.requests + client.asked++;
    std::string request = "GET /item/" + std::to_string(item) + " HTTP/1.1\r\nHost: front-end\r\n\r\n";
    client.due = expected_response(item);
    client.asked_at = now_us();
    ssize_t sent = send(client.descriptor, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(request.size())) end(client);
  }

  void receive(Client& client) {
    char buffer[4096];
    ssize_t size = recv(client.descriptor, buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return end(client);
    std::string_view received(buffer, static_cast<size_t>(size));
    if (!client.due.starts_with(received)) return complain(client, received);
    client.due.erase(0, received.size());
    if (!client.due.empty()) return;
    measurements_.add(now_us() - client.asked_at);
    ask(client);
  }

  // After a wrong byte nobody knows where the next answer begins, so the client's other requests go missing.
  void complain(Client& client, std::string_view received) {
    measurements_.add_wrong(client.due, received);
    end(client);
  }

  // A client that is done stays connected, so that there are as many at once as were asked for.
  void rest(Client& client) {
    --at_work_;
    watch(epoll_, EPOLL_CTL_DEL, client.descriptor, 0, 0);
  }

  void end(Client& client) {
    --at_work_;
    if (client.descriptor >= 0) close(client.descriptor);
    client.descriptor = -1;
  }

  Options options_;
  std::vector<Client> clients_;
  int epoll_;
  size_t settled_ = 0, at_work_ = 0;  // Settled: connected, or failed to.
  Measurements measurements_;
};

}  // namespace

int main(int count, char** arguments) {
  Options options;
  parse_options(count, arguments, "load-client --port P [--clients N] [--requests R] [--seconds S]",
                {{"--port", &options.port},
                 {"--clients", &options.clients},
                 {"--requests", &options.requests},
                 {"--seconds", &options.seconds}});
  raise_descriptor_limit();
  Load load(options);
  load.connect_all();
  return load.run() ? 0 : 1;
}
