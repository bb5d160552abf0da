#!/usr/bin/env python3
"""The echo server gives every client back what it sent, whatever the other clients do."""
import asyncio
import contextlib
import signal
import socket
import struct

import sample
from sample import traffic

CLIENTS = 300
SIZE = 256 * 1024


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=sample.unblocked.PATIENCE_SECONDS)


def receive_to_the_end(client):
    received = b""
    while data := client.recv(65536):
        received += data
    return received


class EchoServer(sample.SampleTest):
    def setUp(self):
        super().setUp()
        self.echo = self.server("echo-server", 0)

    async def client(self, index):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.echo.port)
        try:
            data = traffic.body(index, SIZE)
            return traffic.difference(await traffic.exchange(reader, writer, data), data)
        finally:
            writer.close()

    def assert_echoes(self, client, data):
        client.sendall(data)
        received = b""
        while len(received) < len(data):
            part = client.recv(65536)
            self.assertTrue(part, "the server hung up")
            received += part
        self.assertEqual(received, data)

    def end_server(self, by=signal.SIGTERM):
        self.assertEqual(self.echo.end(by), 0, self.echo.describe())

    def test_every_byte_comes_back_to_300_clients_at_once(self):
        with contextlib.ExitStack() as others:  # They wait all the while, so that many are there at once.
            waiting = [others.enter_context(connect(self.echo.port)) for _ in range(CLIENTS)]
            for client in waiting:
                self.assert_echoes(client, b"here")
            wrong = asyncio.run(traffic.all_at_once(self.client, CLIENTS))
            for client in waiting:
                self.assert_echoes(client, b"still here")
        self.assertEqual(wrong, [])
        self.end_server()
        self.assert_threads(self.echo, CLIENTS)
        self.assert_green(self.echo, CLIENTS)

    def test_a_client_that_has_said_all_gets_the_rest_and_the_end(self):
        data = traffic.body(1, 100000)
        with connect(self.echo.port) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            self.assertIsNone(traffic.difference(receive_to_the_end(client), data))
        self.end_server()

    def test_a_client_that_resets_the_connection_harms_nobody(self):
        for _ in range(50):
            client = connect(self.echo.port)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.send(bytes(60000))
            client.close()
        with connect(self.echo.port) as client:
            self.assert_echoes(client, b"alive")
        self.end_server()

    def test_a_client_that_does_not_read_keeps_nobody_waiting(self):
        with connect(self.echo.port) as lazy, connect(self.echo.port) as other:
            lazy.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    lazy.send(bytes(65536))
            for _ in range(100):
                self.assert_echoes(other, b"x" * 1000)
        self.end_server()

    def test_sigint_ends_it_while_clients_are_connected(self):
        with connect(self.echo.port) as client:
            self.assert_echoes(client, b"x")
            self.end_server(signal.SIGINT)
            self.assertEqual(receive_to_the_end(client), b"")

    def test_a_second_server_cannot_have_the_port(self):
        second = self.run_to_the_end("echo-server", self.echo.port)
        self.assertEqual(second.result, 1)
        self.assertIn("Address already in use", second.output())
        self.end_server()

    def test_the_port_is_free_again_at_once(self):
        with connect(self.echo.port) as client:
            self.assert_echoes(client, b"x")
            self.end_server()  # The server closes first, so the connection stays in TIME_WAIT on its side.
        second = self.server("echo-server", self.echo.port)
        self.assertEqual(second.end(), 0)

    def test_ports_that_are_none_are_refused(self):
        for port in "x", "-1", "65536", "7x":
            self.assert_refuses("echo-server", port)
        self.end_server()


if __name__ == "__main__":
    sample.main()
