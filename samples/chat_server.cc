// A chat over WebSocket (RFC 6455): what one client says, all clients hear. Two threads for each client.
//
//   chat-server [PORT]                    or: unblock chat-server [PORT]
//
// It prints `listening on 127.0.0.1:PORT`; port 0, the default, lets the system choose one. SIGTERM or SIGINT ends it.
// Then, in the console of a browser: s = new WebSocket("ws://127.0.0.1:PORT"); s.onmessage = m => console.log(m.data);
// s.send("hello").
//
// What to watch: join with a client that never reads, and let the others talk: they wait for it once, for a moment.
#include <sys/socket.h>

#include <cstdio>
#include <exception>
#include <thread>

#include "chat_room.h"
#include "listener.h"
#include "websocket.h"
#include "websocket_handshake.h"

namespace {

constexpr timeval patience_in_parting = {2, 0};

// Clients' threads outlive main, so the room does too.
Room& room = *new Room;

// Returns when the client has closed or is gone.
void converse(Member& member) {
  MessageReader reader(member.stream());
  while (std::optional<Message> message = reader.next()) {
    switch (message->opcode) {
      case Opcode::text: room.say_to_all(frame(Opcode::text, message->payload)); break;
      case Opcode::ping: member.say(frame(Opcode::pong, message->payload)); break;
      case Opcode::close: return member.say(frame(Opcode::close, message->payload));
      case Opcode::binary: throw WebSocketError(1003, "text only");
      default: break;
    }
  }
}

void converse_to_the_end(const std::shared_ptr<Member>& member) {
  room.enter(member);
  try {
    converse(*member);
  } catch (const WebSocketError& error) {
    member->say(close_frame(error));
  } catch (const std::exception& error) {
    fprintf(stderr, "chat-server: a client is given up: %s\n", error.what());
  }
  room.leave(member);
  member->finish();
}

// The server closes first. What the client still has under way is read to its end: closing on it would reset the
// connection, and the close frame could be lost.
void part(Stream& stream) {
  stream.set_patience(patience_in_parting);
  stream.receive_to_the_end(1 << 20);
}

void serve(int descriptor) {
  auto member = std::make_shared<Member>(descriptor);
  try {
    if (!accept_websocket(member->stream())) return;
    std::thread sender(&Member::send_queue, member);
    converse_to_the_end(member);
    sender.join();
    part(member->stream());
  } catch (const std::exception& error) {
    fprintf(stderr, "chat-server: a client is turned away: %s\n", error.what());
  }
}

}  // namespace

int main(int count, char** arguments) {
  constexpr const char* usage = "chat-server [PORT]";
  serve_each_in_a_thread(port_of(count == 1 ? "0" : count == 2 ? arguments[1] : "", usage), serve);
}
