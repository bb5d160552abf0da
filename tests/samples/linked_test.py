#!/usr/bin/env python3
"""The echo server that is linked with the library has green threads from the first line of main, with no preload."""
import asyncio
import subprocess

import sample
from sample import traffic, unblocked

CLIENTS = 200
SIZE = 100000


class LinkedEchoServer(sample.SampleTest):
    async def client(self, index, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            data = traffic.body(index, SIZE)
            received = await traffic.exchange(reader, writer, data)
            await self.gate.pass_through()  # So all of them are there at once.
            return traffic.difference(received, data)
        finally:
            writer.close()

    async def run_clients(self, port):
        self.gate = traffic.Gate(CLIENTS)
        return await traffic.all_at_once(lambda index: self.client(index, port), CLIENTS)

    def test_its_threads_are_green(self):
        statistics = self.folder / "linked.statistics"
        echo = self.server("echo-server-linked", 0, natively=True, UNBLOCK_STATS=str(statistics))
        self.assertEqual(asyncio.run(self.run_clients(echo.port)), [])
        self.assertEqual(echo.end(), 0, echo.describe())
        found = unblocked.records(statistics).get(echo.pid, {})
        self.assertEqual(found.get("active"), 1, found or "no statistics")
        self.assertGreaterEqual(found["green_threads_peak"], CLIENTS)
        self.assertGreater(found["parks_descriptor"], 0)
        self.assertLessEqual(echo.watch.peak_threads, unblocked.processors() + unblocked.SPARE_THREADS)

    def test_the_library_is_all_that_linking_adds(self):
        needed = [subprocess.run(["readelf", "-d", sample.FOLDER / name], check=True, capture_output=True, text=True)
                  .stdout.count("NEEDED") for name in ("echo-server-linked", "echo-server")]
        dynamic = subprocess.run(["readelf", "-d", sample.FOLDER / "echo-server-linked"], check=True,
                                 capture_output=True, text=True).stdout
        self.assertIn("libunblock.so", dynamic)
        self.assertEqual(needed[0], needed[1] + 1)


if __name__ == "__main__":
    sample.main()
