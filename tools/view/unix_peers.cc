#include "tools/view/unix_peers.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

namespace unblock::tools::view {
namespace {

bool shares_network(int pid) {
  struct stat own, its;
  std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
  return stat("/proc/self/ns/net", &own) == 0 && stat(path.c_str(), &its) == 0 && own.st_ino == its.st_ino;
}

// Asks for all UNIX sockets; false: the kernel does not know the question.
bool ask(int socket) {
  struct {
    nlmsghdr header;
    unix_diag_req request;
  } question = {};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.request.sdiag_family = AF_UNIX;
  question.request.udiag_states = ~0u;
  question.request.udiag_show = UDIAG_SHOW_PEER;
  return send(socket, &question, sizeof question, 0) == sizeof question;
}

void add(const nlmsghdr* message, std::unordered_map<std::string, std::string>& peers) {
  auto* answer = static_cast<const unix_diag_msg*>(NLMSG_DATA(message));
  auto* attribute = reinterpret_cast<const rtattr*>(answer + 1);
  unsigned left = message->nlmsg_len - NLMSG_LENGTH(sizeof *answer);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != UNIX_DIAG_PEER) continue;
    uint32_t peer;
    memcpy(&peer, RTA_DATA(attribute), sizeof peer);
    if (peer != 0) peers[std::to_string(answer->udiag_ino)] = std::to_string(peer);
  }
}

// False: that was the last one.
bool read_answers(int socket, std::vector<char>& buffer, std::unordered_map<std::string, std::string>& peers) {
  ssize_t size = recv(socket, buffer.data(), buffer.size(), 0);
  if (size <= 0) return false;
  unsigned left = (unsigned)size;
  for (auto* each = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(each, left); each = NLMSG_NEXT(each, left)) {
    if (each->nlmsg_type != SOCK_DIAG_BY_FAMILY) return false;  // the end, or an error
    add(each, peers);
  }
  return true;
}

}  // namespace

std::unordered_map<std::string, std::string> unix_peers(int pid) {
  std::unordered_map<std::string, std::string> peers;
  int socket = shares_network(pid) ? ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG) : -1;
  if (socket < 0) return peers;
  timeval patience = {1, 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::vector<char> buffer(64 << 10);
  for (bool more = ask(socket); more;) more = read_answers(socket, buffer, peers);
  close(socket);
  return peers;
}

}  // namespace unblock::tools::view
