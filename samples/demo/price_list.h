// What the backend says about an item, and what the front end makes of it. The load client checks answers with this;
// the front end knows nothing of it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

inline std::string http_response(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

inline std::string price_line(uint64_t item) {
  uint64_t cents = item * 2654435761u % 1000003u;
  return "item " + std::to_string(item) + " costs " + std::to_string(cents) + " cents\n";
}

// Every byte of the front end's response to `GET /item/N`.
inline std::string expected_response(uint64_t item) {
  std::string said = price_line(item);
  uint64_t sum = 14695981039346656037u;
  for (unsigned char byte : std::to_string(item) + " " + said) sum = (sum ^ byte) * 1099511628211u;
  char digits[17];
  snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(sum));
  return http_response(said + "checksum " + digits + "\n");
}
