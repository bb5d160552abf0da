#!/usr/bin/env python3
"""The timeline of two threads that wake each other by semaphores, and of one that waits all the time."""
import json
import subprocess
import tempfile
import unittest

from reports_test import BUILD, COMMAND, PATIENCE_SECONDS, PROCESSORS, environment


class Trace(unittest.TestCase):
    def traced(self, processors):
        program = subprocess.Popen([COMMAND, "--processors", str(processors), "--", BUILD / "tests/reports" /
                                    "reports_pingpong"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=environment())
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait, PATIENCE_SECONDS)
        self.addCleanup(program.kill)
        self.assertEqual(program.stdout.readline(), "started\n")
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            done = subprocess.run([COMMAND, "trace", str(program.pid), "-o", file.name, "--seconds", "0.3"],
                                  env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS)
            self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
            result = json.load(file)
        program.stdin.close()
        self.assertEqual(program.wait(PATIENCE_SECONDS), 0)
        return result

    def test_it_shows_who_ran_waited_and_woke_whom(self):
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                self.assert_sane(self.traced(processors))

    def assert_sane(self, trace):
        events = trace["traceEvents"]
        names = {event["tid"]: event["args"]["name"] for event in events
                 if event["ph"] == "M" and event["pid"] == 2 and event["name"] == "thread_name"}
        self.assertEqual((names[2], names[3]), ("2 ping", "3 pong"))
        for thread in (2, 3):
            slices = sorted((event for event in events if event["ph"] == "X" and event["pid"] == 2 and
                             event["tid"] == thread), key=lambda event: event["ts"])
            self.assertGreater(sum(each["name"] == "run" for each in slices), 20)
            self.assertGreater(sum(each["name"] == "wait: semaphore" for each in slices), 20)
            for before, after in zip(slices, slices[1:]):
                # Times are microseconds; two neighbours may differ by what rounding leaves.
                self.assertGreaterEqual(after["ts"] + 0.01, before["ts"] + before["dur"])
                if before["name"].startswith("wait"):
                    self.assertEqual(after["name"], "ready")
        woken = [event["args"].get("woken by") for event in events
                 if event["ph"] == "X" and event["name"] == "ready" and event["pid"] == 2 and event["tid"] == 3]
        self.assertGreater(woken.count("thread 2"), 20)
        starts = {event["id"]: event for event in events if event["ph"] == "s"}
        ends = [event for event in events if event["ph"] == "f"]
        self.assertGreater(len(ends), 20)
        for event in ends:
            self.assertLessEqual(starts[event["id"]]["ts"], event["ts"])
        waits = [event for event in events if event["ph"] == "X" and event["tid"] == 4 and event["pid"] == 2]
        self.assertEqual([event["name"] for event in waits], ["wait: mutex"])


class Words(unittest.TestCase):
    def test_what_it_cannot_do_is_one_line(self):
        for words in (["1"], ["-o", "/tmp/x"], ["1", "-o", "/dev/null", "--seconds", "0"], ["x", "-o", "/dev/null"]):
            with self.subTest(words):
                done = subprocess.run([COMMAND, "trace", *words], env=environment(), capture_output=True, text=True,
                                      timeout=PATIENCE_SECONDS)
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stderr, r"\Aunblock: [^\n]+\n\Z")


if __name__ == "__main__":
    unittest.main()
