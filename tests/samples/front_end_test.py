#!/usr/bin/env python3
"""The front end answers 2,000 clients at once, each from a backend that takes its time, and every byte is right."""
import http.client
import os
import socket

import sample
from sample import unblocked

CLIENTS = 2000
REQUESTS = 5
SPARE_THREADS = 3  # Beside one for each processor.


class FrontEnd(sample.SampleTest):
    def setUp(self):
        super().setUp()
        self.backend = self.server("slow-backend", 0, 100, natively=True)
        self.front_end = self.server("front-end", 0, self.backend.port)

    def tearDown(self):
        self.assertEqual(self.front_end.end(), 0, self.front_end.describe())
        self.assertEqual(self.backend.end(), 0, self.backend.describe())

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.front_end.port, timeout=unblocked.PATIENCE_SECONDS)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, path, method="GET", body=None):
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def raw(self, text):
        """Everything that is answered to these bytes."""
        with socket.create_connection(("127.0.0.1", self.front_end.port), timeout=unblocked.PATIENCE_SECONDS) as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            received = b""
            while data := client.recv(65536):
                received += data
            return received

    def test_2000_clients_at_once_get_right_answers(self):
        found = sample.equipment("load-client", "--port", self.front_end.port, "--clients", CLIENTS,
                                 "--requests", REQUESTS, "--seconds", unblocked.PATIENCE_SECONDS)
        print(f"{self.id()} {unblocked.options.under}: {found}", flush=True)
        self.assertEqual((found.get("requests"), found.get("wrong"), found.get("missing")), (CLIENTS * REQUESTS, 0, 0))
        self.assertEqual(self.front_end.end(), 0, self.front_end.describe())
        self.assert_threads(self.front_end, CLIENTS)
        self.assert_green(self.front_end, CLIENTS)
        # More processors than CPUs: who waits for a CPU long enough gets help, and the general bar holds.
        if unblocked.under_unblock() and unblocked.processors() <= len(os.sched_getaffinity(0)):
            most = unblocked.processors() + SPARE_THREADS
            self.assertLessEqual(self.front_end.watch.peak_threads, most, self.front_end.watch.threads_at_peak)

    def test_an_answer_is_what_the_backend_says_and_a_checksum_of_it(self):
        # 42 * 2654435761 mod 1000003 cents; FNV-1a of "42 item 42 costs ...".
        said = f"item 42 costs {42 * 2654435761 % 1000003} cents\n"
        checksum = 14695981039346656037
        for byte in f"42 {said}".encode():
            checksum = (checksum ^ byte) * 1099511628211 % 2**64
        expected = f"{said}checksum {checksum:016x}\n".encode()
        self.assertEqual(self.ask(self.connect(), "/item/42"), (200, expected))

    def test_one_connection_carries_every_kind_of_answer(self):
        connection = self.connect()
        self.assertEqual(self.ask(connection, "/item/1")[0], 200)
        for path in "/", "/item/", "/item/1x", "/item/-1", "/item/1234567890123456789":
            self.assertEqual(self.ask(connection, path), (404, b"try /item/17\n"), path)
        self.assertEqual(self.ask(connection, "/item/1", "POST", b"x" * 5000), (405, b"GET only\n"))
        self.assertEqual(self.ask(connection, "/item/2", body=b"a body that means nothing")[0], 200)
        self.assertEqual(self.ask(connection, "/item/3")[0], 200)

    def test_requests_in_one_packet_are_answered_in_order(self):
        request = b"GET /item/%d HTTP/1.1\r\nHost: x\r\n\r\n"
        one_by_one = b"".join(self.raw(request % item) for item in range(5))
        self.assertEqual(one_by_one.count(b"200 OK"), 5)
        self.assertEqual(self.raw(b"".join(request % item for item in range(5))), one_by_one)

    def test_a_client_may_ask_for_the_end_of_the_connection(self):
        with socket.create_connection(("127.0.0.1", self.front_end.port), timeout=unblocked.PATIENCE_SECONDS) as client:
            client.sendall(b"GET /item/1 HTTP/1.1\r\nConnection: Close\r\n\r\nGET /item/2 HTTP/1.1\r\n\r\n")
            received = client.makefile("rb").read()
        self.assertEqual(received.count(b"200 OK"), 1)

    def test_nonsense_ends_the_connection(self):
        for nonsense in (b"x" * 10000, b"GET /item/1 HTTP/1.1\r\nno field\r\n\r\n",
                         b"GET /item/1 HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n"):
            self.assertEqual(self.raw(nonsense), b"")

    def test_a_backend_that_is_away_is_a_bad_gateway_until_it_is_back(self):
        connection = self.connect()
        self.assertEqual(self.ask(connection, "/item/1")[0], 200)
        self.assertEqual(self.backend.end(), 0)
        self.assertEqual(self.ask(connection, "/item/1"), (502, b"the backend does not answer\n"))
        self.backend = self.server("slow-backend", self.backend.port, 1, natively=True)
        self.assertEqual(self.ask(connection, "/item/1")[0], 200)

    def test_wrong_arguments_are_refused(self):
        for arguments in [], ["1"], ["x", "1"], ["1", "70000"], ["1", "2", "3"]:
            self.assert_refuses("front-end", *arguments)


if __name__ == "__main__":
    sample.main()
