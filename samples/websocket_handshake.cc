#include "websocket_handshake.h"

#include <algorithm>
#include <cstdint>

#include "http_message.h"
#include "sha1.h"

namespace {

// The value that every server of the protocol adds to the client's key: RFC 6455, part 1.3.
constexpr std::string_view protocol_id = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

std::string base64(std::string_view bytes) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t present = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < present ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += k <= present ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

// Whether a comma-separated list has the word in it.
bool lists(const std::string& list, std::string_view word) {
  for (size_t begin = 0; begin <= list.size();) {
    size_t end = std::min(list.find(',', begin), list.size());
    size_t first = std::min(list.find_first_not_of(" \t", begin), end);
    size_t last = list.find_last_not_of(" \t", end - 1);
    if (first < end && same_word(std::string_view(list).substr(first, last - first + 1), word)) return true;
    begin = end + 1;
  }
  return false;
}

bool asks_for_websocket(const Head& request) {
  return request.first_line.starts_with("GET ") && request.first_line.ends_with(" HTTP/1.1") &&
         !request.field("Host").empty() && lists(request.field("Upgrade"), "websocket") &&
         lists(request.field("Connection"), "upgrade") && request.field("Sec-WebSocket-Key").size() == 24;
}

}  // namespace

bool accept_websocket(Stream& stream) {
  std::optional<Head> request = receive_head(stream);
  if (!request || !asks_for_websocket(*request)) {
    stream.send_all("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    return false;
  }
  if (request->field("Sec-WebSocket-Version") != "13") {
    stream.send_all(
        "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n"
        "Content-Length: 0\r\n\r\n");
    return false;
  }
  std::string proof = base64(sha1(request->field("Sec-WebSocket-Key").append(protocol_id)));
  return stream.send_all(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      proof + "\r\n\r\n");
}
