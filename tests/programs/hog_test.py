#!/usr/bin/env python3
"""A hog never stops the rest. On one processor an endless loop and a system call that no library sees are under way;
the clients of other threads get a hundred echoes each while both hogs have still not finished."""
import os
import pathlib
import socket

import unblocked

CLIENTS = 3
ECHOES = 100
HOGS = 2


class Hogs(unblocked.ProgramTest):
    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=unblocked.PATIENCE_SECONDS)
        stream = client.makefile("rw")
        client.close()  # the stream keeps it open
        self.addCleanup(stream.close)
        return stream

    def ask(self, stream, line):
        stream.write(line + "\n")
        stream.flush()
        return stream.readline().rstrip("\n")

    def test_a_hundred_echoes_while_two_hogs_have_not_finished(self):
        server = self.start([pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"]) / "tests/programs/hog_server"])
        server.until_said("\n")
        self.port = int(server.output().split()[2])
        streams = [self.connect() for _ in range(CLIENTS)]
        for echo in range(ECHOES * unblocked.options.rounds):
            for index, stream in enumerate(streams):
                self.assertEqual(self.ask(stream, f"{index} {echo}"), f"{index} {echo}")
        self.assertEqual(self.ask(streams[0], "state"), "loop 0 call 0", "the hogs ended before the echoes did")
        self.assertEqual(self.ask(streams[0], "end"), "ending")
        self.assertEqual(server.wait(), 0, server.output())
        self.assertIn("ended: loop 1 call 1", server.output())
        self.assert_threads(server, CLIENTS + HOGS)
        self.assert_green(server, CLIENTS + HOGS)
        if unblocked.under_unblock():
            self.assertGreaterEqual(server.statistics()["hand_offs"], HOGS)


if __name__ == "__main__":
    unblocked.main()
