// Holds many connections to an echo server at once. One thread and an epoll loop.
//
//   connection-holder --port P [--connections N] [--checked K] [--bytes B] [--seconds S]
//
// It opens N connections (19000), serves each once (32 bytes there and back), then sends B bytes (1 MiB) through each
// of K random ones (200) at the same time and compares every byte. It prints one line of JSON: held, served, checked,
// wrong, broken, seconds; and holds everything until its standard input ends, so that the server can be looked at. Exit
// code 0 when all were served and checked and nothing was wrong or broken within S seconds (60).
#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "echo_exchange.h"
#include "loopback.h"
#include "options.h"

namespace {

constexpr size_t greeting_size = 32, connections_from_one_address = 10000, most_at_once = 256;

struct Options {
  uint64_t port = 0, connections = 19000, checked = 200, bytes = 1 << 20, seconds = 60;
};

class Holder {
 public:
  explicit Holder(const Options& options)
      : options_(options),
        exchanges_(options.connections),
        descriptors_(options.connections, -1),
        deadline_us_(now_us() + options.seconds * 1000000),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) fail("epoll_create1");
    std::mt19937_64 random(1);
    bytes_.resize(options.bytes + options.connections * greeting_size);
    for (char& byte : bytes_) byte = static_cast<char>(random());
  }

  // Opens the connections, some at a time, and serves each once.
  void serve_each() {
    size_t begun = 0;
    while (settled_ < options_.connections && now_us() < deadline_us_) {
      for (; begun < options_.connections && begun - settled_ < most_at_once; ++begun) open(begun);
      turn();
    }
    served_ = done_;
  }

  // Checks connections chosen at random, all of them at once.
  void check_some() {
    std::vector<size_t> chosen(options_.connections);
    std::iota(chosen.begin(), chosen.end(), 0);
    std::shuffle(chosen.begin(), chosen.end(), std::mt19937_64(options_.connections));
    chosen.resize(std::min<size_t>(options_.checked, chosen.size()));
    std::erase_if(chosen, [this](size_t index) { return descriptors_[index] < 0; });
    settled_ = done_ = 0;
    for (size_t index : chosen) begin(index, options_.bytes, EPOLL_CTL_MOD);
    while (settled_ < chosen.size() && now_us() < deadline_us_) turn();
    checked_ = done_;
  }

  bool print_result() const {
    double seconds = static_cast<double>(now_us() + options_.seconds * 1000000 - deadline_us_) / 1e6;
    long held = std::count_if(descriptors_.begin(), descriptors_.end(), [](int descriptor) { return descriptor >= 0; });
    printf("{\"held\": %ld, \"served\": %zu, \"checked\": %zu, \"wrong\": %zu, \"broken\": %zu, \"seconds\": %.3f}\n",
           held, served_, checked_, wrong_, broken_, seconds);
    fflush(stdout);
    return served_ == options_.connections && checked_ == options_.checked && wrong_ + broken_ == 0;
  }

 private:
  void open(size_t index) {
    uint32_t source = static_cast<uint32_t>(index / connections_from_one_address);
    descriptors_[index] = start_connecting(static_cast<uint16_t>(options_.port), source);
    begin(index, greeting_size, EPOLL_CTL_ADD);
  }

  // Every connection begins elsewhere in the random bytes, so that an answer that strays is wrong.
  void begin(size_t index, size_t size, int operation) {
    exchanges_[index].begin(descriptors_[index], std::string_view(bytes_).substr(index * greeting_size, size));
    watch(epoll_, operation, descriptors_[index], EPOLLIN | EPOLLOUT, index);
  }

  void turn() {
    epoll_event events[512];
    int count = epoll_wait(epoll_, events, 512, 200);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) advance(events[i].data.u64);
  }

  void advance(size_t index) {
    bool had_to_send = exchanges_[index].wants_to_send();
    EchoExchange::State state = exchanges_[index].advance();
    if (had_to_send && !exchanges_[index].wants_to_send()) {
      watch(epoll_, EPOLL_CTL_MOD, descriptors_[index], EPOLLIN, index);
    }
    if (state == EchoExchange::State::under_way) return;
    ++settled_;
    if (state == EchoExchange::State::done) {
      ++done_;
      return;
    }
    state == EchoExchange::State::wrong ? ++wrong_ : ++broken_;
    close(descriptors_[index]);
    descriptors_[index] = -1;
  }

  Options options_;
  std::vector<EchoExchange> exchanges_;
  std::vector<int> descriptors_;
  std::string bytes_;
  uint64_t deadline_us_;
  int epoll_;
  size_t settled_ = 0, done_ = 0, served_ = 0, checked_ = 0, wrong_ = 0, broken_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  Options options;
  parse_options(count, arguments,
                "connection-holder --port P [--connections N] [--checked K] [--bytes B] [--seconds S]",
                {{"--port", &options.port},
                 {"--connections", &options.connections},
                 {"--checked", &options.checked},
                 {"--bytes", &options.bytes},
                 {"--seconds", &options.seconds}});
  raise_descriptor_limit();
  Holder holder(options);
  holder.serve_each();
  holder.check_some();
  bool all_right = holder.print_result();
  char ignored[256];
  while (read(STDIN_FILENO, ignored, sizeof ignored) > 0) continue;
  return all_right ? 0 : 1;
}
