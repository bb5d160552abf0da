#!/usr/bin/env python3
"""A C++ server with a thread for each client runs beside other owners of malloc: jemalloc and tcmalloc preloaded with
the library, in either order, and AddressSanitizer built in."""
import asyncio
import os
import pathlib

import traffic
import unblocked

CLIENTS = 100
LINES = 20
BUILT = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"]) / "tests/programs"
LIBRARIES = pathlib.Path("/usr/lib/x86_64-linux-gnu")


class Allocators(unblocked.ProgramTest):
    async def client(self, index, port):
        """All have had an answer, each from a thread of its own, before one goes on; returns the answer that was wrong."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for line in range(LINES):
            if line == 1:
                await self.gate.pass_through()
            words = [f"w{(index * 31 + line * 7 + i * 13) % 97}" for i in range(50)]
            writer.write((" ".join(words) + "\n").encode())
            answer = (await reader.readline()).decode()
            if answer != " ".join(sorted(words)) + "\n":
                return answer
        writer.close()
        return None

    async def all_clients(self, port):
        self.gate = traffic.Gate(CLIENTS)
        return await traffic.all_at_once(lambda index: self.client(index, port), CLIENTS)

    def serve(self, name, mapped, *preloaded):
        extra = {"LD_PRELOAD": ":".join(str(each) for each in preloaded)} if preloaded else {}
        server = self.start([BUILT / name, CLIENTS], **extra)
        server.until_said("\n")
        self.assertIn(mapped, pathlib.Path(f"/proc/{server.pid}/maps").read_text())
        port = int(server.output().split()[2])
        self.assertEqual(asyncio.run(self.all_clients(port)), [])
        self.assertEqual(server.wait(), 0, server.describe())
        self.assertEqual(server.output().splitlines()[1:], ["ended"])
        self.assert_threads(server, CLIENTS)
        self.assert_green(server, CLIENTS)

    def serve_beside(self, allocator):
        library = [unblocked.library()] if unblocked.under_unblock() else []
        self.serve("line_server", allocator, *library, LIBRARIES / allocator)
        self.serve("line_server", allocator, LIBRARIES / allocator, *library)

    def test_jemalloc(self):
        self.serve_beside("libjemalloc.so.2")

    def test_tcmalloc(self):
        self.serve_beside("libtcmalloc_minimal.so.4")

    def test_asan(self):
        self.serve("line_server_asan", "line_server_asan")


if __name__ == "__main__":
    unblocked.main()
