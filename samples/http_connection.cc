#include "http_connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace {

constexpr size_t longest_line = 8192;
constexpr size_t longest_body = 64 << 20;
constexpr int most_fields = 100;

bool same_word(std::string_view one, std::string_view other) {
  return one.size() == other.size() && strncasecmp(one.data(), other.data(), one.size()) == 0;
}

// Takes one `name: value` into account; false when it makes the end of the message unknowable.
bool understand(Head& head, std::string_view field) {
  size_t colon = field.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view name = field.substr(0, colon), value = field.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  if (same_word(name, "Connection") && same_word(value, "close")) head.close = true;
  if (same_word(name, "Transfer-Encoding")) return false;
  if (!same_word(name, "Content-Length")) return true;
  size_t length = 0;
  auto [end, error] = std::from_chars(value.begin(), value.end(), length);
  head.content_length = length;
  return error == std::errc() && end == value.end() && length <= longest_body;
}

}  // namespace

HttpConnection::~HttpConnection() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::optional<Head> HttpConnection::receive_head() {
  Head head;
  std::optional<std::string> line = receive_line();
  if (!line || line->empty()) return std::nullopt;
  head.first_line = *line;
  head.close = line->find("HTTP/1.0") != std::string::npos;
  for (int fields = 0; fields < most_fields; ++fields) {
    line = receive_line();
    if (!line) return std::nullopt;
    if (line->empty()) return head;
    if (!understand(head, *line)) return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string> HttpConnection::receive_body(const Head& head) {
  size_t size = head.content_length.value_or(longest_body);
  while (received_.size() < size) {
    ssize_t more = receive_more();
    if (more == 0 && !head.content_length) break;
    if (more <= 0) return std::nullopt;
  }
  std::string body = received_.substr(0, size);
  received_.erase(0, size);
  return body;
}

// send() may take a part only. MSG_NOSIGNAL: a peer that is gone is an error here, no signal.
bool HttpConnection::send_all(std::string_view text) {
  while (!text.empty()) {
    ssize_t sent = send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// The next line without its end.
std::optional<std::string> HttpConnection::receive_line() {
  size_t end;
  while ((end = received_.find('\n')) == std::string::npos) {
    if (received_.size() > longest_line || receive_more() <= 0) return std::nullopt;
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

ssize_t HttpConnection::receive_more() {
  char buffer[4096];
  ssize_t size;
  do {
    size = recv(descriptor_, buffer, sizeof buffer, 0);
  } while (size < 0 && errno == EINTR);
  if (size > 0) received_.append(buffer, static_cast<size_t>(size));
  return size;
}

// Closes a socket that is of no use, and leaves errno as it was.
static int given_up(int descriptor) {
  int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

int connect_to_loopback(uint16_t port) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return descriptor;
  return given_up(descriptor);
}

static int connect_to(const addrinfo& address, timeval patience) {
  int descriptor = socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
  if (descriptor < 0) return -1;
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? descriptor : given_up(descriptor);
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
