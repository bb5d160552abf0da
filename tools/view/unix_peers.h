#pragma once
// Which UNIX sockets are connected with which. /proc does not tell; the kernel's socket diagnostics (sock_diag(7)) do, for
// the network namespace of who asks.

#include <string>
#include <unordered_map>

namespace unblock::tools::view {

// The inode of the peer of each connected UNIX socket, by the inode of the socket; both as /proc writes them. Empty where
// the kernel does not tell, or where process `pid` is in another network namespace.
std::unordered_map<std::string, std::string> unix_peers(int pid);

}  // namespace unblock::tools::view
