#include "tools/view/descriptors.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include <cinttypes>
#include <fstream>
#include <sstream>
#include <vector>

#include "tools/view/unix_peers.h"

namespace unblock::tools::view {
namespace {

std::string proc_path(int pid, const std::string& rest) { return "/proc/" + std::to_string(pid) + "/" + rest; }

// "0100007F:1F90", words of the kernel's byte order, to "127.0.0.1:8080". Empty for port 0: no peer.
std::string address_of(const std::string& text) {
  size_t colon = text.find(':');
  if (colon != 8 && colon != 32) return "";
  unsigned long port = std::stoul(text.substr(colon + 1), nullptr, 16);
  if (port == 0) return "";
  uint32_t words[4] = {};
  for (size_t i = 0; i < colon / 8; ++i) words[i] = (uint32_t)std::stoul(text.substr(i * 8, 8), nullptr, 16);
  char buffer[INET6_ADDRSTRLEN] = "";
  bool is_mapped = colon == 32 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
  if (is_mapped) words[0] = words[3];
  bool is_4 = colon == 8 || is_mapped;
  inet_ntop(is_4 ? AF_INET : AF_INET6, words, buffer, sizeof buffer);
  return (is_4 ? std::string(buffer) : "[" + std::string(buffer) + "]") + ":" + std::to_string(port);
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace

// Columns: slot, local, remote, state, queues, timer, retransmissions, user, timeout, inode.
void Descriptors::read_internet(const char* name, const char* kind) {
  std::ifstream table(proc_path(pid_, std::string("net/") + name));
  std::string line;
  std::getline(table, line);  // the heading
  while (std::getline(table, line)) {
    std::vector<std::string> words = words_of(line);
    if (words.size() > 9) sockets_[words[9]] = {kind, address_of(words[1]), address_of(words[2])};
  }
}

// Columns: address, references, protocol, flags, type, state, inode, path. One without a path is known by its inode.
void Descriptors::read_unix() {
  std::ifstream table(proc_path(pid_, "net/unix"));
  std::string line;
  std::getline(table, line);
  std::unordered_map<std::string, std::string> names;
  while (std::getline(table, line)) {
    std::vector<std::string> words = words_of(line);
    if (words.size() > 6) names[words[6]] = words.size() > 7 ? words[7] : "[" + words[6] + "]";
  }
  std::unordered_map<std::string, std::string> peers = unix_peers(pid_);
  for (auto& [inode, name] : names) {
    auto peer = peers.find(inode);
    auto its_name = peer != peers.end() ? names.find(peer->second) : names.end();
    sockets_[inode] = {"unix", name, its_name != names.end() ? its_name->second : ""};
  }
}

void Descriptors::read_sockets() {
  has_sockets_ = true;
  read_internet("tcp", "tcp");
  read_internet("tcp6", "tcp");
  read_internet("udp", "udp");
  read_internet("udp6", "udp");
  read_unix();
}

Endpoints Descriptors::ask(int descriptor) {
  char target[4096];
  ssize_t size = readlink(proc_path(pid_, "fd/" + std::to_string(descriptor)).c_str(), target, sizeof target);
  if (size <= 0) return {};
  std::string link(target, size);
  if (link.starts_with("/")) return {"file", link, ""};
  size_t colon = link.find(':');
  std::string kind = link.substr(0, colon), number = link.substr(std::min(colon, link.size() - 1) + 1);
  if (kind != "socket") return {kind, number, ""};
  std::string inode = number.size() > 2 ? number.substr(1, number.size() - 2) : "";
  if (!has_sockets_) read_sockets();
  auto found = sockets_.find(inode);
  return found != sockets_.end() ? found->second : Endpoints{"socket", number, ""};
}

const Endpoints& Descriptors::of(int descriptor) {
  auto [found, is_new] = asked_.try_emplace(descriptor);
  if (is_new) found->second = ask(descriptor);
  return found->second;
}

}  // namespace unblock::tools::view
