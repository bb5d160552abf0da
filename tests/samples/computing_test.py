#!/usr/bin/env python3
"""The samples that talk to nobody: a pipeline, sleepers, and a worker that computes beside threads that do I/O."""
import re

import sample
from sample import unblocked

SLEEPERS = 10000


class Pipeline(sample.SampleTest):
    def assert_sum(self, numbers, *threads):
        program = self.run_to_the_end("pipeline", numbers, *threads)
        self.assertEqual(program.result, 0, program.describe())
        expected = sum((number * number + 1) % 1000003 for number in range(numbers))
        self.assertIn(f"sum {expected}, expected {expected}: right", program.output())
        return program

    def test_the_sum_is_right_with_few_threads_and_with_many(self):
        self.assert_sum(1, 1, 1)
        self.assert_sum(50000, 1, 1)
        self.assert_sum(50000, 7, 2)
        self.assert_sum(50000, 3, 100)

    def test_500_producers_and_500_transformers_are_right_too(self):
        program = self.assert_sum(50000, 500, 500)
        self.assert_green(program, 500)

    def test_every_kind_of_wait_occurs(self):
        program = self.assert_sum(200000)
        if unblocked.under_unblock():
            found = program.statistics()
            for kind in "condition", "semaphore":
                self.assertGreater(found[f"parks_{kind}"], 0, kind)

    def test_wrong_arguments_are_refused(self):
        for arguments in ["0"], ["x"], ["1", "0"], ["1", "1", "1000"], ["1", "1", "1", "1"]:
            self.assert_refuses("pipeline", *arguments)


class Sleepers(sample.SampleTest):
    def test_ten_thousand_wake_up_in_time(self):
        program = self.run_to_the_end("sleepers", SLEEPERS, 4000)
        self.assertEqual(program.result, 0, program.describe())
        self.assertIn(f"{SLEEPERS} of {SLEEPERS} threads woke after 4000 ms, 0 too early", program.output())
        at_once, os_threads, seconds = re.search(r"(\d+) slept at once, on (\d+) OS threads; ([\d.]+) s",
                                                 program.output()).groups()
        self.assertEqual(int(at_once), SLEEPERS)
        self.assertLess(float(seconds), 20)
        self.assert_threads(program, SLEEPERS)
        self.assert_green(program, SLEEPERS)
        if unblocked.under_unblock():
            self.assertLessEqual(int(os_threads), unblocked.processors() + unblocked.SPARE_THREADS)
            self.assertGreaterEqual(program.statistics()["parks_sleep"], SLEEPERS)

    def test_no_time_at_all_is_slept_too(self):
        program = self.run_to_the_end("sleepers", 100, 0)
        self.assertEqual(program.result, 0, program.describe())

    def test_wrong_arguments_are_refused(self):
        for arguments in ["0"], ["x"], ["1", "-1"], ["1", "1", "1"]:
            self.assert_refuses("sleepers", *arguments)


class CpuAndIo(sample.SampleTest):
    def test_echoes_go_on_while_the_worker_computes(self):
        program = self.run_to_the_end("cpu-and-io", 1000000, 50)
        self.assertEqual(program.result, 0, program.describe())
        self.assertIn("the longest sequence below 1000000 begins at 837799 and has 525 numbers", program.output())
        meanwhile, wrong = re.search(r"(\d+) echoes meanwhile, (\d+) of them wrong", program.output()).groups()
        print(f"{self.id()} {unblocked.options.under}: {meanwhile} echoes", flush=True)
        self.assertGreaterEqual(int(meanwhile), 100)
        self.assertEqual(int(wrong), 0)
        self.assert_green(program, 50)

    def test_wrong_arguments_are_refused(self):
        for arguments in ["1"], ["x"], ["10", "0"], ["10", "1", "1"]:
            self.assert_refuses("cpu-and-io", *arguments)


if __name__ == "__main__":
    sample.main()
