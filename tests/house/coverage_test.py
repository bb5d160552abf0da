#!/usr/bin/env python3
"""Every call of libc that matters most (P0 of blocking_calls.tsv) is ours, or not_interposed.tsv says why it is not; and
so is every one on threads, locks, signals, identity and processes that many use (P1). The pages tell the same."""
import csv
import pathlib
import unittest

import coverage_table
import elf

HERE = pathlib.Path(__file__).resolve().parent


def table(name):
    with open(HERE / name, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


class Coverage(unittest.TestCase):
    def setUp(self):
        self.ours = set(elf.interposed())
        self.calls = {row["symbol"]: row for row in table("blocking_calls.tsv")}
        self.reasons = {row["symbol"]: row["reason"] for row in table("not_interposed.tsv")}

    def test_every_p0_call_is_ours_or_has_a_reason(self):
        important = {name for name, row in self.calls.items() if row["priority"] == "P0"}
        self.assertGreater(len(important), 200)
        self.assertEqual(sorted(important - self.ours - set(self.reasons)), [])

    def test_every_call_of_ours_is_classified(self):
        """`unblock check` says of it what its treatment says."""
        self.assertEqual(sorted(self.ours - set(self.calls)), [])

    def test_every_p1_call_of_the_areas_is_ours_or_has_a_reason(self):
        self.assertEqual(coverage_table.Coverage().unexplained(), [])

    def test_pages_are_as_the_tables_say(self):
        coverage = coverage_table.Coverage()
        self.assertIn(coverage.summary(), coverage_table.README.read_text(), "run tests/house/coverage_table.py")
        self.assertEqual(coverage_table.PAGE.read_text(), coverage.page(), "run tests/house/coverage_table.py")

    def test_no_reason_is_stale(self):
        self.assertEqual(sorted(set(self.reasons) & self.ours), [])

    def test_every_reason_is_given_and_for_a_call_of_the_table(self):
        self.assertEqual(sorted(set(self.reasons) - set(self.calls)), [])
        self.assertEqual([name for name, reason in self.reasons.items() if not (reason or "").strip()], [])

    def test_a_family_is_ours_whole_or_explained(self):
        """An alias that is not ours while its plain name is would lose a waiter."""
        aliases = {name: name.lstrip("_") for name in self.calls if name.startswith("__")}
        half = [alias for alias, plain in aliases.items()
                if plain in self.ours and alias not in self.ours and alias not in self.reasons]
        self.assertEqual(sorted(half), [])


if __name__ == "__main__":
    unittest.main()
