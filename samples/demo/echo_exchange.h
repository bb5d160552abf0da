// One exchange with an echo server over a non-blocking socket: so many bytes go there, the same bytes come back.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <string_view>

class EchoExchange {
 public:
  enum class State { under_way, done, wrong, broken };

  // The bytes stay the caller's and must outlive the exchange.
  void begin(int descriptor, std::string_view bytes) {
    descriptor_ = descriptor;
    unsent_ = bytes;
    due_ = bytes;
  }

  bool wants_to_send() const { return !unsent_.empty(); }

  // Sends and receives what can be without waiting. Call again when the socket is readable, or writable and
  // wants_to_send(). A byte too many is as wrong as a wrong one.
  State advance() {
    if (!send_some()) return State::broken;
    char buffer[16384];
    ssize_t size = recv(descriptor_, buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return State::under_way;
    if (size <= 0) return State::broken;
    std::string_view received(buffer, static_cast<size_t>(size));
    if (!due_.starts_with(received)) return State::wrong;
    due_.remove_prefix(received.size());
    return due_.empty() ? State::done : State::under_way;
  }

 private:
  bool send_some() {
    if (unsent_.empty()) return true;
    ssize_t sent = send(descriptor_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    unsent_.remove_prefix(static_cast<size_t>(sent));
    return true;
  }

  int descriptor_ = -1;
  std::string_view unsent_, due_;
};
