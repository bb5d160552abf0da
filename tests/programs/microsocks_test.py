#!/usr/bin/env python3
"""microsocks has a small-stacked thread for each SOCKS5 client. Three hundred use it at once, a third of them by name,
so that names are resolved on those threads too."""
import asyncio
import signal
import socket
import struct

import traffic
import unblocked

CLIENTS = 300
SIZE = 64 * 1024


def request(index, port):
    """SOCKS5 CONNECT, by address or by name."""
    if index % 3 == 0:
        host = b"localhost"
        return struct.pack("!4BB", 5, 1, 0, 3, len(host)) + host + struct.pack("!H", port)
    return struct.pack("!4B", 5, 1, 0, 1) + socket.inet_aton("127.0.0.1") + struct.pack("!H", port)


class Microsocks(unblocked.ProgramTest):
    def setUp(self):
        super().setUp()
        self.port = unblocked.free_port()
        self.microsocks = self.start(["microsocks", "-i", "127.0.0.1", "-p", self.port])
        self.microsocks.until_listening(self.port)

    async def client(self, index, origin_port):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"\x05\x01\x00")
            if (choice := await reader.readexactly(2)) != b"\x05\x00":
                return f"method {choice}"
            writer.write(request(index, origin_port))
            if (answer := await reader.readexactly(10))[:2] != b"\x05\x00":
                return f"answer {answer}"
            data = traffic.body(index, SIZE)
            return traffic.difference(await traffic.exchange(reader, writer, data), data)
        finally:
            writer.close()

    async def run_clients(self):
        async with traffic.EchoOrigin(traffic.Gate(CLIENTS)) as origin:
            return await traffic.all_at_once(lambda index: self.client(index, origin.port), CLIENTS)

    def test_every_client_gets_its_own_bytes_back(self):
        for _ in self.rounds(self.microsocks):
            self.assertEqual(asyncio.run(self.run_clients()), [])
        self.assert_preloaded(self.microsocks)
        self.assertEqual(self.microsocks.end(), -signal.SIGTERM, "it has no handler for the signal")
        self.assert_threads(self.microsocks, CLIENTS)


if __name__ == "__main__":
    unblocked.main()
