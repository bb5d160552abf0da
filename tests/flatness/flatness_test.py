#!/usr/bin/env python3
"""Threads and connections that are gone leave nothing behind: after very many of them a process is no larger than it
was after the first ten thousand, but for a mebibyte. How many is a thing of the environment: FLAT_COUNT."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "samples"))

import sample  # noqa: E402
from sample import unblocked  # noqa: E402

FOLDER = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"]) / "tests" / "flatness"
COUNT = int(os.environ.get("FLAT_COUNT", "100000"))
LIMIT_SECONDS = 240
TOLERANCE_KIB = 1024


class Flatness(sample.SampleTest):
    def assert_flat(self, found):
        print(f"{self.id()} {unblocked.options.under}: {found}", flush=True)
        self.assertGreater(found["kib_after_first"], 0)
        self.assertLessEqual(found["kib_at_end"], found["kib_after_first"] + TOLERANCE_KIB)

    def test_threads_leave_nothing_behind(self):
        program = self.start([FOLDER / "thread-churn", COUNT])
        self.assertEqual(program.wait(LIMIT_SECONDS), 0, program.describe())
        found = json.loads(program.output())
        self.assertEqual((found["threads"], found["destroyed"]), (COUNT, COUNT))
        self.assert_flat(found)
        if unblocked.under_unblock():
            self.assertGreaterEqual(program.statistics()["green_threads_made"], COUNT)

    def test_connections_leave_nothing_behind_in_the_server(self):
        echo = self.server("echo-server", 0)
        done = subprocess.run([FOLDER / "connection-churn", "--port", str(echo.port), "--server", str(echo.pid),
                               "--connections", str(COUNT), "--seconds", str(LIMIT_SECONDS)],
                              env=unblocked.environment(), check=False, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), echo.describe())
        found = json.loads(done.stdout)
        self.assertEqual((found["served"], found["wrong"], found["broken"]), (COUNT, 0, 0), echo.describe())
        self.assert_flat(found)
        self.assertEqual(echo.end(), 0, echo.describe())
        if unblocked.under_unblock():
            self.assertGreaterEqual(echo.statistics()["green_threads_made"], COUNT)


if __name__ == "__main__":
    sample.main()
