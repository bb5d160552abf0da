#!/usr/bin/env python3
"""What many look-ups of names take against one, when the name server takes its time."""

import heapq
import socket
import struct
import subprocess
import threading
import time

import programs
import rounds

COUNTS = (1, 50)
DELAY_SECONDS = 0.05


class NameServer(threading.Thread):
    """Answers each question so long after it has come."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.waiting = []

    def run(self):
        while True:
            due = self.waiting[0][0] - time.monotonic() if self.waiting else None
            if due is not None and due <= 0:
                _, question, client = heapq.heappop(self.waiting)
                self.socket.sendto(answer(question), client)
                continue
            self.socket.settimeout(due)
            try:
                question, client = self.socket.recvfrom(512)
            except TimeoutError:
                continue
            heapq.heappush(self.waiting, (time.monotonic() + DELAY_SECONDS, question, client))


def answer(question):
    header = question[:2] + b"\x81\x80" + question[4:6] + b"\0\1" + question[8:12]
    return header + question[12:] + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes((10, 1, 2, 3))


def seconds(build, launch, port, count):
    command = [programs.built(build, "look-ups"), str(port), str(count)]
    return float(subprocess.run(command, env=launch.environment, check=True, timeout=60, stdout=subprocess.PIPE).stdout)


def main():
    options = programs.parse_arguments(__doc__)
    count = 5 if options.quick else 30
    server = NameServer()
    server.start()
    processors = options.processors or 1
    launches = [programs.native(), programs.under_unblock(options.build, processors),
                programs.under_unblock(options.build, processors, UNBLOCK_DEEP="0")]
    launches[-1].name = "unblock --no-deep"
    print("## Look-ups of names\n")
    print(f"{count} rounds; the name server answers a question {1000 * DELAY_SECONDS:.0f} ms after it has come; "
          f"milliseconds from the first question to the last answer. Under unblock with {processors} "
          f"processor(s). {programs.machine()}.\n")
    variants = {(launch.name, many): lambda launch=launch, many=many: seconds(options.build, launch, server.port, many)
                for launch in launches for many in COUNTS}
    samples = rounds.take_turns(count, variants, "look-ups")
    rows = []
    for launch in launches:
        one, many = (samples[launch.name, number] for number in COUNTS)
        ratios = [b / a for a, b in zip(one, many)]
        rows.append([launch.name, *(rounds.text(rounds.summarise(1000 * each for each in times)) for times in (one, many)),
                     rounds.text(rounds.summarise(ratios))])
    rounds.print_table(["", "one", f"{COUNTS[1]} at once", "ratio"], rows)


if __name__ == "__main__":
    main()
