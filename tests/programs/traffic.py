"""The two ends of the traffic that a program under test carries: many clients at once, and an origin that holds every
answer back until all of them have asked. So the program has as many clients at the same time as the test says, and no
clock decides whether it had."""
import asyncio
import random

TIME_LIMIT_SECONDS = 60


def body(index, size):
    """The bytes of client `index`: different for each, the same each time."""
    return random.Random(index).randbytes(size)


class Gate:
    """Opens when so many have arrived, and stays open."""

    def __init__(self, expected):
        self.missing = expected
        self.opened = asyncio.Event()

    async def pass_through(self):
        self.missing -= 1
        if self.missing <= 0:
            self.complete()
        await self.opened.wait()

    def complete(self):
        self.open()

    def open(self):
        self.opened.set()


class HeldGate(Gate):
    """Says when so many have arrived, and opens when it is told to."""

    def __init__(self, expected):
        super().__init__(expected)
        self.all_here = asyncio.Event()

    def complete(self):
        self.all_here.set()


class EchoOrigin:
    """Sends back what it receives, once the gate has opened."""

    def __init__(self, gate):
        self.gate = gate

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        try:
            data = await reader.read(1 << 16)
            if data:
                await self.gate.pass_through()
            while data:
                writer.write(data)
                await writer.drain()
                data = await reader.read(1 << 16)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()


class HttpOrigin(EchoOrigin):
    """Answers `GET /INDEX/SIZE` with that body, and a request with a body with the same body."""

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            answer = await self.answer(head, reader)
            await self.gate.pass_through()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(answer))
            writer.write(answer)
            await writer.drain()
        finally:
            writer.close()

    async def answer(self, head, reader):
        for line in head.splitlines():
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                return await reader.readexactly(int(value))
        index, size = head.split()[1].strip("/").split("/")[-2:]
        return body(int(index), int(size))


async def exchange(reader, writer, data):
    """Sends data and reads as much while it still sends; returns what came."""
    async def send():
        writer.write(data)
        await writer.drain()
    _, received = await asyncio.gather(send(), reader.readexactly(len(data)))
    return received


def difference(received, expected):
    """Says where two bodies differ, or nothing: a failure should not print a megabyte."""
    if received == expected:
        return None
    at = next((i for i, (a, b) in enumerate(zip(received, expected)) if a != b), min(len(received), len(expected)))
    return f"{len(received)} bytes of {len(expected)}, first difference at {at}"


async def all_at_once(client, count):
    """Runs client(index) for each index together; returns one line for each that went wrong."""
    async def guarded(index):
        try:
            return await client(index)
        except Exception as error:  # a client's failure is a finding like a wrong body, and the others go on
            return repr(error)

    results = await asyncio.wait_for(asyncio.gather(*map(guarded, range(count))), TIME_LIMIT_SECONDS)
    return [f"client {index}: {result}" for index, result in enumerate(results) if result is not None]
