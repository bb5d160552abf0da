#!/usr/bin/env python3
"""What does looking cost? MariaDB with 500 sessions, 100 of them waiting for one row, 16 reading another: how many reads
each second while nobody looks, while somebody calls the named command once each second, and again while nobody does."""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import rounds

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "tests/programs"))
import mariadb_sessions  # noqa: E402
import unblocked  # noqa: E402

PATIENCE_SECONDS = 60


def looks(build, pid):
    """What somebody may do once each second, by name."""
    command = str(build / "unblock")
    return {
        "ps": [command, "ps", str(pid), "--json"],
        "top": [command, "top", str(pid), "--batch", "1", "--interval", "0.5"],
        "stack --merge": [command, "stack", str(pid), "--merge"],
        "stats": [command, "stats", str(pid)],
        "trace of half a second": [command, "trace", str(pid), "-o", "/dev/null", "--seconds", "0.5"],
    }


def is_there(words):
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE_SECONDS,
                          check=False).returncode == 0


class Measurement:
    def __init__(self, sessions, seconds):
        self.sessions, self.seconds = sessions, seconds

    def reads_each_second(self, words=None):
        begun, before = time.monotonic(), self.sessions.reads()
        while (now := time.monotonic()) < begun + self.seconds:
            if words:
                subprocess.run(words, stdout=subprocess.DEVNULL, timeout=PATIENCE_SECONDS, check=True)
            time.sleep(max(0, now + 1 - time.monotonic()))
        return (self.sessions.reads() - before) / (time.monotonic() - begun)


def print_table(samples):
    print("| once each second | reads/s, median (quartiles) | of those without looking |")
    print("| --- | --- | --- |")
    alone = samples["nobody looks"]
    for name, values in samples.items():
        summary = rounds.summarise(values)
        ratio = rounds.ratios(values, alone)
        share = "" if name == "nobody looks" else f"{ratio.median:.3f} ({ratio.low:.3f}–{ratio.high:.3f})"
        print(f"| {name} | {summary.median:.0f} ({summary.low:.0f}–{summary.high:.0f}) | {share} |")


def measure(server, sessions, options):
    measurement = Measurement(sessions, options.seconds)
    known = {name: words for name, words in looks(options.build, server.pid).items() if is_there(words)}
    variants = {"nobody looks": measurement.reads_each_second, "nobody looks, again": measurement.reads_each_second}
    for name, words in known.items():
        variants[name] = lambda words=words: measurement.reads_each_second(words)
    print_table(rounds.take_turns(options.rounds, variants, "seen"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build/release")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="shows that it runs, measures little")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 1
    print("\n## What looking costs\n")
    with tempfile.TemporaryDirectory(prefix="unblock-seen-") as folder:
        library = options.build / "libunblock.so"
        with mariadb_sessions.at_work(pathlib.Path(folder), library, unblocked.environment()) as (server, sessions):
            measure(server, sessions, options)
            sessions.let_go()


if __name__ == "__main__":
    main()
