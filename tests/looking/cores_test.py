#!/usr/bin/env python3
"""Cores of real servers: the echo sample and CPython's ThreadingHTTPServer, every stack and main's."""
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from looked_at import BUILD, COMMAND, PATIENCE, SOURCE, allow_cores, core_of, environment, unblock

CLIENTS = 7
ECHO_SERVER = BUILD / "samples/echo-server"
PYTHON_SERVER = SOURCE / "tests/programs/cpython_server.py"


class Cores(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="unblock-core-")
        self.addCleanup(self.folder.cleanup)
        self.server = None

    def start(self, *words):
        """The server's port."""
        self.server = subprocess.Popen([COMMAND, "--", *map(str, words)], stdout=subprocess.PIPE, text=True,
                                       cwd=self.folder.name, env=environment(), preexec_fn=allow_cores)
        self.addCleanup(self.discard)
        return int(re.search(r"(\d+)$", self.server.stdout.readline())[1])

    def discard(self):
        if self.server.poll() is None:
            self.server.kill()
        self.server.communicate()

    def connect(self, port):
        client = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.addCleanup(client.close)
        return client

    def until_waiting(self, count):
        """Until so many threads wait for a descriptor: they do so soon, since nothing else is to be done."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            result = unblock("ps", self.server.pid, "--json", "--filter", "state=waiting")
            if result.returncode == 0 and len(json.loads(result.stdout)) == count:
                return
        self.fail(result.stdout + result.stderr)

    def looked_at(self):
        """What ps and stack say of the core: rows by id, and stacks by id."""
        core = core_of(self.server, self.folder.name)
        listed, stacks = unblock("ps", "--core", core, "--json"), unblock("stack", "--core", core, "--full")
        self.assertEqual((listed.returncode, listed.stderr), (0, ""))
        self.assertEqual((stacks.returncode, stacks.stderr), (0, ""))
        parts = re.split(r"^Green thread (\d+)\b", stacks.stdout, flags=re.MULTILINE)
        rows = {row["id"]: row for row in json.loads(listed.stdout)}
        return rows, dict(zip(map(int, parts[1::2]), parts[2::2]))

    def assert_whole(self, stacks):
        for stack in stacks.values():
            self.assertNotRegex(stack, r"\n  \(")  # a remark: it is empty or ends early

    def test_the_echo_server(self):
        port = self.start(ECHO_SERVER, 0)
        for _ in range(CLIENTS):
            client = self.connect(port)
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
        self.until_waiting(CLIENTS + 1)
        rows, stacks = self.looked_at()
        self.assertEqual(sorted(rows), list(range(1, CLIENTS + 2)))
        self.assertEqual(sorted(stacks), sorted(rows))
        self.assert_whole(stacks)
        self.assertEqual([rows[id]["start"] for id in sorted(rows)], ["main"] + CLIENTS * ["serve"])
        self.assertEqual({row["wait_kind"] for row in rows.values()}, {"descriptor"})
        self.assertRegex(stacks[1], r"(?s) .*accept_any\b.* accept_clients\b.* main\b")
        for id in range(2, CLIENTS + 2):
            self.assertRegex(stacks[id], r"(?s) recv\b.* receive_some\b.* serve\b")

    def test_cpythons_threading_http_server(self):
        port = self.start(sys.executable, PYTHON_SERVER, 1)  # the backend is never asked
        for _ in range(CLIENTS):
            self.connect(port).sendall(b"GET / HTTP/1.0\r\n")  # half a request: its thread waits for the rest
        self.until_waiting(CLIENTS + 1)
        rows, stacks = self.looked_at()
        self.assertEqual(len(rows), CLIENTS + 1)
        self.assertEqual(sorted(stacks), sorted(rows))
        self.assert_whole(stacks)
        self.assertEqual(rows[1]["wait_kind"], "poll")  # serve_forever's selector
        self.assertRegex(stacks[1], r"(?s) poll\b.* _PyEval_EvalFrameDefault\b.* Py_BytesMain\b")
        for id in set(rows) - {1}:
            self.assertEqual((rows[id]["wait_kind"], rows[id]["creator"]), ("descriptor", 1))
            self.assertRegex(stacks[id], r"(?s) recv(from)?\b.* _PyEval_EvalFrameDefault\b")


if __name__ == "__main__":
    unittest.main()
