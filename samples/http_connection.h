// One end of an HTTP/1.1 connection over a blocking socket: heads and bodies in, bytes out.
//
// Not for several threads at once. Its calls throw only for lack of memory; a peer that breaks off, sends nonsense or
// an endless head is an empty result, after which the connection is good for nothing.
#pragma once

#include <sys/time.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What precedes a body: the request or status line, and of the fields the two that frame messages.
struct Head {
  std::string first_line;
  std::optional<size_t> content_length;
  bool close = false;  // The peer ends the connection after this message.
};

class HttpConnection {
 public:
  // Owns the descriptor from now on. A negative one makes a connection on which everything fails.
  explicit HttpConnection(int descriptor) : descriptor_(descriptor) {}
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection();

  std::optional<Head> receive_head();
  // As long as the head says; when it does not say, the body ends where the connection does.
  std::optional<std::string> receive_body(const Head& head);
  bool send_all(std::string_view text);

 private:
  std::optional<std::string> receive_line();
  ssize_t receive_more();

  int descriptor_;
  std::string received_;  // What arrived and has not been asked for yet.
};

// A socket connected to 127.0.0.1:port, or a negative number.
int connect_to_loopback(uint16_t port);

// A socket connected to a host of any kind, on which no wait is longer than patience. Throws std::runtime_error with
// the reason when there is none to be had.
int connect_to_host(const std::string& host, const std::string& port, timeval patience);
