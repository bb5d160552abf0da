#!/usr/bin/env python3
"""The fetching client reports each address of its list, in the list's order, with what the server really sent."""
import asyncio
import re
import socket

import sample
from sample import traffic, unblocked

ADDRESSES = 500
SCRIPT = 'exec "$0" < "$1"'


class Origin(traffic.EchoOrigin):
    """Answers `GET /KIND/SIZE` once as many have asked as the gate expects."""

    async def serve(self, reader, writer):
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            await self.gate.pass_through()
            _, kind, size = path.split("/")
            writer.write(self.answer(kind, int(size)))
            await writer.drain()
        finally:
            writer.close()

    @staticmethod
    def answer(kind, size):
        body = traffic.body(size, size)
        if kind == "nonsense":
            return body
        status = kind if kind.isdigit() else "200"
        announced = {"short": size + 1, "open": None}.get(kind, size)
        field = f"content-length:  {announced}\r\n" if announced is not None else ""
        return f"HTTP/1.1 {status} Whatever\r\nX-Other: 1\r\n{field}\r\n".encode() + body


class FetchList(sample.SampleTest):
    async def fetch(self, paths, clients=1, by_standard_input=False):
        """Runs the sample on these paths of an origin; returns the program and its lines without times and host."""
        async with Origin(traffic.Gate(clients)) as origin:
            host = f"http://127.0.0.1:{origin.port}"
            file = self.folder / "list"
            file.write_text("".join(f"{host}{path}\n" for path in paths))
            command = [sample.FOLDER / "fetch-list", file]
            program = self.start(["/bin/sh", "-c", SCRIPT, *command] if by_standard_input else command)
            program.result = await asyncio.to_thread(program.wait)
            lines = re.sub(r" [\d.]+ ms ", " ", program.output()).replace(host, "").splitlines()
            return program, lines

    def test_500_addresses_are_fetched_at_once_and_listed_in_order(self):
        paths = [f"/body/{index * 37}" for index in range(ADDRESSES)]
        program, lines = asyncio.run(self.fetch(paths, clients=ADDRESSES))
        self.assertEqual(lines[:-1], [f"200 {index * 37} bytes {path}" for index, path in enumerate(paths)])
        total = sum(index * 37 for index in range(ADDRESSES))
        self.assertRegex(lines[-1], rf"^fetched {ADDRESSES} of {ADDRESSES} addresses, {total} bytes, in [\d.]+ s$")
        self.assertEqual(program.result, 0)
        self.assert_threads(program, ADDRESSES)
        self.assert_green(program, ADDRESSES)

    def test_large_bodies_and_those_without_a_length_arrive_whole(self):
        program, lines = asyncio.run(self.fetch(["/body/5000000", "/open/3000000", "/open/0"]))
        self.assertEqual(lines[:-1], ["200 5000000 bytes /body/5000000", "200 3000000 bytes /open/3000000",
                                      "200 0 bytes /open/0"])
        self.assertEqual(program.result, 0)

    def test_what_goes_wrong_is_said_and_the_others_are_fetched(self):
        paths = ["/404/5", "/short/100", "/body/7", "/nonsense/50"]
        program, lines = asyncio.run(self.fetch(paths))
        self.assertEqual(lines[:-1], ["404 5 bytes /404/5", "failed /short/100 (the answer was cut short)",
                                      "200 7 bytes /body/7", "failed /nonsense/50 (no HTTP answer in time)"])
        self.assertIn("fetched 2 of 4 addresses, 12 bytes", lines[-1])
        self.assertEqual(program.result, 1)

    def test_the_list_may_come_from_standard_input(self):
        program, lines = asyncio.run(self.fetch(["/body/1", "/body/2"], by_standard_input=True))
        self.assertEqual(lines[:-1], ["200 1 bytes /body/1", "200 2 bytes /body/2"])
        self.assertEqual(program.result, 0)

    def test_nobody_there_and_no_address_are_said(self):
        with socket.socket() as closed:  # Bound, and so nobody else's; but it does not listen.
            closed.bind(("127.0.0.1", 0))
            nobody = f"http://localhost:{closed.getsockname()[1]}/"
            file = self.folder / "list"
            file.write_text(f"{nobody}\nftp://127.0.0.1/\n")
            program = self.run_to_the_end("fetch-list", file)
        self.assertEqual(program.output().splitlines()[:-1], [
            f"failed {nobody} (Connection refused)", "failed ftp://127.0.0.1/ (not an http:// address)"])
        self.assertEqual(program.result, 1)

    def test_a_list_that_is_not_there_is_an_error(self):
        program = self.run_to_the_end("fetch-list", self.folder / "no-such-file")
        self.assertEqual(program.result, 2)
        self.assertIn("cannot read", program.output())


if __name__ == "__main__":
    sample.main()
