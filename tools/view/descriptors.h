#pragma once
// What stands behind the descriptors of a living process, and between which addresses its sockets run: from /proc,
// without touching the process.

#include <string>
#include <unordered_map>

namespace unblock::tools::view {

struct Endpoints {
  std::string kind;   // "tcp", "udp", "unix", "pipe", "file", …; empty: it cannot be told
  std::string local;  // address and port, the path of a file, the path or the number of a UNIX socket, a pipe's number
  std::string peer;   // empty: none, such as a listener's, or it cannot be told
};

class Descriptors {
 public:
  explicit Descriptors(int pid) : pid_(pid) {}

  // Remembered: what one number stands for is asked once.
  const Endpoints& of(int descriptor);

 private:
  void read_sockets();
  void read_internet(const char* name, const char* kind);
  void read_unix();
  Endpoints ask(int descriptor);

  int pid_;
  bool has_sockets_ = false;
  std::unordered_map<std::string, Endpoints> sockets_;  // by inode
  std::unordered_map<int, Endpoints> asked_;
};

}  // namespace unblock::tools::view
