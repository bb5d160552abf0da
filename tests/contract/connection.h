#pragma once
// Descriptors that close themselves, and the ways two of them can be connected. A failed call ends the test program.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <utility>

inline int checked(int result, const char* what) {
  if (result >= 0) return result;
  perror(what);
  abort();
}

class Descriptor {
 public:
  Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { reset(); }
  operator int() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  void reset() {
    if (number_ >= 0) close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

// What one end sends, the other receives. On a pipe only `far` sends.
struct Connection {
  Descriptor near;
  Descriptor far;
};

enum class Kind { tcp, tcp6, unix_named, unix_pair, seqpacket, udp, udp6, unix_datagram, pipe };

inline const char* name_of(Kind kind) {
  static const char* const names[] = {"Tcp", "Tcp6", "UnixNamed",    "UnixPair", "Seqpacket",
                                      "Udp", "Udp6", "UnixDatagram", "Pipe"};
  return names[static_cast<int>(kind)];
}

// A socket address of any family.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
};

inline Address name_of_socket(int fd) {
  Address address;
  checked(getsockname(fd, address.raw(), &address.size), "getsockname");
  return address;
}

// Loopback with a port that the kernel chooses, or a fresh abstract name.
inline Address fresh_address(int family) {
  Address address;
  address.storage.ss_family = family;
  if (family == AF_UNIX) {
    static std::atomic<int> count;
    auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
    int length = snprintf(local->sun_path + 1, sizeof local->sun_path - 1, "unblock-test-%d-%d", getpid(), count++);
    address.size = offsetof(sockaddr_un, sun_path) + 1 + length;
  } else if (family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_addr = in6addr_loopback;
    address.size = sizeof(sockaddr_in6);
  } else {
    reinterpret_cast<sockaddr_in*>(&address.storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.size = sizeof(sockaddr_in);
  }
  return address;
}

inline Descriptor bound_socket(int family, int type) {
  Descriptor fd = checked(socket(family, type, 0), "socket");
  Address address = fresh_address(family);
  checked(bind(fd, address.raw(), address.size), "bind");
  return fd;
}

inline Descriptor listener(int family = AF_INET, int backlog = 128, int type = SOCK_STREAM) {
  Descriptor fd = bound_socket(family, type);
  checked(listen(fd, backlog), "listen");
  return fd;
}

inline Descriptor connected_to(int listening, int type = SOCK_STREAM) {
  Address address = name_of_socket(listening);
  Descriptor fd = checked(socket(address.storage.ss_family, type, 0), "socket");
  checked(connect(fd, address.raw(), address.size), "connect");
  return fd;
}

inline Connection stream_connection(int family) {
  Descriptor listening = listener(family);
  Descriptor near = connected_to(listening);
  return {std::move(near), checked(accept(listening, nullptr, nullptr), "accept")};
}

inline Connection datagram_connection(int family) {
  Descriptor near = bound_socket(family, SOCK_DGRAM);
  Descriptor far = bound_socket(family, SOCK_DGRAM);
  Address near_name = name_of_socket(near);
  Address far_name = name_of_socket(far);
  checked(connect(near, far_name.raw(), far_name.size), "connect");
  checked(connect(far, near_name.raw(), near_name.size), "connect");
  return {std::move(near), std::move(far)};
}

inline Connection socket_pair(int type) {
  int ends[2];
  checked(socketpair(AF_UNIX, type, 0, ends), "socketpair");
  return {ends[0], ends[1]};
}

inline Connection pipe_connection(int flags = 0) {
  int ends[2];
  checked(pipe2(ends, flags), "pipe2");
  return {ends[0], ends[1]};
}

inline Connection connection(Kind kind) {
  switch (kind) {
    case Kind::tcp: return stream_connection(AF_INET);
    case Kind::tcp6: return stream_connection(AF_INET6);
    case Kind::unix_named: return stream_connection(AF_UNIX);
    case Kind::unix_pair: return socket_pair(SOCK_STREAM);
    case Kind::seqpacket: return socket_pair(SOCK_SEQPACKET);
    case Kind::udp: return datagram_connection(AF_INET);
    case Kind::udp6: return datagram_connection(AF_INET6);
    case Kind::unix_datagram: return socket_pair(SOCK_DGRAM);
    case Kind::pipe: return pipe_connection();
  }
  abort();
}

template <typename Value>
void set_option(int fd, int level, int option, Value value) {
  checked(setsockopt(fd, level, option, &value, sizeof value), "setsockopt");
}

// Sends all of `data`, or ends the program.
inline void send_text(int fd, const std::string& text) {
  if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) checked(-1, "write");
}

// What one read returns, as text.
inline std::string read_text(int fd, size_t most = 4096) {
  std::string text(most, '\0');
  text.resize(checked(read(fd, text.data(), most), "read"));
  return text;
}

// Reads until `size` bytes are there or the stream ends.
inline std::string read_all(int fd, size_t size = SIZE_MAX) {
  std::string text;
  while (text.size() < size) {
    std::string piece = read_text(fd, std::min<size_t>(size - text.size(), 65536));
    if (piece.empty()) break;
    text += piece;
  }
  return text;
}

// Bytes that betray a lost, doubled or misplaced piece.
inline std::string pattern(size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 2654435761u >> 11) + seed);
  return bytes;
}
