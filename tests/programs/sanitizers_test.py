#!/usr/bin/env python3
"""A program built with a sanitizer runs under `unblock`: a correct one without a report, and a wrong one is found out.
The library is the one that everybody uses, built without sanitizers."""
import os
import pathlib

import unblocked

THREADS = 100
ROUNDS = 5
BUILD = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"])
REPORTED = {"TSAN_OPTIONS": "exitcode=66", "ASAN_OPTIONS": "exitcode=67:detect_leaks=0"}


class Sanitizers(unblocked.ProgramTest):
    def outcome(self, sanitizer, how):
        """Runs the program to its end; returns it, its exit code, and what it and the sanitizer said."""
        command = [BUILD / "unblock"] if unblocked.under_unblock() else []
        # The command puts the sanitizer's runtime before the library; whoever sets LD_PRELOAD himself must do it, too.
        program = self.start([*command, BUILD / f"tests/programs/watched_servers_{sanitizer}", how, THREADS],
                             LD_PRELOAD="", **REPORTED)
        return program, program.wait(), program.output()

    def assert_silent(self, sanitizer):
        program, code, said = self.outcome(sanitizer, "correct")
        self.assertEqual(said, f"{THREADS * ROUNDS} answers\n")
        self.assertEqual(code, 0)
        self.assert_green(program, THREADS)

    def assert_reported(self, sanitizer, how, code_of_report, *words):
        program, code, said = self.outcome(sanitizer, how)
        for each in words:
            self.assertIn(each, said)
        self.assertEqual(code, code_of_report, program.describe())

    def test_tsan_is_silent_about_a_correct_program(self):
        self.assert_silent("tsan")

    def test_tsan_reports_a_race(self):
        self.assert_reported("tsan", "race", 66, "ThreadSanitizer: data race", "count_without_the_lock")

    def test_asan_is_silent_about_a_correct_program(self):
        self.assert_silent("asan")

    def test_asan_reports_a_read_of_what_was_freed(self):
        self.assert_reported("asan", "freed", 67, "AddressSanitizer: heap-use-after-free", "read_text")


if __name__ == "__main__":
    unblocked.main()
