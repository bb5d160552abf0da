// A connected blocking socket: lines and bytes in, bytes out.
//
// One thread may receive while another sends; shut_down() may come from any. The calls throw only for lack of memory. A
// peer that breaks off or sends an endless line is an empty result, after which the stream is good for nothing.
#pragma once

#include <sys/time.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

class Stream {
 public:
  // Owns the descriptor from now on. A negative one makes a stream on which everything fails.
  explicit Stream(int descriptor) : descriptor_(descriptor) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  // From now on no single wait is longer than this; or no wait in sending only.
  void set_patience(timeval patience);
  void set_patience_in_sending(timeval patience);

  std::optional<std::string> receive_line();  // Without its end.
  std::optional<std::string> receive(size_t size);
  std::optional<std::string> receive_to_the_end(size_t at_most);
  bool send_all(std::string_view text);

  // As shutdown(2): SHUT_WR lets the peer see the end, SHUT_RDWR ends every wait on this stream as well.
  void shut_down(int how);

 private:
  ssize_t receive_more();

  int descriptor_;
  std::string received_;  // What arrived and has not been asked for yet.
};

// A socket connected to 127.0.0.1:port, or a negative number.
int connect_to_loopback(uint16_t port);

// A socket connected to a host of any kind, on which no wait is longer than patience. Throws std::runtime_error with
// the reason when there is none to be had.
int connect_to_host(const std::string& host, const std::string& port, timeval patience);
