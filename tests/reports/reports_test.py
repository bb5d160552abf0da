#!/usr/bin/env python3
"""What the library reports of what holds others up: hogs, locks held across a wait, deadlocks."""
import os
import pathlib
import re
import select
import subprocess
import time
import unittest

BUILD = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"])
COMMAND = BUILD / "unblock"
SOURCES = pathlib.Path(__file__).resolve().parent
PATIENCE_SECONDS = 30
PROCESSORS = (1, 2, 4)


def line_of(source, mark):
    """The number of the line that says `mark`."""
    for number, line in enumerate((SOURCES / source).read_text().splitlines(), 1):
        if mark in line:
            return number
    raise AssertionError(f"{source} has no line with {mark!r}")


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("UNBLOCK_", "LD_PRELOAD"))}


class Deadlocks(unittest.TestCase):
    def reported(self, kind, processors, lines):
        """Runs the program until it has been reported with so many lines; what it printed, and the report."""
        words = [COMMAND, "--processors", str(processors), "--report-hogs", "20ms", "--", BUILD / "tests/reports" /
                 "reports_deadlock", kind]
        program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment())
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.stderr.close)
        self.addCleanup(program.wait, PATIENCE_SECONDS)
        self.addCleanup(program.kill)
        report, deadline = b"", time.monotonic() + PATIENCE_SECONDS
        while report.count(b"\n") < lines and time.monotonic() < deadline:
            if select.select([program.stderr], [], [], 1)[0]:
                report += os.read(program.stderr.fileno(), 65536)
        program.stdin.close()
        self.assertEqual(program.wait(PATIENCE_SECONDS), 0)
        report += program.stderr.read()
        return program.stdout.readline().decode().split(), report.decode()

    def assert_waits(self, report, head, mark):
        """The line that matches `head` is followed by a stack that begins at the line with `mark`."""
        number = line_of("deadlock.c", mark)
        self.assertRegex(report, rf"(?m)^unblock: {head}, at\n"
                                 rf"unblock:   0x[0-9a-f]+ in \w+ at \S*deadlock\.c:{number} \(\S*reports_deadlock\)$")

    def test_opposite_order_names_both_threads_their_locks_and_lines(self):
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                (first, second), report = self.reported("opposite", processors, 5)
                self.assertEqual(report.count("unblock: deadlock of 2 threads\n"), 1, report)
                self.assert_waits(report, rf'thread 2 "left" waits for mutex {second}, which thread 3 "right" holds',
                                  "left waits here")
                self.assert_waits(report, rf'thread 3 "right" waits for mutex {first}, which thread 2 "left" holds',
                                  "right waits here")

    def test_a_thread_that_locks_what_it_holds(self):
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                (first, _), report = self.reported("itself", processors, 3)
                self.assertEqual(report.count("unblock: deadlock of 1 thread\n"), 1, report)
                self.assert_waits(report, rf'thread 2 "itself" waits for mutex {first}, which it holds itself',
                                  "itself waits here")

    def test_a_join_is_part_of_a_cycle(self):
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                (first, _), report = self.reported("join", processors, 5)
                self.assert_waits(report, r'thread 3 "joins" waits for the end of thread 2 "joined"',
                                  "joins waits here")
                self.assert_waits(report, rf'thread 2 "joined" waits for mutex {first}, which thread 3 "joins" holds',
                                  "joined waits here")


class Hogs(unittest.TestCase):
    def run_hogs(self, what, processors, **changes):
        words = [COMMAND, "--processors", str(processors), "--", BUILD / "tests/reports" / "reports_hogs", what]
        result = subprocess.run(words, env={**environment(), **changes}, stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=PATIENCE_SECONDS)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_each_place_is_reported_once(self):
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                report = self.run_hogs("computes", processors, UNBLOCK_REPORT_HOGS="50ms").stderr
                found = re.findall(r'(?m)^unblock: hog: thread 2 "computes" has kept its processor for (\d+) ms, '
                                   r"computing at\n((?:unblock:   .*\n)+)", report)
                self.assertEqual(len(found), 2, report)
                places = set()  # which comes first is the machine's affair: a place gets three turns to be found
                for milliseconds, stack in found:
                    self.assertGreaterEqual(int(milliseconds), 50)
                    self.assertRegex(stack, r" in computes at \S*hogs\.c:\d+ ")
                    places |= set(re.findall(r" in (\w+_place) at \S*hogs\.c:\d+ \(\S*reports_hogs\)\n", stack))
                self.assertEqual(places, {"one_place", "other_place"}, report)

    def test_a_lock_held_across_a_wait(self):
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                result = self.run_hogs("locks", processors, UNBLOCK_REPORT_HOGS="50ms")
                lock = result.stdout.strip()
                holds, wants = line_of("hogs.c", "holds waits here"), line_of("hogs.c", "wants waits here")
                self.assertRegex(result.stderr, rf'unblock: lock held across a wait: thread 2 "holds" holds mutex '
                                                rf"{lock} and has waited for a point in time for \d+ ms, at\n"
                                                rf"unblock:   0x[0-9a-f]+ in holds at \S*hogs\.c:{holds} .*\n"
                                                rf'unblock: 1 thread waits for that lock, the longest: thread 3 '
                                                rf'"wants", at\n'
                                                rf"unblock:   0x[0-9a-f]+ in wants at \S*hogs\.c:{wants} .*\n")

    def test_a_lock_held_across_a_blocking_call(self):
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                result = self.run_hogs("locks", processors, UNBLOCK_REPORT_HOGS="50ms")
                for owner, waiter, function in ((4, 5, "wants_first"), (6, 7, "wants_second")):
                    line = line_of("hogs.c", f"{function} waits here")
                    self.assertRegex(result.stderr,
                                     rf'unblock: lock held across a blocking call: thread {owner} "blocks" holds mutex '
                                     rf"{result.stdout.strip()} and has been in that call for \d+ ms \(.*\)\n"
                                     rf'unblock: 1 thread waits for that lock, the longest: thread {waiter} "wants", at\n'
                                     rf"unblock:   0x[0-9a-f]+ in {function} at \S*hogs\.c:{line} .*\n")

    def test_nothing_is_said_below_the_threshold_or_unasked(self):
        for what in ("computes", "locks"):
            self.assertEqual(self.run_hogs(what, 2, UNBLOCK_REPORT_HOGS="30s").stderr, "")
            self.assertEqual(self.run_hogs(what, 2).stderr, "")


class Values(unittest.TestCase):
    def test_impossible_values_are_refused_in_one_line(self):
        for value in ("50", "ms", "0ms", "1us", "2h", "50 ms", "-5ms", "3601s", ""):
            with self.subTest(value):
                result = subprocess.run([COMMAND, f"--report-hogs={value}", "true"], env=environment(),
                                        capture_output=True, text=True, timeout=PATIENCE_SECONDS)
                self.assertEqual(result.returncode, 125)
                self.assertRegex(result.stderr, r"\Aunblock: [^\n]+\n\Z")

    def test_it_needs_the_monitor(self):
        result = subprocess.run([COMMAND, "--no-monitor", "--report-hogs", "50ms", "true"], env=environment(),
                                capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        self.assertEqual((result.returncode, result.stderr),
                         (125, "unblock: --report-hogs needs the monitor: not with --no-monitor\n"))


if __name__ == "__main__":
    unittest.main()
