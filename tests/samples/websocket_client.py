"""A WebSocket client for tests (RFC 6455). It sends whatever it is told to, right or wrong, and shows what comes back
frame by frame, so that a test can ask for every byte."""
import base64
import hashlib
import os
import socket
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PROTOCOL_ID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload, final=True, mask=b"\x12\x34\x56\x78", reserved=0):
    """The bytes of a frame; without a mask when it is None."""
    size = len(payload)
    first = opcode | reserved << 4 | (0x80 if final else 0)
    masked = 0 if mask is None else 0x80
    if size < 126:
        head = struct.pack("!BB", first, masked | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    if mask is None:
        return head + payload
    stretched = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")


class Client:
    def __init__(self, port, patience, **fields):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.key = base64.b64encode(os.urandom(16))
        self.stream = self.socket.makefile("rb")
        self.fields = {"Host": "chat", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
                       "Sec-WebSocket-Key": self.key.decode(), "Sec-WebSocket-Version": "13"}
        self.fields.update({name.replace("_", "-"): value for name, value in fields.items()})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def ask(self):
        """Asks for the upgrade; returns the status line of the answer and its fields."""
        fields = [f"{name}: {value}" for name, value in self.fields.items() if value is not None]
        self.socket.sendall("\r\n".join(["GET /chat HTTP/1.1", *fields, "", ""]).encode())
        status = self.stream.readline().decode().rstrip()
        answered = {}
        while line := self.stream.readline().decode().rstrip():
            name, _, value = line.partition(": ")
            answered[name] = value
        return status, answered

    def proof(self):
        return base64.b64encode(hashlib.sha1(self.key + PROTOCOL_ID).digest()).decode()

    def open(self):
        status, fields = self.ask()
        assert status == "HTTP/1.1 101 Switching Protocols", status
        assert fields["Sec-WebSocket-Accept"] == self.proof(), fields
        return self

    def send(self, *arguments, **how):
        self.socket.sendall(frame(*arguments, **how))

    def receive(self):
        """The next frame: opcode and payload. A server's frames are final and bear no mask. None at the end."""
        head = self.stream.read(2)
        if len(head) < 2:
            return None
        first, size = head
        assert first & 0xf0 == 0x80 and size < 128, head
        if size >= 126:
            wide = self.stream.read(2 if size == 126 else 8)
            size = int.from_bytes(wide, "big")
            assert size >= (126 if len(wide) == 2 else 65536), "not the shortest form"
        return first & 0x0f, self.stream.read(size)

    def close(self, code=1000, reason=b""):
        """The closing handshake; returns what the server answers and what follows it."""
        self.send(CLOSE, struct.pack("!H", code) + reason)
        return self.receive(), self.receive()
