// The slow backend of the demo: answers each `GET /price/N` after a delay. One thread, a hand-written epoll loop with
// timers, so that it holds thousands of requests at next to no cost and what a demo shows is the front end.
//
//   slow-backend [PORT [DELAY_MS]]        0 and 100 by default; port 0 lets the system choose one
//
// It prints `listening on 127.0.0.1:PORT`. SIGTERM or SIGINT ends it.
#include <signal.h>

#include <charconv>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "loopback.h"
#include "price_list.h"

namespace {

int listener = -1;
volatile sig_atomic_t stopping;

// Wakes the loop, whatever it is at: the listener reports a hang-up.
void stop(int) {
  int saved = errno;
  stopping = 1;
  shutdown(listener, SHUT_RDWR);
  errno = saved;
}

struct Connection {
  uint64_t serial;       // Descriptors are used again; serials are not.
  std::string received;  // Requests that are not being answered yet.
  bool waiting = false;  // One answer is under way.
};

struct Answer {
  uint64_t due_us;
  int descriptor;
  uint64_t serial;
  std::string text;
};

class Backend {
 public:
  explicit Backend(uint64_t delay_us) : delay_us_(delay_us), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) fail("epoll_create1");
    watch(epoll_, EPOLL_CTL_ADD, listener, EPOLLIN, static_cast<uint64_t>(listener));
  }

  void run() {
    epoll_event events[256];
    while (!stopping) {
      int count = epoll_wait(epoll_, events, 256, milliseconds_to_next_answer());
      if (count < 0 && errno != EINTR) fail("epoll_wait");
      for (int i = 0; i < count; ++i) {
        int descriptor = static_cast<int>(events[i].data.u64);
        descriptor == listener ? accept_connections() : receive(descriptor);
      }
      send_due_answers();
    }
  }

 private:
  void accept_connections() {
    int descriptor;
    while ((descriptor = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      connections_[descriptor] = Connection{next_serial_++, {}};
      watch(epoll_, EPOLL_CTL_ADD, descriptor, EPOLLIN, static_cast<uint64_t>(descriptor));
    }
    if (errno != EAGAIN && errno != ECONNABORTED && !stopping) fail("accept4");
  }

  void receive(int descriptor) {
    char buffer[4096];
    ssize_t size = recv(descriptor, buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return forget(descriptor);
    connections_[descriptor].received.append(buffer, static_cast<size_t>(size));
    start_answer(descriptor);
  }

  // Takes one request off what has arrived. Requests that follow it wait for their turn.
  void start_answer(int descriptor) {
    Connection& connection = connections_[descriptor];
    if (connection.waiting) return;
    size_t end = connection.received.find("\r\n\r\n");
    if (end == std::string::npos && connection.received.size() < 8192) return;
    static constexpr std::string_view before = "GET /price/";
    uint64_t item;
    const char* number = connection.received.data() + before.size();
    bool understood = end != std::string::npos && connection.received.starts_with(before) &&
                      std::from_chars(number, connection.received.data() + end, item).ec == std::errc();
    if (!understood) return forget(descriptor);
    connection.received.erase(0, end + 4);
    connection.waiting = true;
    answers_.push_back({now_us() + delay_us_, descriptor, connection.serial, http_response(price_line(item))});
  }

  // The delay is the same for all, so answers fall due in the order of their requests.
  void send_due_answers() {
    uint64_t now = now_us();
    while (!answers_.empty() && answers_.front().due_us <= now) {
      Answer answer = std::move(answers_.front());
      answers_.pop_front();
      auto found = connections_.find(answer.descriptor);
      if (found == connections_.end() || found->second.serial != answer.serial) continue;
      ssize_t sent = send(answer.descriptor, answer.text.data(), answer.text.size(), MSG_NOSIGNAL);
      found->second.waiting = false;
      // An answer is short, so a socket without room for it belongs to somebody who does not read what he asked for.
      sent == static_cast<ssize_t>(answer.text.size()) ? start_answer(answer.descriptor) : forget(answer.descriptor);
    }
  }

  int milliseconds_to_next_answer() const {
    if (answers_.empty()) return -1;
    uint64_t now = now_us(), due = answers_.front().due_us;
    return due <= now ? 0 : static_cast<int>((due - now + 999) / 1000);
  }

  void forget(int descriptor) {
    connections_.erase(descriptor);
    close(descriptor);
  }

  uint64_t delay_us_;
  int epoll_;
  uint64_t next_serial_ = 0;
  std::unordered_map<int, Connection> connections_;
  std::deque<Answer> answers_;
};

}  // namespace

int main(int count, char** arguments) {
  long port = count > 1 ? atol(arguments[1]) : 0, delay_ms = count > 2 ? atol(arguments[2]) : 100;
  if (count > 3 || port < 0 || port > 65535 || delay_ms < 0) {
    fprintf(stderr, "usage: slow-backend [PORT [DELAY_MS]]\n");
    return 2;
  }
  raise_descriptor_limit();
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  listener = listen_on_loopback(static_cast<uint16_t>(port));
  Backend(static_cast<uint64_t>(delay_ms) * 1000).run();
}
