#!/usr/bin/env python3
"""CPython's ThreadingHTTPServer has a thread for each connection, and all of them share the interpreter's lock. Five
hundred clients ask it at once for what a slow backend knows."""
import asyncio
import pathlib

import traffic
import unblocked

CLIENTS = 500
SIZE = 16 * 1024
SERVER = pathlib.Path(__file__).with_name("cpython_server.py")


class ThreadingHttpServer(unblocked.ProgramTest):
    async def client(self, index, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /%d/%d HTTP/1.0\r\n\r\n" % (index, SIZE))
            head, _, answer = (await reader.read(-1)).partition(b"\r\n\r\n")
            if b" 200 " not in head:
                return head
            return traffic.difference(answer, traffic.body(index, SIZE))
        finally:
            writer.close()

    async def run_server(self):
        """One server and its backend for several rounds of clients."""
        async with traffic.HttpOrigin(traffic.Gate(CLIENTS)) as backend:
            server = self.start(["/usr/bin/python3", SERVER, backend.port])
            await asyncio.to_thread(server.until_said, "\n")
            port = int(server.output().split()[2])
            wrong = []
            for _ in self.rounds(server):
                backend.gate = traffic.Gate(CLIENTS)
                wrong += await traffic.all_at_once(lambda index: self.client(index, port), CLIENTS)
            return server, wrong

    def test_every_answer_is_exact_for_500_requests_at_once(self):
        server, wrong = asyncio.run(self.run_server())
        self.assertEqual(wrong, [])
        self.assertEqual(server.end(), 0, server.output())
        self.assertIn("ended with 1 threads", server.output())
        self.assert_threads(server, CLIENTS)
        self.assert_green(server, CLIENTS)


if __name__ == "__main__":
    unblocked.main()
