// WebSocket messages over a stream, the server's side of RFC 6455.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "stream.h"

enum class Opcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

struct Message {
  Opcode opcode;  // Never continuation.
  std::string payload;
};

// What a client did wrong; the code is the one to close the connection with.
struct WebSocketError : std::runtime_error {
  WebSocketError(uint16_t code, const char* what) : std::runtime_error(what), code(code) {}
  uint16_t code;
};

// A whole message in one frame, as a server sends it: without a mask.
std::string frame(Opcode opcode, std::string_view payload);

// A close frame with a code and a reason.
std::string close_frame(const WebSocketError& error);

class MessageReader {
 public:
  explicit MessageReader(Stream& stream) : stream_(stream) {}

  // The next message, put together from its fragments; control messages come as they come, also between fragments.
  // Nothing when the stream has ended. Throws WebSocketError when the client breaks the protocol.
  std::optional<Message> next();

 private:
  struct Frame {
    bool final;
    Opcode opcode;
    std::string payload;
  };
  std::optional<Frame> receive_frame();
  std::optional<uint64_t> receive_size(uint8_t short_size);
  void add_fragment(Frame& fragment);

  Stream& stream_;
  std::optional<Message> unfinished_;  // A message of which fragments are still to come.
};
