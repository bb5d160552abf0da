// HTTP/1.1 messages as they come over a stream. What is no HTTP, or too long, is an empty result.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stream.h"

// What precedes a body: the request or status line, and the fields.
struct Head {
  std::string first_line;
  std::vector<std::pair<std::string, std::string>> fields;
  std::optional<size_t> content_length;
  bool close = false;  // The connection ends after this message.

  // The value of the first field of that name in any case, or an empty string.
  std::string field(std::string_view name) const;
};

std::optional<Head> receive_head(Stream& stream);

// As long as the head says. An answer that does not say ends where the connection does; a request has no body then, so
// ask for its body only when it has a content_length.
std::optional<std::string> receive_body(Stream& stream, const Head& head);

// Whether two words are the same but for their case.
bool same_word(std::string_view one, std::string_view other);
