#include "stream.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace {

constexpr size_t longest_line = 8192;

// Closes a socket that is of no use, and leaves errno as it was.
int given_up(int descriptor) {
  int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

void limit_waits(int descriptor, timeval patience) {
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

int connect_to(const addrinfo& address, timeval patience) {
  int descriptor = socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
  if (descriptor < 0) return -1;
  limit_waits(descriptor, patience);
  return connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? descriptor : given_up(descriptor);
}

}  // namespace

Stream::~Stream() {
  if (descriptor_ >= 0) close(descriptor_);
}

void Stream::set_patience(timeval patience) { limit_waits(descriptor_, patience); }

void Stream::set_patience_in_sending(timeval patience) {
  setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

std::optional<std::string> Stream::receive_line() {
  size_t end;
  while ((end = received_.find('\n')) == std::string::npos) {
    if (received_.size() > longest_line || receive_more() <= 0) return std::nullopt;
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

std::optional<std::string> Stream::receive(size_t size) {
  while (received_.size() < size) {
    if (receive_more() <= 0) return std::nullopt;
  }
  std::string bytes = received_.substr(0, size);
  received_.erase(0, size);
  return bytes;
}

std::optional<std::string> Stream::receive_to_the_end(size_t at_most) {
  ssize_t more;
  while ((more = receive_more()) > 0) {
    if (received_.size() > at_most) return std::nullopt;
  }
  if (more < 0) return std::nullopt;
  return std::move(received_);
}

// send() may take a part only. MSG_NOSIGNAL: a peer that is gone is an error here, no signal.
bool Stream::send_all(std::string_view text) {
  while (!text.empty()) {
    ssize_t sent = send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void Stream::shut_down(int how) { shutdown(descriptor_, how); }

ssize_t Stream::receive_more() {
  char buffer[4096];
  ssize_t size;
  do {
    size = recv(descriptor_, buffer, sizeof buffer, 0);
  } while (size < 0 && errno == EINTR);
  if (size > 0) received_.append(buffer, static_cast<size_t>(size));
  return size;
}

int connect_to_loopback(uint16_t port) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int result = connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address);
  return result == 0 ? descriptor : given_up(descriptor);
}

// A host may have several addresses, not all of them any good.
int connect_to_host(const std::string& host, const std::string& port, timeval patience) {
  addrinfo hints = {}, *found;
  hints.ai_socktype = SOCK_STREAM;
  int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) throw std::runtime_error(gai_strerror(error));
  int descriptor = -1;
  for (addrinfo* each = found; each != nullptr && descriptor < 0; each = each->ai_next) {
    descriptor = connect_to(*each, patience);
    error = errno;
  }
  freeaddrinfo(found);
  if (descriptor < 0) throw std::runtime_error(strerror(error));
  return descriptor;
}
