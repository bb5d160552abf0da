// One thread that only computes, beside threads that only do I/O: pairs that echo numbers over socketpairs.
//
//   cpu-and-io [LIMIT [PAIRS]]       5000000 and 8 by default
//   unblock --processors 1 cpu-and-io ...
//
// The worker looks for the number below LIMIT with the longest Collatz sequence and makes no call while it does. The
// program prints what it found and how many echoes were completed meanwhile; exit code 0 when all of them were right.
//
// What to watch: the echoes go on although the worker never lets go of its processor, even when there is only one.
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

std::atomic<uint64_t> echoes, wrong;
std::atomic<bool> finished;

struct Champion {
  uint64_t number = 1, length = 1;
};

Champion longest_sequence_below(uint64_t limit) {
  Champion champion;
  for (uint64_t start = 2; start < limit; ++start) {
    uint64_t length = 1;
    for (uint64_t number = start; number != 1; ++length) number = number % 2 == 0 ? number / 2 : 3 * number + 1;
    if (length > champion.length) champion = {start, length};
  }
  return champion;
}

// Both of these move the whole of something, or say that the other end is gone.
bool receive_all(int descriptor, void* data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t received = read(descriptor, static_cast<char*>(data) + done, size - done);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return false;
    done += static_cast<size_t>(received);
  }
  return true;
}

bool send_all(int descriptor, const void* data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t sent = send(descriptor, static_cast<const char*>(data) + done, size - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    done += static_cast<size_t>(sent);
  }
  return true;
}

void echo(int descriptor) {
  uint64_t number;
  while (receive_all(descriptor, &number, sizeof number) && send_all(descriptor, &number, sizeof number)) continue;
  close(descriptor);
}

void ask_for_echoes(int descriptor, uint64_t first) {
  for (uint64_t number = first; !finished; ++number) {
    uint64_t answer = 0;
    bool arrived = send_all(descriptor, &number, sizeof number) && receive_all(descriptor, &answer, sizeof answer);
    if (!arrived || answer != number) {
      ++wrong;
      break;
    }
    ++echoes;
  }
  close(descriptor);
}

void start_pair(std::vector<std::thread>& threads, uint64_t first) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    perror("cpu-and-io: socketpair");
    exit(1);
  }
  threads.emplace_back(echo, ends[0]);
  threads.emplace_back(ask_for_echoes, ends[1], first);
}

// Returns what the worker found; what it saw of the echoes at its begin and end is beyond doubt "meanwhile".
Champion compute(uint64_t limit, uint64_t& echoes_meanwhile, double& seconds) {
  Champion champion;
  std::thread worker([&] {
    auto begin = std::chrono::steady_clock::now();
    uint64_t before = echoes;
    champion = longest_sequence_below(limit);
    echoes_meanwhile = echoes - before;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  });
  worker.join();
  return champion;
}

}  // namespace

int main(int count, char** arguments) {
  long limit = count > 1 ? atol(arguments[1]) : 5000000, pairs = count > 2 ? atol(arguments[2]) : 8;
  if (count > 3 || limit < 2 || pairs < 1) {
    fprintf(stderr, "usage: cpu-and-io [LIMIT [PAIRS]]\n");
    return 2;
  }
  std::vector<std::thread> threads;
  for (long i = 0; i < pairs; ++i) start_pair(threads, static_cast<uint64_t>(i) << 32);
  uint64_t meanwhile = 0;
  double seconds = 0;
  Champion champion = compute(static_cast<uint64_t>(limit), meanwhile, seconds);
  finished = true;
  for (std::thread& thread : threads) thread.join();
  printf("the longest sequence below %ld begins at %llu and has %llu numbers; found in %.2f s\n", limit,
         static_cast<unsigned long long>(champion.number), static_cast<unsigned long long>(champion.length), seconds);
  printf("%llu echoes meanwhile, %llu of them wrong\n", static_cast<unsigned long long>(meanwhile),
         static_cast<unsigned long long>(wrong.load()));
  return wrong == 0 ? 0 : 1;
}
