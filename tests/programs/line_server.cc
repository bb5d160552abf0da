// A server with a thread for each client that allocates with every line: the words of a line come back sorted. Built
// plainly, for runs with another allocator preloaded, and with AddressSanitizer. Ends after so many clients as its
// argument says; prints `listening on PORT`.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

std::mutex guard;
std::map<std::string, int> words_seen;  // allocated by one thread, freed by another

std::string sorted(const std::string& line) {
  std::istringstream input(line);
  std::vector<std::string> words;
  for (std::string word; input >> word;) words.push_back(word);
  std::sort(words.begin(), words.end());
  std::string result;
  for (const std::string& word : words) result += (result.empty() ? "" : " ") + word;
  std::lock_guard lock(guard);
  for (const std::string& word : words) ++words_seen[word];
  if (words_seen.size() > 1000) words_seen.clear();
  return result;
}

void serve(int client) {
  std::string pending;
  char buffer[256];
  for (ssize_t size; (size = read(client, buffer, sizeof buffer)) > 0;) {
    pending.append(buffer, size);
    for (size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
      std::string answer = sorted(pending.substr(0, end)) + "\n";
      if (write(client, answer.data(), answer.size()) < 0) break;
    }
  }
  close(client);
}

}  // namespace

int main(int, char** arguments) {
  int clients = atoi(arguments[1]);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto raw = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, raw, size) != 0 || listen(listener, clients) != 0 || getsockname(listener, raw, &size) != 0)
    return 1;
  printf("listening on %d\n", ntohs(address.sin_port));
  fflush(stdout);
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) threads.emplace_back(serve, accept(listener, nullptr, nullptr));
  for (std::thread& thread : threads) thread.join();
  printf("ended\n");
  return 0;
}
