#!/usr/bin/env python3
"""tinyproxy has a thread for each connection. Three hundred clients use it at once, by request and by tunnel."""
import asyncio

import traffic
import unblocked

CLIENTS = 300
SIZE = 64 * 1024

CONFIGURATION = """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 120
MaxClients {clients}
LogLevel Warning
"""


class Tinyproxy(unblocked.ProgramTest):
    def setUp(self):
        super().setUp()
        self.port = unblocked.free_port()
        configuration = self.folder / "tinyproxy.conf"
        configuration.write_text(CONFIGURATION.format(port=self.port, clients=2 * CLIENTS))
        self.tinyproxy = self.start(["tinyproxy", "-d", "-c", configuration])
        self.tinyproxy.until_listening(self.port)

    def end_and_check(self):
        self.assertEqual(self.tinyproxy.end(), 0, self.tinyproxy.output())
        self.assert_threads(self.tinyproxy, CLIENTS)
        self.assert_green(self.tinyproxy, CLIENTS)

    async def ask(self, head, data, expected):
        """One client: sends a request through the proxy; says what is wrong with the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head.encode() + data)
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in answer.splitlines()[0]:
                return answer.splitlines()[0]
            return traffic.difference(await reader.read(-1), expected)
        finally:
            writer.close()

    async def run_requests(self):
        async with traffic.HttpOrigin(traffic.Gate(CLIENTS)) as origin:
            address = f"127.0.0.1:{origin.port}"

            async def client(index):
                data = traffic.body(index, SIZE)
                if index % 3 == 0:
                    return await self.ask(f"POST http://{address}/ HTTP/1.0\r\nHost: {address}\r\n"
                                          f"Content-Length: {SIZE}\r\n\r\n", data, data)
                return await self.ask(f"GET http://{address}/{index}/{SIZE} HTTP/1.0\r\nHost: {address}\r\n\r\n",
                                      b"", data)
            return await traffic.all_at_once(client, CLIENTS)

    async def run_tunnels(self):
        async with traffic.EchoOrigin(traffic.Gate(CLIENTS)) as origin:
            async def client(index):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.0\r\n\r\n" % origin.port)
                    answer = await reader.readuntil(b"\r\n\r\n")
                    if b" 200 " not in answer.splitlines()[0]:
                        return answer
                    data = traffic.body(index, SIZE)
                    return traffic.difference(await traffic.exchange(reader, writer, data), data)
                finally:
                    writer.close()
            return await traffic.all_at_once(client, CLIENTS)

    def test_every_requested_body_is_exact(self):
        for _ in self.rounds(self.tinyproxy):
            self.assertEqual(asyncio.run(self.run_requests()), [])
        self.end_and_check()

    def test_every_tunnel_carries_exact_bytes_both_ways(self):
        for _ in self.rounds(self.tinyproxy):
            self.assertEqual(asyncio.run(self.run_tunnels()), [])
        self.end_and_check()


if __name__ == "__main__":
    unblocked.main()
