#!/usr/bin/env python3
"""What is left out of the runs under sanitizers (NOT_SANITIZED in cmake/tests.cmake) exists, and is little."""
import collections
import csv
import re
import subprocess
import unittest

import places


def cases_of(binary, cases="*"):
    """The names of the cases of a GoogleTest binary that match."""
    folder = {"contract": "contract", "departure": "contract", "liveness": "liveness"}[binary.partition(".")[0]]
    listing = subprocess.run([places.BUILD / "tests" / folder / binary, "--gtest_list_tests", f"--gtest_filter={cases}"],
                             capture_output=True, text=True, check=True).stdout
    suite, found = "", []
    for line in listing.splitlines():
        name = line.partition("#")[0].rstrip()
        if name.startswith(" "):
            found.append(suite + name.strip())
        elif re.fullmatch(r"\S+\.", name):
            suite = name
    return found


class NotSanitized(unittest.TestCase):
    def setUp(self):
        with open(places.BUILD / "not_sanitized.tsv", encoding="utf-8") as file:
            self.entries = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    def test_each_pattern_names_a_case(self):
        for binary, _, cases, _ in self.entries:
            for pattern in cases.split(":"):
                self.assertTrue(cases_of(binary, pattern), f"{binary} has no {pattern}")

    def test_little_is_left_out(self):
        every = {path.name: cases_of(path.name) for folder in ("contract", "liveness")
                 for path in (places.BUILD / "tests" / folder).iterdir()
                 if re.fullmatch(r"(contract|departure|liveness)\.\w+", path.name) and path.is_file()}
        total = sum(map(len, every.values()))
        left_out = collections.Counter()
        for binary, sanitizer, cases, _ in self.entries:
            left_out[sanitizer] += len(cases_of(binary, cases))
        for sanitizer, count in sorted(left_out.items()):
            print(f"{sanitizer}: {count} of {total} cases are left out")
            self.assertLess(count, total / 10)


if __name__ == "__main__":
    unittest.main()
