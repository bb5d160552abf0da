#!/usr/bin/env python3
"""A server that nobody asks does nothing at all: no tick, no heartbeat, no system call."""
import pathlib
import socket
import subprocess
import time
import unittest

from places import BUILD

CONNECTIONS = 50
QUIET_SECONDS = 5
PATIENCE_SECONDS = 40


def time_on_processor(pid):
    """Nanoseconds that each OS thread of a process has run. A thread that makes a system call has run."""
    return {task.name: int((task / "schedstat").read_text().split()[0])
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}


class Idle(unittest.TestCase):
    def setUp(self):
        command = [BUILD / "unblock", "--", BUILD / "samples/echo-server", "0"]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        self.port = int(self.server.stdout.readline().rpartition(":")[2])

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.addCleanup(connection.close)
        connection.sendall(b"hello")
        self.assertEqual(connection.recv(5), b"hello")

    def test_idle_server_runs_nothing(self):
        for _ in range(CONNECTIONS):
            self.connect()
        before, since = time_on_processor(self.server.pid), time.monotonic()
        self.assertLess(len(before), CONNECTIONS, "its threads are not green")
        end = since + PATIENCE_SECONDS
        while time.monotonic() - since < QUIET_SECONDS:
            self.assertLess(time.monotonic(), end, f"never quiet for {QUIET_SECONDS} s: {before}")
            time.sleep(0.1)
            now = time_on_processor(self.server.pid)
            if now != before:
                before, since = now, time.monotonic()


if __name__ == "__main__":
    unittest.main()
