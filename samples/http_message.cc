#include "http_message.h"

#include <strings.h>

#include <charconv>

namespace {

constexpr size_t longest_body = 64 << 20, most_fields = 100;

std::string trimmed(std::string_view text) {
  size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string_view::npos ? "" : std::string(text.substr(first, last - first + 1));
}

// Works out where the message ends. False when nobody can tell.
bool understand_framing(Head& head) {
  head.close = same_word(head.field("Connection"), "close") || head.first_line.find("HTTP/1.0") != std::string::npos;
  if (!head.field("Transfer-Encoding").empty()) return false;
  std::string announced = head.field("Content-Length");
  if (announced.empty()) return true;
  const char* begin = announced.data();
  const char* end = begin + announced.size();
  head.content_length = 0;
  auto [stop, error] = std::from_chars(begin, end, *head.content_length);
  return error == std::errc() && stop == end && *head.content_length <= longest_body;
}

}  // namespace

bool same_word(std::string_view one, std::string_view other) {
  return one.size() == other.size() && strncasecmp(one.data(), other.data(), one.size()) == 0;
}

std::string Head::field(std::string_view name) const {
  for (const auto& [each, value] : fields) {
    if (same_word(each, name)) return value;
  }
  return "";
}

std::optional<Head> receive_head(Stream& stream) {
  Head head;
  std::optional<std::string> line = stream.receive_line();
  if (!line) return std::nullopt;
  head.first_line = *line;
  while ((line = stream.receive_line()) && !line->empty()) {
    size_t colon = line->find(':');
    if (colon == std::string::npos || head.fields.size() == most_fields) return std::nullopt;
    head.fields.emplace_back(line->substr(0, colon), trimmed(std::string_view(*line).substr(colon + 1)));
  }
  if (!line || !understand_framing(head)) return std::nullopt;
  return head;
}

std::optional<std::string> receive_body(Stream& stream, const Head& head) {
  return head.content_length ? stream.receive(*head.content_length) : stream.receive_to_the_end(longest_body);
}
