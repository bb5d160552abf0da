// SHA-1 (RFC 3174). Good for WebSocket's handshake, which asks for it; nothing secret may rest on it any more.
#pragma once

#include <string>
#include <string_view>

// The twenty bytes of the digest.
std::string sha1(std::string_view message);
