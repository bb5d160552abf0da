#!/usr/bin/env python3
"""Programs that use threads in their own way: GCC's OpenMP, and the interpreters of Ruby, Perl and Node. Each says what
came of its threads, and says the same under unblock as natively."""
import os
import pathlib

import unblocked

HERE = pathlib.Path(__file__).resolve().parent
BUILT = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"]) / "tests/programs"


class OwnThreads(unblocked.ProgramTest):
    def run_to_its_end(self, command, at_once, *expected):
        for _ in range(unblocked.options.rounds):
            program = self.start(command)
            self.assertEqual(program.wait(), 0, program.describe())
            self.assertEqual(program.output().splitlines(), list(expected))
            self.assert_green(program, at_once)

    def test_openmp(self):
        self.run_to_its_end([BUILT / "openmp_program"], 4, "sum 399999", "barriers 0", "tasks 2584", "locks 2000",
                            "team 4", "team 4", "team 4", "ended")

    def test_ruby(self):
        self.run_to_its_end(["/usr/bin/ruby", HERE / "ruby_threads.rb"], 100, "queue 4950 4950", "sockets 100",
                            "timeout", "killed true", "forked 10 11 12 13", "commands 6", "signal", "ended")

    def test_perl(self):
        self.run_to_its_end(["/usr/bin/perl", HERE / "perl_threads.pl"], 20, "shared 210 210", "queue 5050",
                            "sockets 10", "forked 5 6", "commands a b", "ended")

    def test_node(self):
        self.run_to_its_end(["/usr/bin/node", HERE / "node_workers.js"], 4,
                            "workers " + ", ".join(["16 true 20"] * 4), "command child", "ended")


if __name__ == "__main__":
    unblocked.main()
