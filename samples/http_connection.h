// One end of an HTTP/1.1 connection over a blocking socket: heads and bodies in, bytes out.
//
// Not for several threads at once. Nothing throws but for lack of memory; a peer that breaks off, sends nonsense or an
// endless head is an empty result, after which the connection is good for nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What precedes a body: the request or status line, and of the fields the two that frame messages.
struct Head {
  std::string first_line;
  size_t content_length = 0;
  bool close = false;  // The peer ends the connection after this message.
};

class HttpConnection {
 public:
  // Owns the descriptor from now on. A negative one makes a connection on which everything fails.
  explicit HttpConnection(int descriptor) : descriptor_(descriptor) {}
  HttpConnection(const HttpConnection&) = delete;
  ~HttpConnection();

  std::optional<Head> receive_head();
  std::optional<std::string> receive(size_t size);
  bool send_all(std::string_view text);

 private:
  std::optional<std::string> receive_line();
  bool receive_more();

  int descriptor_;
  std::string received_;  // What arrived and has not been asked for yet.
};

// A socket connected to 127.0.0.1:port, or a negative number.
int connect_to_loopback(uint16_t port);
