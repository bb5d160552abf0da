// A number that a descriptor had before tells nothing of the descriptor that has it now. Some are closed out of sight, by
// system calls that a runtime makes itself; whoever is born with such a number blocks, as every fresh descriptor does.
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <vector>

#include "attempt.h"
#include "connection.h"
#include "old_names.h"

namespace {

// Nobody between the program and the kernel can see it.
void close_out_of_sight(int fd) {
  long result = SYS_close;
#if defined(__x86_64__)
  __asm__ volatile("syscall" : "+a"(result) : "D"(static_cast<long>(fd)) : "rcx", "r11", "memory");
#else
  result = syscall(SYS_close, fd);
#endif
  ASSERT_EQ(result, 0);
}

constexpr int numbers = 8;

// The lowest free numbers were sockets that do not block.
void leave_numbers_of_sockets() {
  std::vector<int> ends(numbers);
  for (int i = 0; i < numbers; i += 2) {
    checked(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &ends[i]), "socketpair");
  }
  for (int end : ends) close_out_of_sight(end);
}

template <typename Pipe>
Connection pipe_by(Pipe pipe) {
  leave_numbers_of_sockets();
  int ends[2];
  checked(pipe(ends), "pipe");
  return {ends[0], ends[1]};
}

Connection pair() {
  leave_numbers_of_sockets();
  return socket_pair(SOCK_STREAM);
}

template <typename Socket>
Connection datagrams_by(Socket socket) {
  leave_numbers_of_sockets();
  Descriptor near = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
  Address address = fresh_address(AF_INET);
  checked(bind(near, address.raw(), address.size), "bind");
  address = name_of_socket(near);
  Descriptor far = checked(::socket(AF_INET, SOCK_DGRAM, 0), "socket");
  checked(connect(far, address.raw(), address.size), "connect");
  return {std::move(near), std::move(far)};
}

// A copy of an end of a pipe that blocks.
template <typename Copy>
Connection copied_by(Copy copy) {
  Connection ends = pipe_connection();
  leave_numbers_of_sockets();
  return {checked(copy(ends.near), "copy"), std::move(ends.far)};
}

// The copy takes the number of a socket that is there.
template <typename Copy>
Connection copied_onto_a_socket_by(Copy copy) {
  Connection ends = pipe_connection();
  int sockets[2];
  checked(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), "socketpair");
  close(sockets[1]);
  return {checked(copy(ends.near, sockets[0]), "copy"), std::move(ends.far)};
}

// The number is free again when its socket was closed by any of the names for it.
template <typename Close>
Connection event_after(Close close_one) {
  int sockets[2];
  checked(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), "socketpair");
  close_one(sockets[0]);
  Descriptor event = checked(eventfd(0, 0), "eventfd");  // a birth that is none of a socket's or a pipe's
  EXPECT_EQ(event, sockets[0]);
  close(sockets[1]);
  Descriptor copy = checked(dup(event), "dup");
  return {std::move(event), std::move(copy)};
}

struct Birth {
  const char* name;
  Connection (*make)();
};

const Birth births[] = {
    {"pipe", [] { return pipe_by(pipe); }},
    {"pipe2", [] { return pipe_by([](int* ends) { return pipe2(ends, O_CLOEXEC); }); }},
    {"__pipe", [] { return pipe_by(__pipe); }},
    {"socketpair", pair},
    {"socket", [] { return datagrams_by(socket); }},
    {"__socket", [] { return datagrams_by(__socket); }},
    {"dup", [] { return copied_by(dup); }},
    {"fcntl", [] { return copied_by([](int fd) { return fcntl(fd, F_DUPFD, 0); }); }},
    {"fcntl64", [] { return copied_by([](int fd) { return fcntl64(fd, F_DUPFD, 0); }); }},
    {"__fcntl", [] { return copied_by([](int fd) { return __fcntl(fd, F_DUPFD_CLOEXEC, 0); }); }},
    {"__libc_fcntl64", [] { return copied_by([](int fd) { return __libc_fcntl64(fd, F_DUPFD, 0); }); }},
    {"dup2", [] { return copied_onto_a_socket_by(dup2); }},
    {"__dup2", [] { return copied_onto_a_socket_by(__dup2); }},
    {"dup3", [] { return copied_onto_a_socket_by([](int fd, int target) { return dup3(fd, target, O_CLOEXEC); }); }},
    {"close", [] { return event_after(close); }},
    {"__close", [] { return event_after(__close); }},
    {"close_range", [] { return event_after([](int fd) { return close_range(fd, fd, 0); }); }},
};

class EveryBirth : public testing::TestWithParam<Birth> {};
INSTANTIATE_TEST_SUITE_P(Descriptors, EveryBirth, testing::ValuesIn(births), [](auto& birth) {
  std::string name = birth.param.name;
  return name[0] == '_' ? "Old" + name.substr(2) : name;
});

TEST_P(EveryBirth, GivesADescriptorThatBlocks) {
  Connection ends = GetParam().make();
  char data[8];
  Background reader([&] { return attempt(read, ends.near, data, sizeof data); });
  EXPECT_EQ(attempt(write, ends.far, "12345678", 8), done(8));
  EXPECT_EQ(reader.answer(), done(8));
}

}  // namespace
