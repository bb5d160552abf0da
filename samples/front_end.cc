// An HTTP/1.1 front end with a thread for each connection. For each request it asks a slow backend and waits for it.
//
//   slow-backend 9000 100 &               any backend that answers GET /price/N would do; this one takes 100 ms
//   front-end 8000 9000                   or: unblock front-end 8000 9000
//   curl http://127.0.0.1:8000/item/17
//
// It prints `listening on 127.0.0.1:PORT`; port 0 lets the system choose one. SIGTERM or SIGINT ends it.
//
// What to watch: every answer takes the backend's 100 ms, so thousands of requests are under way at once, each of them
// a thread that waits. Put them there with load-client and compare threads and memory in /proc/PID/status.
#include <cstdio>
#include <exception>

#include "http_message.h"
#include "listener.h"

namespace {

constexpr const char* usage = "front-end PORT BACKEND_PORT";

// The backend as one client's thread sees it: a connection of its own, made when it is first needed.
class Backend {
 public:
  explicit Backend(uint16_t port) : port_(port) {}

  // What the backend says about an item. It may close an idle connection at any time, so one that was used before gets
  // a second try.
  std::optional<std::string> price(const std::string& item) {
    bool used_before = connection_.has_value();
    std::optional<std::string> said = ask(item);
    return said || !used_before ? said : ask(item);
  }

 private:
  std::optional<std::string> ask(const std::string& item) {
    if (!connection_) connection_.emplace(connect_to_loopback(port_));
    std::optional<std::string> said;
    bool reusable = false;
    if (connection_->send_all("GET /price/" + item + " HTTP/1.1\r\nHost: backend\r\n\r\n")) {
      std::optional<Head> head = receive_head(*connection_);
      if (head && head->first_line.starts_with("HTTP/1.1 200 ")) said = receive_body(*connection_, *head);
      reusable = said && !head->close;
    }
    if (!reusable) connection_.reset();
    return said;
  }

  uint16_t port_;
  std::optional<Stream> connection_;
};

// FNV-1a over question and answer. It lets a client see that they belong together and arrived whole.
std::string checksum(const std::string& item, const std::string& said) {
  uint64_t sum = 14695981039346656037u;
  for (unsigned char byte : item + " " + said) sum = (sum ^ byte) * 1099511628211u;
  char digits[17];
  snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(sum));
  return digits;
}

std::string response(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

// N of `GET /item/N HTTP/1.1`, or an empty string.
std::string item_in(std::string_view line) {
  constexpr std::string_view before = "GET /item/", after = " HTTP/1.";
  size_t end = line.rfind(after);
  if (!line.starts_with(before) || end == std::string_view::npos || end < before.size()) return "";
  line = line.substr(before.size(), end - before.size());
  bool number = line.size() <= 18 && line.find_first_not_of("0123456789") == std::string_view::npos;
  return number ? std::string(line) : "";
}

std::string answer(const Head& request, Backend& backend) {
  if (!request.first_line.starts_with("GET ")) return response("405 Method Not Allowed", "GET only\n");
  std::string item = item_in(request.first_line);
  if (item.empty()) return response("404 Not Found", "try /item/17\n");
  std::optional<std::string> said = backend.price(item);
  if (!said) return response("502 Bad Gateway", "the backend does not answer\n");
  return response("200 OK", *said + "checksum " + checksum(item, *said) + "\n");
}

void serve_requests(Stream& client, uint16_t backend_port) {
  Backend backend(backend_port);
  while (std::optional<Head> request = receive_head(client)) {
    // A body means nothing here, but the next request comes behind it.
    if (request->content_length && !receive_body(client, *request)) return;
    if (!client.send_all(answer(*request, backend)) || request->close) return;
  }
}

void serve(int descriptor, uint16_t backend_port) {
  Stream client(descriptor);
  try {
    serve_requests(client, backend_port);
  } catch (const std::exception& error) {
    fprintf(stderr, "front-end: a client is given up: %s\n", error.what());
  }
}

}  // namespace

int main(int count, char** arguments) {
  uint16_t port = port_of(count == 3 ? arguments[1] : "", usage);
  uint16_t backend_port = port_of(arguments[2], usage);
  serve_each_in_a_thread(port, [backend_port](int descriptor) { serve(descriptor, backend_port); });
}
