// A name server of the test's own, on loopback, whose answers come when the test says so. A thread asks it after
// ask_here(): libc keeps the addresses of name servers for each thread, and takes what the program puts there.
#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "connection.h"

class NameServer {
 public:
  NameServer() : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    socklen_t size = sizeof address_;
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address_), size), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address_), &size), 0);
  }

  // The calling thread's questions come here, each once, without a search list, and are waited for patiently.
  void ask_here() const {
    res_init();
    _res.nscount = 1;
    _res.nsaddr_list[0] = address_;
    _res.retrans = 25;
    _res.retry = 1;
    _res.options &= ~(RES_DNSRCH | RES_DEFNAMES | RES_USE_EDNS0);
  }

  // Waits until so many questions more have come.
  void receive(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      Question question;
      socklen_t size = sizeof question.from;
      question.size = recvfrom(socket_, question.bytes, sizeof question.bytes, 0,
                               reinterpret_cast<sockaddr*>(&question.from), &size);
      ASSERT_GT(question.size, 12);
      questions_.push_back(question);
    }
  }

  // Answers all that have come: an address is 10.1.2.3 at a question for one, `host.test` is a name.
  void answer() {
    for (Question& question : questions_) answer(question);
    questions_.clear();
  }

 private:
  struct Question {
    unsigned char bytes[512];
    ssize_t size;
    sockaddr_in from;
  };

  void answer(Question& question) {
    constexpr int pointer = 12;
    int type = question.bytes[question.size - 3];
    std::string data = type == pointer ? std::string("\4host\4test\0", 11) : std::string("\12\1\2\3", 4);
    std::string text(reinterpret_cast<char*>(question.bytes), question.size);
    text[2] |= char(0x80);  // an answer
    text[3] = char(0x80);   // without an error
    text[7] = 1;            // one record
    text += std::string("\xc0\x0c\0", 3) + char(type) + std::string("\0\1\0\0\0\x3c\0", 7) + char(data.size()) + data;
    EXPECT_EQ(
        sendto(socket_, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&question.from), sizeof question.from),
        ssize_t(text.size()));
  }

  Descriptor socket_;
  sockaddr_in address_ = {};
  std::vector<Question> questions_;
};

// What getaddrinfo says of a name, as text.
inline std::string address_of(const std::string& name) {
  addrinfo hints = {}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  int error = getaddrinfo(name.c_str(), "80", &hints, &found);
  if (error != 0) return gai_strerror(error);
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(found->ai_addr)->sin_addr, text, sizeof text);
  freeaddrinfo(found);
  return text;
}
