#include "websocket.h"

namespace {

constexpr uint64_t longest_message = 1 << 20;

bool is_control(Opcode opcode) { return opcode >= Opcode::close; }

bool is_known(Opcode opcode) { return opcode <= Opcode::binary || (is_control(opcode) && opcode <= Opcode::pong); }

std::string big_endian(uint64_t number, int bytes) {
  std::string text;
  while (bytes-- > 0) text += static_cast<char>(number >> 8 * bytes);
  return text;
}

uint64_t number_in(std::string_view bytes) {
  uint64_t number = 0;
  for (unsigned char byte : bytes) number = number << 8 | byte;
  return number;
}

// How many bytes the code point has that a lead byte begins, or 0.
size_t utf8_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = utf8_length(static_cast<unsigned char>(text[0]));
    if (length == 0 || length > text.size()) return false;
    uint32_t code = static_cast<unsigned char>(text[0]) & (length == 1 ? 0x7f : 0x7f >> length);
    for (size_t i = 1; i < length; ++i) {
      if ((text[i] & 0xc0) != 0x80) return false;
      code = code << 6 | (text[i] & 0x3f);
    }
    bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    text.remove_prefix(length);
  }
  return true;
}

// RFC 6455, part 7.4: the codes that may be sent.
bool is_close_code(uint64_t code) {
  bool never_sent = code >= 1004 && code <= 1006;
  return (code >= 1000 && code <= 1014 && !never_sent) || (code >= 3000 && code < 5000);
}

void check_close(std::string_view payload) {
  if (payload.empty()) return;
  if (payload.size() == 1 || !is_close_code(number_in(payload.substr(0, 2)))) throw WebSocketError(1002, "close code");
  if (!is_utf8(payload.substr(2))) throw WebSocketError(1007, "reason is no UTF-8");
}

}  // namespace

std::string frame(Opcode opcode, std::string_view payload) {
  std::string text(1, static_cast<char>(0x80 | static_cast<uint8_t>(opcode)));
  if (payload.size() < 126) {
    text += big_endian(payload.size(), 1);
  } else if (payload.size() < 65536) {
    text += '\x7e' + big_endian(payload.size(), 2);
  } else {
    text += '\x7f' + big_endian(payload.size(), 8);
  }
  return text.append(payload);
}

std::string close_frame(const WebSocketError& error) {
  return frame(Opcode::close, big_endian(error.code, 2) + error.what());
}

std::optional<Message> MessageReader::next() {
  while (std::optional<Frame> received = receive_frame()) {
    if (received->opcode == Opcode::close) check_close(received->payload);
    if (is_control(received->opcode)) return Message{received->opcode, std::move(received->payload)};
    add_fragment(*received);
    if (!received->final) continue;
    Message message = std::move(*unfinished_);
    unfinished_.reset();
    if (message.opcode == Opcode::text && !is_utf8(message.payload)) throw WebSocketError(1007, "text is no UTF-8");
    return message;
  }
  return std::nullopt;
}

std::optional<MessageReader::Frame> MessageReader::receive_frame() {
  std::optional<std::string> start = stream_.receive(2);
  if (!start) return std::nullopt;
  uint8_t first = static_cast<uint8_t>((*start)[0]), second = static_cast<uint8_t>((*start)[1]);
  Frame received{(first & 0x80) != 0, static_cast<Opcode>(first & 0x0f), {}};
  if ((first & 0x70) != 0) throw WebSocketError(1002, "reserved bits");
  if (!is_known(received.opcode)) throw WebSocketError(1002, "unknown opcode");
  if ((second & 0x80) == 0) throw WebSocketError(1002, "no mask");
  uint8_t short_size = second & 0x7f;
  if (is_control(received.opcode) && (!received.final || short_size > 125)) throw WebSocketError(1002, "long control");
  std::optional<uint64_t> size = receive_size(short_size);
  std::optional<std::string> mask = size ? stream_.receive(4) : std::nullopt;
  std::optional<std::string> payload = mask ? stream_.receive(*size) : std::nullopt;
  if (!payload) return std::nullopt;
  for (size_t i = 0; i < payload->size(); ++i) (*payload)[i] ^= (*mask)[i % 4];
  received.payload = std::move(*payload);
  return received;
}

// Sizes above 125 follow in two or in eight bytes. What is too long is refused before it is received.
std::optional<uint64_t> MessageReader::receive_size(uint8_t short_size) {
  if (short_size < 126) return short_size;
  std::optional<std::string> bytes = stream_.receive(short_size == 126 ? 2 : 8);
  if (!bytes) return std::nullopt;
  uint64_t size = number_in(*bytes), so_far = unfinished_ ? unfinished_->payload.size() : 0;
  if (size > longest_message - so_far) throw WebSocketError(1009, "message too long");
  return size;
}

void MessageReader::add_fragment(Frame& fragment) {
  bool continues = fragment.opcode == Opcode::continuation;
  if (continues != unfinished_.has_value()) throw WebSocketError(1002, "fragments out of order");
  if (!continues) unfinished_ = Message{fragment.opcode, {}};
  std::string& payload = unfinished_->payload;
  if (payload.size() + fragment.payload.size() > longest_message) throw WebSocketError(1009, "message too long");
  payload += fragment.payload;
}
