// Fetches a list of addresses, all at once, with a std::thread for each.
//
//   fetch-list [FILE]               one address a line, http://HOST[:PORT]/PATH; from standard input without a FILE
//   unblock fetch-list [FILE]
//
// It prints status, size and time of each in the order of the list, then a summary. Exit code 0 when all were fetched.
//
// What to watch: the whole list takes as long as its slowest address; under unblock it does so without an OS thread for
// each. Try it on front-end: seq -f 'http://127.0.0.1:8000/item/%g' 1000 | fetch-list
#include <sys/time.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "http_message.h"

namespace {

constexpr timeval patience = {20, 0};

struct Address {
  std::string host, port = "80", path = "/";
};

struct Result {
  std::string status, problem;
  size_t size = 0;
  double milliseconds = 0;
};

Address parse(const std::string& text) {
  static constexpr std::string_view scheme = "http://";
  if (!text.starts_with(scheme)) throw std::runtime_error("not an http:// address");
  std::string rest = text.substr(scheme.size());
  Address address;
  if (size_t slash = rest.find('/'); slash != std::string::npos) {
    address.path = rest.substr(slash);
    rest.erase(slash);
  }
  if (size_t colon = rest.rfind(':'); colon != std::string::npos) {
    address.port = rest.substr(colon + 1);
    rest.erase(colon);
  }
  address.host = rest;
  return address;
}

// HTTP/1.0: without a length the answer ends where the connection does, and no server may send it in chunks.
void fetch_into(Result& result, const std::string& text) {
  Address address = parse(text);
  Stream server(connect_to_host(address.host, address.port, patience));
  server.send_all("GET " + address.path + " HTTP/1.0\r\nHost: " + address.host + "\r\n\r\n");
  std::optional<Head> head = receive_head(server);
  if (!head || !head->first_line.starts_with("HTTP/1.")) throw std::runtime_error("no HTTP answer in time");
  std::optional<std::string> body = receive_body(server, *head);
  if (!body) throw std::runtime_error("the answer was cut short");
  result.status = head->first_line.substr(9, 3);
  result.size = body->size();
}

void fetch(Result& result, const std::string& text) {
  auto begin = std::chrono::steady_clock::now();
  try {
    fetch_into(result, text);
  } catch (const std::exception& error) {
    result.problem = error.what();
  }
  result.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

std::thread start_fetching(Result& result, const std::string& text) {
  try {
    return std::thread([&] { fetch(result, text); });
  } catch (const std::system_error& error) {
    result.problem = "no thread: " + std::string(error.what());
    return {};
  }
}

void print(const Result& result, const std::string& text) {
  if (result.problem.empty()) {
    printf("%s %zu bytes %.1f ms %s\n", result.status.c_str(), result.size, result.milliseconds, text.c_str());
  } else {
    printf("failed %s (%s)\n", text.c_str(), result.problem.c_str());
  }
}

std::vector<std::string> lines_of(std::istream& input) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(input, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace

int main(int count, char** arguments) {
  std::ifstream file(count > 1 ? arguments[1] : "/dev/null");
  if (count > 2 || !file) {
    fprintf(stderr, count > 2 ? "usage: fetch-list [FILE]\n" : "fetch-list: cannot read %s\n", arguments[1]);
    return 2;
  }
  std::vector<std::string> list = lines_of(count > 1 ? file : std::cin);
  std::vector<Result> results(list.size());
  std::vector<std::thread> threads;
  auto begin = std::chrono::steady_clock::now();
  for (size_t i = 0; i < list.size(); ++i) threads.push_back(start_fetching(results[i], list[i]));
  size_t fetched = 0, bytes = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    if (threads[i].joinable()) threads[i].join();
    print(results[i], list[i]);
    fetched += results[i].problem.empty();
    bytes += results[i].size;
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  printf("fetched %zu of %zu addresses, %zu bytes, in %.2f s\n", fetched, list.size(), bytes, seconds);
  return fetched == list.size() ? 0 : 1;
}
