#!/usr/bin/env python3
"""The chat server speaks WebSocket to the letter, and what one client says all clients hear."""
import concurrent.futures
import contextlib
import socket
import struct

import sample
from sample import unblocked
from websocket_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Client, frame

CLIENTS = 200


class ChatServer(sample.SampleTest):
    def setUp(self):
        super().setUp()
        self.chat = self.server("chat-server", 0)
        self.others = self.enterContext(contextlib.ExitStack())

    def tearDown(self):
        self.assertEqual(self.chat.end(), 0, self.chat.describe())

    def client(self, **fields):
        return self.others.enter_context(Client(self.chat.port, unblocked.PATIENCE_SECONDS, **fields))

    def member(self):
        """A client that takes part: it has heard itself, so whatever is said from now on reaches it."""
        member = self.client().open()
        member.send(PING, b"in?")
        self.assertEqual(member.receive(), (PONG, b"in?"))
        return member

    def assert_hears(self, member, text):
        opcode, payload = member.receive()
        self.assertEqual((opcode, len(payload)), (TEXT, len(text)))
        self.assertTrue(payload == text)

    def assert_closed(self, member, code):
        opcode, payload = member.receive() or (None, b"")
        self.assertEqual((opcode, payload[:2]), (CLOSE, struct.pack("!H", code)), payload)
        self.assertIsNone(member.receive())

    def test_all_clients_hear_everything_in_the_same_order(self):
        members = [self.member() for _ in range(CLIENTS)]
        for index, member in enumerate(members):
            member.send(TEXT, f"I am number {index}, dobrý den".encode())
        heard = [[member.receive() for _ in members] for member in members]
        self.assertEqual(sorted(heard[0]),
                         sorted((TEXT, f"I am number {index}, dobrý den".encode()) for index in range(CLIENTS)))
        for each in heard:
            self.assertEqual(each, heard[0])
        for member in members:
            self.assertEqual(member.close(), ((CLOSE, struct.pack("!H", 1000)), None))
        self.assertEqual(self.chat.end(), 0, self.chat.describe())
        self.assert_threads(self.chat, CLIENTS)
        self.assert_green(self.chat, CLIENTS)

    def test_every_form_of_length_arrives(self):
        speaker, listener = self.member(), self.member()
        for size in 0, 1, 125, 126, 127, 65535, 65536, 1 << 20:
            text = (b"0123456789abcdef" * (size // 16 + 1))[:size]
            speaker.send(TEXT, text)
            self.assert_hears(listener, text)
            self.assert_hears(speaker, text)

    def test_fragments_are_put_together_and_a_ping_may_come_between(self):
        speaker, listener = self.member(), self.member()
        euro = "€".encode()
        speaker.send(TEXT, b"a" + euro[:1], final=False)
        speaker.send(PING, b"between")
        self.assertEqual(speaker.receive(), (PONG, b"between"))
        speaker.send(CONTINUATION, b"", final=False)
        speaker.send(CONTINUATION, euro[1:2], final=False)
        speaker.send(CONTINUATION, euro[2:] + b"z")
        self.assert_hears(listener, "a€z".encode())

    def test_frames_that_arrive_byte_by_byte_or_all_together_are_the_same(self):
        speaker, listener = self.member(), self.member()
        speaker.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(TEXT, b"slowly"):
            speaker.socket.sendall(bytes([byte]))
        speaker.socket.sendall(b"".join(frame(TEXT, b"%d" % index) for index in range(100)))
        self.assert_hears(listener, b"slowly")
        for index in range(100):
            self.assert_hears(listener, b"%d" % index)

    def test_a_pong_and_an_empty_ping_are_nothing_special(self):
        member = self.member()
        member.send(PONG, b"nobody asked")
        member.send(PING, b"")
        self.assertEqual(member.receive(), (PONG, b""))

    def test_the_closing_handshake_gives_code_and_reason_back(self):
        payload = struct.pack("!H", 4321) + "adiós".encode()
        self.assertEqual(self.member().close(4321, "adiós".encode()), ((CLOSE, payload), None))
        empty = self.member()
        empty.send(CLOSE, b"")
        self.assertEqual((empty.receive(), empty.receive()), ((CLOSE, b""), None))

    def test_what_breaks_the_protocol_closes_with_the_code_for_it(self):
        for code, wrong in [
                (1002, frame(TEXT, b"x", mask=None)), (1002, frame(TEXT, b"x", reserved=4)), (1002, frame(3, b"x")),
                (1002, frame(11, b"")), (1002, frame(PING, b"x" * 126)), (1002, frame(PING, b"", final=False)),
                (1002, frame(CONTINUATION, b"x")), (1002, frame(TEXT, b"x", final=False) + frame(TEXT, b"y")),
                (1002, frame(CLOSE, b"x")), (1002, frame(CLOSE, struct.pack("!H", 1005))),
                (1002, frame(CLOSE, struct.pack("!H", 999))), (1002, frame(CLOSE, struct.pack("!H", 5000))),
                (1003, frame(BINARY, b"x")), (1007, frame(TEXT, b"\xc0\xaf")), (1007, frame(TEXT, b"\xed\xa0\x80")),
                (1007, frame(TEXT, b"\xf4\x90\x80\x80")), (1007, frame(TEXT, "€".encode()[:2])),
                (1007, frame(CLOSE, struct.pack("!H", 1000) + b"\xff")), (1009, frame(TEXT, bytes((1 << 20) + 1))),
                (1009, frame(TEXT, bytes(1 << 20), final=False) + frame(CONTINUATION, b"x")),
                (1009, b"\x81\xff" + b"\x7f" * 8 + b"mask")]:
            with self.subTest(code=code, wrong=wrong[:16]):
                member = self.member()
                member.socket.sendall(wrong)
                self.assert_closed(member, code)

    def test_requests_that_ask_for_something_else_are_told_so(self):
        for fields in ({"Upgrade": None}, {"Upgrade": "h2c"}, {"Connection": "close"}, {"Sec_WebSocket_Key": "short"},
                       {"Sec_WebSocket_Key": None}, {"Host": None}):
            with self.subTest(fields=fields):
                self.assertEqual(self.client(**fields).ask()[0], "HTTP/1.1 400 Bad Request")
        status, answered = self.client(Sec_WebSocket_Version="8").ask()
        self.assertEqual((status, answered["Sec-WebSocket-Version"]), ("HTTP/1.1 426 Upgrade Required", "13"))
        self.assertEqual(self.client(Upgrade="h2c, WebSocket", Connection="UPGRADE").ask()[0],
                         "HTTP/1.1 101 Switching Protocols")

    def test_a_client_that_never_reads_is_dropped_and_the_others_go_on(self):
        lazy, speaker, listener = self.member(), self.member(), self.member()
        text = b"x" * 65536
        messages = 400  # Far beyond what the lazy one's buffers and queue hold together.
        def hear_all(member):
            return [member.receive() == (TEXT, text) for _ in range(messages)]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            hearing = [pool.submit(hear_all, member) for member in (speaker, listener)]
            for _ in range(messages):
                speaker.send(TEXT, text)
            for heard in hearing:
                self.assertTrue(all(heard.result()))
        with contextlib.suppress(ConnectionError):
            received = 0
            while more := lazy.stream.read1(1 << 20):
                received += len(more)
            self.assertLess(received, messages * len(text), "nothing was dropped")

    def test_clients_that_vanish_are_forgotten(self):
        for _ in range(50):
            vanishing = self.member()
            vanishing.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            vanishing.__exit__()
        member = self.member()
        member.send(TEXT, b"alone?")
        self.assert_hears(member, b"alone?")


if __name__ == "__main__":
    sample.main()
