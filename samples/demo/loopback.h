// What the demo's event loops share: non-blocking sockets on loopback, the clock, and a descriptor limit as high as it
// goes. All of it is cheap on purpose, so that what a demo or benchmark shows is the program under test.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

[[noreturn]] inline void fail(const char* what) {
  perror(what);
  exit(1);
}

inline uint64_t now_us() {
  using namespace std::chrono;
  return static_cast<uint64_t>(duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count());
}

inline void raise_descriptor_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit");
}

inline sockaddr_in loopback_address(uint32_t host, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(host);
  return address;
}

// A socket that listens on 127.0.0.1. Prints where, as every server here does.
inline int listen_on_loopback(uint16_t port) {
  sockaddr_in address = loopback_address(INADDR_LOOPBACK, port);
  socklen_t size = sizeof address;
  int on = 1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) fail("socket");
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) fail("setsockopt");
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0) fail("bind");
  if (listen(listener, 4096) != 0) fail("listen");
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

// A socket on its way to 127.0.0.1:port; writable when it is there. An address has some 28,000 ports to call from, so
// clients in great numbers call from many addresses: source 0 is 127.0.0.1, source 1 is 127.0.1.1, and so on to 65,535.
inline int start_connecting(uint16_t port, uint32_t source = 0) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) fail("socket");
  int on = 1;
  sockaddr_in from = loopback_address(INADDR_LOOPBACK + (source << 8), 0);
  // The port is chosen at connect, where the pair of addresses counts, and not at bind, where one address would.
  if (setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0) fail("setsockopt");
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0) fail("bind");
  sockaddr_in address = loopback_address(INADDR_LOOPBACK, port);
  int result = connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address);
  if (result != 0 && errno != EINPROGRESS) fail("connect");
  return descriptor;
}

// Why a connection did not come about, or 0.
inline int error_of(int descriptor) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) fail("getsockopt");
  return error;
}

inline void watch(int epoll, int operation, int descriptor, uint32_t events, uint64_t tag) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll, operation, descriptor, &event) != 0) fail("epoll_ctl");
}
