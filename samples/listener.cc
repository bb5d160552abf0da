#include "listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <thread>

namespace {

int listener;
volatile sig_atomic_t stopping;

[[noreturn]] void fail(const char* what) {
  perror(what);
  exit(1);
}

// Makes accept() fail from now on, whichever thread the signal lands in.
void stop(int) {
  int saved = errno;
  stopping = 1;
  shutdown(listener, SHUT_RDWR);
  errno = saved;
}

void stop_on_signals() {
  struct sigaction action = {};
  action.sa_handler = stop;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGTERM, &action, nullptr) != 0 || sigaction(SIGINT, &action, nullptr) != 0) fail("sigaction");
}

void listen_on(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int on = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) fail("socket");
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) fail("setsockopt");
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0) fail("bind");
  if (listen(listener, 4096) != 0) fail("listen");
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
  stop_on_signals();
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
}

void start_thread(const std::function<void(int)>& serve, int descriptor) {
  try {
    std::thread(serve, descriptor).detach();
  } catch (const std::system_error& error) {
    fprintf(stderr, "no thread for a client: %s\n", error.what());
    close(descriptor);
  }
}

}  // namespace

void serve_each_in_a_thread(uint16_t port, const std::function<void(int)>& serve) {
  listen_on(port);
  while (!stopping) {
    int descriptor = accept(listener, nullptr, nullptr);
    if (descriptor >= 0) {
      start_thread(serve, descriptor);
    } else if (errno == EMFILE || errno == ENFILE) {
      usleep(10000);  // Until a client leaves, no descriptor is to be had.
    } else if (errno != EINTR && errno != ECONNABORTED && !stopping) {
      fail("accept");
    }
  }
}

uint16_t port_of(const char* argument, const char* usage) {
  char* end;
  long port = strtol(argument, &end, 10);
  if (end == argument || *end != '\0' || port < 0 || port > 65535) {
    fprintf(stderr, "usage: %s\n", usage);
    exit(2);
  }
  return static_cast<uint16_t>(port);
}
