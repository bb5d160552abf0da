"""CPython's threads look names up at the same time, at a name server that answers nobody before it has heard all."""
import pathlib
import socket
import struct
import sys
import threading

import unblocked

MANY = 50
SCRIPT = pathlib.Path(__file__).with_name("name_lookups.py")
PYTHON = "/usr/bin/python3"


def answer(question):
    """The address 10.1.2.3 for whatever was asked."""
    header = question[:2] + b"\x81\x80" + question[4:6] + b"\0\1" + question[8:12]
    return header + question[12:] + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes((10, 1, 2, 3))


class NameServer(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(unblocked.PATIENCE_SECONDS)
        self.heard = 0
        self.heard_all = threading.Event()
        self.may_answer = threading.Event()

    def run(self):
        questions = []
        while self.heard < MANY:
            questions.append(self.socket.recvfrom(512))
            self.heard += 1
        self.heard_all.set()
        self.may_answer.wait(unblocked.PATIENCE_SECONDS)
        for question, client in questions:
            self.socket.sendto(answer(question), client)


class NameLookups(unblocked.ProgramTest):
    def test_all_ask_before_anybody_is_answered(self):
        server = NameServer()
        server.start()
        program = self.start([PYTHON, SCRIPT, server.socket.getsockname()[1], MANY])
        program.until(server.heard_all.is_set, "all questions")
        program.watch.sample()
        server.may_answer.set()
        self.assertEqual(program.wait(), 0, program.output())
        server.join()
        server.socket.close()
        self.assertEqual(server.heard, MANY)
        self.assertEqual(program.output().split(), ["10.1.2.3"] * MANY)
        self.assert_threads(program, MANY)
        if unblocked.under_unblock():
            self.assertGreater(program.statistics()["parks_poll"], 0)


if __name__ == "__main__":
    sys.exit(unblocked.main())
