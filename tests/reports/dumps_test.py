#!/usr/bin/env python3
"""Dumps of all threads: on a signal of the operator's choice, and before the process dies."""
import os
import pathlib
import re
import resource
import select
import signal
import subprocess
import time
import unittest

from reports_test import BUILD, COMMAND, PATIENCE_SECONDS, PROCESSORS, environment, line_of

PROGRAM = BUILD / "tests/reports/reports_dumps"


class Crashes(unittest.TestCase):
    def crash(self, how, *options, processors=2):
        """Standard error and what the program printed, of a process that died of `how`."""
        program = subprocess.Popen([COMMAND, "--processors", str(processors), *options, "--", PROGRAM, how],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
        self.addCleanup(program.kill)
        printed, said = program.communicate(timeout=PATIENCE_SECONDS)
        return program.returncode, printed.split(), said

    def assert_others(self, said, lock, descriptor):
        self.assertRegex(said, r'(?m)^unblock: (signal 12 in )?thread 1 "reports_dumps"')  # or the one it met
        self.assertRegex(said, r'(?m)^unblock: thread 2 "sleeps" waits for a point in time for \d+ ms$')
        self.assertRegex(said, rf'(?m)^unblock: thread 3 "wants" waits for a mutex {lock} of thread 1 "reports_dumps" for \d+ ms$')
        self.assertRegex(said, rf'(?m)^unblock: thread 4 "reads" waits for a descriptor {descriptor} \(read\) for \d+ ms$')

    def test_a_fault_is_told_and_the_status_stays_native(self):
        number = line_of("dumps.c", "dies here")
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                status, printed, said = self.crash("segv", "--dump-on-crash", processors=processors)
                self.assertEqual(status, -signal.SIGSEGV)
                self.assertRegex(said, r'(?m)^unblock: signal SIGSEGV in thread 5 "dies" \(address 0x10\), at\n'
                                       rf"unblock:   0x[0-9a-f]+ in dies at \S*dumps\.c:{number} \(\S*reports_dumps\)$")
                self.assert_others(said, *printed)
                self.assertEqual(len(re.findall("(?m)^unblock: thread 5", said)), 0)

    def test_each_fatal_signal_keeps_its_status(self):
        for how, number, name in (("abort", signal.SIGABRT, "SIGABRT"), ("fpe", signal.SIGFPE, "SIGFPE")):
            with self.subTest(how):
                status, printed, said = self.crash(how, "--dump-on-crash")
                self.assertEqual(status, -number)
                self.assertRegex(said, rf'(?m)^unblock: signal {name} in thread 5 "dies"')
                self.assertRegex(said, r" in dies at \S*dumps\.c:\d+ ")
                self.assert_others(said, *printed)

    def test_a_stack_overflow_is_told_with_the_others(self):
        status, printed, said = self.crash("overflow", "--dump-signal", "USR2")
        self.assertEqual(status, -signal.SIGSEGV)
        self.assertRegex(said, r'\Aunblock: stack overflow in thread 5 "dies"')
        self.assertRegex(said, r" in deeper at \S*dumps\.c:\d+ ")
        self.assert_others(said, *printed)

    def test_nothing_is_said_unasked(self):
        self.assertEqual(self.crash("segv")[::2], (-signal.SIGSEGV, ""))


class OnSignal(unittest.TestCase):
    def dumped(self, *words, number=signal.SIGUSR2, processors=2, until=b'"reads"'):
        """Sends the signal to a program, until it has dumped; then lets it end."""
        program = subprocess.Popen([COMMAND, "--processors", str(processors), "--dump-signal", "USR2", "--", PROGRAM,
                                    *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment())
        for stream in (program.stdout, program.stderr):
            self.addCleanup(stream.close)
        self.addCleanup(program.wait, PATIENCE_SECONDS)
        self.addCleanup(program.kill)
        printed = program.stdout.readline().decode().split()
        program.send_signal(number)
        said, deadline = b"", time.monotonic() + PATIENCE_SECONDS
        while until not in said and time.monotonic() < deadline:
            if select.select([program.stderr], [], [], 1)[0]:
                said += os.read(program.stderr.fileno(), 65536)
        program.stdin.close()
        self.assertEqual(program.wait(PATIENCE_SECONDS), 7, said)
        return printed, (said + program.stderr.read()).decode(), program.stdout.read().decode()

    def test_a_signal_dumps_and_the_program_goes_on(self):
        for processors in PROCESSORS:
            with self.subTest(processors=processors):
                printed, said, _ = self.dumped("wait", processors=processors)
                self.assertRegex(said, r"(?m)^unblock: signal 12 (in|on) ")
                Crashes.assert_others(self, said, *printed)

    def test_it_arrives_where_every_thread_blocks_it(self):
        printed, said, _ = self.dumped("blocked", "wait")
        self.assertRegex(said, r"(?m)^unblock: signal 12 on an OS thread that runs none of the threads$")
        self.assertRegex(said, r'(?m)^unblock: thread 5 "dies" (runs on OS thread \d+|is ready to run)$')
        Crashes.assert_others(self, said, *printed)

    def test_a_handler_of_the_program_runs_after_it(self):
        printed, said, more = self.dumped("handler", "wait")
        Crashes.assert_others(self, said, *printed)
        self.assertEqual(more, "handler\n")

    def test_it_is_told_before_there_are_threads(self):
        seen, said, more = self.dumped("alone", until=b"(")
        self.assertEqual((seen, more), (["default"], ""))
        self.assertRegex(said, r"\Aunblock: signal 12 in the only thread so far, at\nunblock:   0x[0-9a-f]+ .*\(.*\)\n\Z")

    def test_a_handler_of_the_only_thread_runs_after_it(self):
        seen, said, more = self.dumped("handler", "alone", until=b"(")
        self.assertEqual((seen, more), (["own"], "handler\n"))
        self.assertRegex(said, r"\Aunblock: signal 12 in the only thread so far, at\n")


class Values(unittest.TestCase):
    def test_impossible_signals_are_refused_in_one_line(self):
        for value in ("KILL", "SEGV", "9", "33", "65", "USR3", "usr2", ""):
            with self.subTest(value):
                result = subprocess.run([COMMAND, f"--dump-signal={value}", "true"], env=environment(),
                                        capture_output=True, text=True, timeout=PATIENCE_SECONDS)
                self.assertEqual(result.returncode, 125)
                self.assertRegex(result.stderr, r"\Aunblock: [^\n]+\n\Z")


if __name__ == "__main__":
    unittest.main()
