// A thread for each client, built with a sanitizer: `watched_servers HOW THREADS`. Main is the client of them all. It
// writes to everyone before it reads from anyone, so that nothing orders what two of them do in one round.
//
//   correct    nothing is to be reported
//   race       the threads count their answers without the lock
//   freed      a thread reads a text that main has freed
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int rounds = 5;

std::string how;
std::mutex guard;
std::condition_variable all_are_here;
int here, answers;
char* text;

void come(int threads) {
  std::unique_lock lock(guard);
  if (++here == threads) all_are_here.notify_all();
  all_are_here.wait(lock, [&] { return here == threads; });
}

void count_without_the_lock() { ++answers; }

void count() {
  if (how == "race") return count_without_the_lock();
  std::lock_guard lock(guard);
  ++answers;
}

char read_text() { return text[1]; }

void serve(int client, int threads) {
  come(threads);
  for (char byte; read(client, &byte, 1) == 1;) {
    std::string answer(100, read_text());  // allocated here, and by everybody
    answer[0] = byte;
    count();
    if (write(client, answer.data(), 1) != 1) break;
  }
  close(client);
}

char said_by(int server) {
  char byte = 0;
  return read(server, &byte, 1) == 1 ? byte : 0;
}

}  // namespace

int main(int, char** arguments) {
  how = arguments[1];
  int threads = atoi(arguments[2]);
  text = strdup("text");
  std::vector<int> servers;
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
    servers.push_back(pair[0]);
    running.emplace_back(serve, pair[1], threads);
  }
  if (how == "freed") free(text);
  for (int round = 0; round < rounds; ++round) {
    for (int server : servers) {
      if (write(server, "a", 1) != 1) return 1;
    }
    for (int server : servers) {
      if (said_by(server) != 'a') return 1;
    }
  }
  for (int server : servers) close(server);
  for (auto& thread : running) thread.join();
  // The shell inherits the sanitizer's runtime, which it was not built for.
  if (system("exit 7") != 7 << 8) return 1;
  printf("%d answers\n", answers);
}
