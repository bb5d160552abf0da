// The opening of a WebSocket connection: an HTTP request that asks for the upgrade, and the answer (RFC 6455, part 4).
#pragma once

#include "stream.h"

// Returns whether the stream speaks WebSocket from now on. If not, the client has been told why.
bool accept_websocket(Stream& stream);
