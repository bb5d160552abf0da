// The load of the demo: many clients of the front end, each asking one question after another on a connection of its
// own. One thread and a hand-written epoll loop. Every byte of every answer is checked.
//
//   load-client --port P [--clients N] [--requests R] [--seconds S]
//
// N clients (100) connect first; then all of them begin at once, and each makes R requests (10). After S seconds (60) the
// rest is given up. The result is one line of JSON: requests (answered in full), wrong (not the bytes that were due),
// missing (never answered), seconds, rps, p50_ms, p99_ms, max_ms. Exit code 0 when nothing was wrong or missing.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "loopback.h"
#include "price_list.h"

namespace {

struct Options {
  uint64_t port = 0, clients = 100, requests = 10, seconds = 60;
};

struct Client {
  int descriptor = -1;
  uint64_t asked = 0;       // Requests sent so far.
  uint64_t asked_at = 0;    // When the last of them was, in microseconds.
  std::string due;          // What is still to come of its answer.
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options), clients_(options.clients), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) fail("epoll_create1");
    latencies_.reserve(options.clients * options.requests);
  }

  // So few at a time that they fit in the server's backlog: what overflows it comes again a second later.
  void connect_all() {
    uint64_t begun = 0, deadline = now_us() + options_.seconds * 1000000;
    while (connected_ + failed_ < clients_.size() && now_us() < deadline) {
      for (; begun < clients_.size() && begun - connected_ - failed_ < 128; ++begun) {
        clients_[begun].descriptor = start_connecting(static_cast<uint16_t>(options_.port));
        watch(epoll_, EPOLL_CTL_ADD, clients_[begun].descriptor, EPOLLOUT, begun);
      }
      turn([this](Client& client, uint64_t index) { finish_connecting(client, index); });
    }
  }

  void run() {
    begun_at_ = now_us();
    uint64_t deadline = begun_at_ + options_.seconds * 1000000, next_report = begun_at_ + 1000000;
    for (Client& client : clients_) ask(client);
    while (open_ > 0 && now_us() < deadline) {
      turn([this](Client& client, uint64_t) { receive(client); });
      if (now_us() < next_report) continue;
      report_progress();
      next_report += 1000000;
    }
    ended_at_ = now_us();
  }

  bool print_result() {
    uint64_t missing = options_.clients * options_.requests - latencies_.size() - wrong_;
    double seconds = static_cast<double>(ended_at_ - begun_at_) / 1e6;
    std::sort(latencies_.begin(), latencies_.end());
    printf("{\"clients\": %zu, \"requests\": %zu, \"wrong\": %zu, \"missing\": %zu, \"seconds\": %.3f, \"rps\": %.1f, "
           "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", clients_.size(), latencies_.size(), wrong_,
           missing, seconds, static_cast<double>(latencies_.size()) / seconds, percentile(50), percentile(99),
           percentile(100));
    return wrong_ == 0 && missing == 0;
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
    if (int error = error_of(client.descriptor)) {
      fprintf(stderr, "load-client: no connection: %s\n", strerror(error));
      ++failed_;
      return hang_up(client);
    }
    ++connected_;
    watch(epoll_, EPOLL_CTL_MOD, client.descriptor, EPOLLIN, index);
  }

  // Sends the next request, if there is one; else the client is done.
  void ask(Client& client) {
    if (client.descriptor < 0) return;
    if (client.asked == 0) ++open_;
    if (client.asked == options_.requests) return end(client);
    uint64_t index = static_cast<uint64_t>(&client - clients_.data());
    uint64_t item = index * options_.requests + client.asked++;
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
    if (!client.due.starts_with(std::string_view(buffer, static_cast<size_t>(size)))) return complain(client, buffer, size);
    client.due.erase(0, static_cast<size_t>(size));
    if (!client.due.empty()) return;
    latencies_.push_back(static_cast<uint32_t>(now_us() - client.asked_at));
    ask(client);
  }

  // After a wrong byte nobody knows where the next answer begins, so the client's other requests go missing.
  void complain(Client& client, const char* data, ssize_t size) {
    if (wrong_++ == 0) {
      fprintf(stderr, "load-client: got: %.*s\nload-client: due: %s\n", static_cast<int>(size), data, client.due.c_str());
    }
    end(client);
  }

  void end(Client& client) {
    --open_;
    hang_up(client);
  }

  void hang_up(Client& client) {
    close(client.descriptor);
    client.descriptor = -1;
  }

  void report_progress() const {
    double seconds = static_cast<double>(now_us() - begun_at_) / 1e6;
    fprintf(stderr, "load-client: %zu of %zu requests answered, %.0f per second, %zu clients at it\n", latencies_.size(),
            static_cast<size_t>(options_.clients * options_.requests), static_cast<double>(latencies_.size()) / seconds,
            open_);
  }

  double percentile(size_t percent) const {
    if (latencies_.empty()) return 0;
    return latencies_[(latencies_.size() - 1) * percent / 100] / 1e3;
  }

  Options options_;
  std::vector<Client> clients_;
  int epoll_;
  size_t connected_ = 0, failed_ = 0, open_ = 0, wrong_ = 0;
  uint64_t begun_at_ = 0, ended_at_ = 0;
  std::vector<uint32_t> latencies_;  // In microseconds.
};

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    std::string name = arguments[i];
    char* end = nullptr;
    uint64_t value = i + 1 < count ? strtoul(arguments[i + 1], &end, 10) : 0;
    if (name == "--port" && value < 65536) options.port = value;
    else if (name == "--clients") options.clients = value;
    else if (name == "--requests") options.requests = value;
    else if (name == "--seconds") options.seconds = value;
    else end = nullptr;
    if (end == nullptr || *end != '\0' || value == 0) options = Options(), count = 0;
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) {
  Options options = parse(count, arguments);
  if (options.port == 0) {
    fprintf(stderr, "usage: load-client --port P [--clients N] [--requests R] [--seconds S]\n");
    return 2;
  }
  raise_descriptor_limit();
  Load load(options);
  load.connect_all();
  load.run();
  return load.print_result() ? 0 : 1;
}
