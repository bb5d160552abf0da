// Connects to an echo server in a row, and says how large the server was after the first ten thousand and at the end.
//
//   connection-churn --port P --server PID [--connections N] [--at-once K] [--seconds S]
//
// Each of N connections (1000000) carries 64 bytes there and back, says that it is done, and waits until the server has
// hung up; so never more than K (16) are alive. Gives up after S seconds (300). Prints one line of JSON.
#include <string>
#include <string_view>
#include <vector>

#include "samples/demo/echo_exchange.h"
#include "samples/demo/loopback.h"
#include "samples/demo/options.h"

namespace {

constexpr uint64_t first_connections = 10000, connections_from_one_address = 10000, bytes_each = 64;

struct Options {
  uint64_t port = 0, server = 0, connections = 1000000, at_once = 16, seconds = 300;
};

// A connection on which one echo is under way, and after it the end.
struct Slot {
  int descriptor = -1;
  bool parting = false;
  EchoExchange exchange;
};

class Churn {
 public:
  explicit Churn(const Options& options)
      : options_(options),
        slots_(options.at_once),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        deadline_us_(now_us() + options.seconds * 1000000) {
    if (epoll_ < 0) fail("epoll_create1");
    for (int i = 0; i < 256; ++i) bytes_ += static_cast<char>(i);
  }

  // Serves so many in all, and returns when none is alive.
  void serve(uint64_t connections) {
    for (size_t i = 0; i < slots_.size() && begun_ < connections; ++i) open(i);
    while (served_ + wrong_ + broken_ < connections && now_us() < deadline_us_) {
      epoll_event events[64];
      int count = epoll_wait(epoll_, events, 64, 200);
      if (count < 0 && errno != EINTR) fail("epoll_wait");
      for (int i = 0; i < count; ++i) {
        size_t index = events[i].data.u64;
        if (advance(slots_[index]) && begun_ < connections) open(index);
      }
    }
  }

  uint64_t served() const { return served_; }
  uint64_t wrong() const { return wrong_; }
  uint64_t broken() const { return broken_; }

 private:
  void open(size_t index) {
    uint32_t source = static_cast<uint32_t>(begun_ / connections_from_one_address % 200);
    Slot& slot = slots_[index];
    slot.descriptor = start_connecting(static_cast<uint16_t>(options_.port), source);
    slot.parting = false;
    slot.exchange.begin(slot.descriptor, std::string_view(bytes_).substr(begun_++ % 192, bytes_each));
    // Edges: a connection reports once that it can be written to, and then whatever arrives.
    watch(epoll_, EPOLL_CTL_ADD, slot.descriptor, EPOLLIN | EPOLLOUT | EPOLLET, index);
  }

  // Returns whether the slot is free for another connection.
  bool advance(Slot& slot) {
    if (!slot.parting) {
      EchoExchange::State state = slot.exchange.advance();
      if (state == EchoExchange::State::under_way) return false;
      if (state != EchoExchange::State::done) return end(slot, state == EchoExchange::State::wrong ? wrong_ : broken_);
      if (shutdown(slot.descriptor, SHUT_WR) != 0) return end(slot, broken_);
      slot.parting = true;
    }
    char byte;
    ssize_t size = recv(slot.descriptor, &byte, 1, 0);
    if (size < 0 && errno == EAGAIN) return false;
    return end(slot, size == 0 ? served_ : size > 0 ? wrong_ : broken_);
  }

  bool end(Slot& slot, uint64_t& counter) {
    ++counter;
    close(slot.descriptor);
    return true;
  }

  Options options_;
  std::vector<Slot> slots_;
  std::string bytes_;
  int epoll_;
  uint64_t deadline_us_;
  uint64_t begun_ = 0, served_ = 0, wrong_ = 0, broken_ = 0;
};

long resident_kib(uint64_t pid) {
  long size = -1;
  char line[256];
  FILE* status = fopen(("/proc/" + std::to_string(pid) + "/status").c_str(), "r");
  if (status == nullptr) fail("the server's status");
  while (fgets(line, sizeof line, status) != nullptr) {
    if (sscanf(line, "VmRSS: %ld", &size) == 1) break;
  }
  fclose(status);
  return size;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  parse_options(count, arguments,
                "connection-churn --port P --server PID [--connections N] [--at-once K] [--seconds S]",
                {{"--port", &options.port},
                 {"--server", &options.server},
                 {"--connections", &options.connections},
                 {"--at-once", &options.at_once},
                 {"--seconds", &options.seconds}});
  Churn churn(options);
  uint64_t begin = now_us();
  churn.serve(first_connections);
  long after_first = resident_kib(options.server);
  churn.serve(options.connections);
  long at_end = resident_kib(options.server);
  printf(
      "{\"served\": %zu, \"wrong\": %zu, \"broken\": %zu, \"kib_after_first\": %ld, \"kib_at_end\": %ld, "
      "\"seconds\": %.2f}\n",
      churn.served(), churn.wrong(), churn.broken(), after_first, at_end, static_cast<double>(now_us() - begin) / 1e6);
}
