#!/usr/bin/env python3
"""Green threads in gdb: `info greens`, `green ID` and `green apply`, on a running process and on a core."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from looked_at import BUILD, PATIENCE, SOURCE, allow_cores, core_of, environment, unblock

PROGRAM = os.environ["UNBLOCK_TEST_PROGRAM"]
EXTENSION = SOURCE / "scripts/unblock-gdb.py"
NAMES = {"locker": "waits_for_mutex", "reader": "waits_for_pipe", "hog": "computes"}


@unittest.skipUnless(shutil.which("gdb"), "needs gdb")
class Greens(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="unblock-gdb-"))
        self.addCleanup(shutil.rmtree, self.folder)
        preloaded = {"LD_PRELOAD": str(BUILD / "libunblock.so"), "UNBLOCK_PROCESSORS": "2"}
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        cwd=self.folder, env=environment() | preloaded, preexec_fn=allow_cores)
        self.addCleanup(self.discard)
        self.assertEqual(self.process.stdout.readline(), "ready\n")

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def gdb(self, *commands, target, before=("-ex", f"source {EXTENSION}")):
        words = ["gdb", "-nx", "--batch", *before] if not target else ["gdb", "-nx", "--batch", *target, *before]
        for command in ("set width 0", "set print frame-arguments none", *commands):
            words += ["-ex", command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
                              check=False)
        if "Could not attach" in done.stderr or "ptrace: Operation not permitted" in done.stderr:
            self.skipTest("this process may not attach to others")
        self.errors = done.stderr
        return done.stdout

    def live(self, *commands, **options):
        return self.gdb(*commands, target=("-p", str(self.process.pid)), **options)

    def greens(self, output):
        """The lines of `info greens`, by name: (id, state, frame)."""
        found = {}
        for line in output.splitlines():
            fields = re.match(r"[ *] (\d+)  +(\S+)  +(.*?)  +(\S.*)$", line)
            if fields:
                found[fields[2]] = (int(fields[1]), fields[3], fields[4])
        return found

    def assert_program_is_well(self):
        self.process.communicate("\n", timeout=PATIENCE)
        self.assertEqual(self.process.returncode, 0)

    def test_each_thread_is_listed_with_its_state_and_place(self):
        found = self.greens(self.live("info greens"))
        self.assertEqual(len(found), 4, self.errors)
        self.assertIn("waits: mutex 0x", found["locker"][1])
        self.assertIn("waits: descriptor ", found["reader"][1])
        self.assertIn("runs on LWP ", found["hog"][1])
        for name, function in NAMES.items():
            self.assertRegex(found[name][2], rf"^{function} \(\) at .*places\.c:\d+$")
        self.assertRegex(found[pathlib.Path(PROGRAM).name[:15]][2], r"^main \(\) at .*places\.c:\d+$")
        self.assert_program_is_well()

    def test_frames_and_variables_of_a_waiting_thread(self):
        ids = self.greens(self.live("info greens"))
        output = self.live(f"green {ids['locker'][0]}", "bt", "green", "frame function waits_for_mutex",
                           "print number_in_mutex", f"green {ids['reader'][0]}", "frame function waits_for_pipe",
                           "print number_in_pipe")
        self.assertRegex(output, r"Switching to Green thread \d+ \"locker\" \(waits: mutex 0x")
        self.assertRegex(output, r"Current is Green thread \d+ \"locker\"")
        self.assertRegex(output, r"(?s)#\d+ +\S+ in .*switch_out.*#\d+ +\S+ in waits_for_mutex")
        self.assertIn("$1 = 41", output)
        self.assertIn("$2 = 42", output)
        self.assertNotIn("Backtrace stopped", output + self.errors)
        self.assert_program_is_well()

    def test_a_running_thread_is_shown_on_its_os_thread(self):
        hog = self.greens(self.live("info greens"))["hog"][0]
        self.assertRegex(self.live(f"green {hog}", "bt"), r"#\d+ .*computes ")
        self.assert_program_is_well()

    def test_a_command_is_applied_to_all_and_to_some_and_the_choice_comes_back(self):
        output = self.live("green 2", "green apply all bt", "green", "green apply 1 3-4 frame", "green apply 9 bt")
        parts = re.split(r"\nGreen thread (\d+) ", output)
        stacks = dict(zip(map(int, parts[1:9:2]), parts[2:9:2]))
        self.assertEqual(sorted(stacks), [1, 2, 3, 4])
        for number, function in zip((1, 2, 3, 4), ("main", "waits_for_mutex", "waits_for_pipe", "computes")):
            self.assertRegex(stacks[number], rf"#\d+ .*\b{function} ")
        self.assertIn("Current is Green thread 2 ", output)
        self.assertEqual([int(number) for number in parts[9::2]], [1, 3, 4])
        self.assertIn("There is no green thread 9", self.errors)
        self.assert_program_is_well()

    def test_choosing_another_os_thread_ends_it(self):
        other = "next(t for t in gdb.selected_inferior().threads() if t.ptid != gdb.selected_thread().ptid)"
        output = self.live("green 2", "green", f"python {other}.switch()", "green")
        self.assertEqual(output.count("Current is Green thread 2"), 1)
        self.assert_program_is_well()

    def test_a_core_shows_every_stack_and_mains(self):
        core = core_of(self.process, self.folder)
        output = self.gdb("info greens", "green 2", "frame function waits_for_mutex", "print number_in_mutex",
                          "green apply all bt", target=(PROGRAM, str(core)))
        found = self.greens(output)
        for name, function in NAMES.items():
            self.assertRegex(found[name][2], rf"^{function} \(\) at .*places\.c:\d+$")
        self.assertIn("$1 = 41", output)
        for function in ("main", *NAMES.values()):
            self.assertRegex(output, rf"#\d+ .*\b{function} \(.*places\.c:\d+")

    def test_its_gcore_writes_every_stack_and_the_program_goes_on(self):
        core = self.folder / "saved"
        output = self.live(f"gcore {core}")
        self.assertIn(f"Saved corefile {core}", output, self.errors)
        self.assertNotIn("Memory read failed", output + self.errors)
        self.assert_program_is_well()
        result = unblock("stack", "--core", core)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for function in ("main", *NAMES.values()):
            self.assertRegex(result.stdout, rf"#\d+ +{function} at \S*places\.c:\d+")

    def test_a_core_of_gdbs_own_is_whole_or_says_what_it_lacks(self):
        core = self.folder / "saved"
        self.live(f"generate-core-file {core}", before=())
        self.assert_program_is_well()
        result = unblock("stack", "--core", core)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lacking = result.stdout.count("its stack is not in the core file: gdb's gcore leaves it out")
        shown = sum(f" {function} at " in result.stdout for function in ("waits_for_mutex", "waits_for_pipe"))
        self.assertEqual(lacking + shown, 2)

    def test_gdb_loads_it_by_itself_where_it_trusts_the_folder(self):
        output = self.live("info greens", before=("-iex", f"add-auto-load-safe-path {BUILD}"))
        self.assertEqual(len(self.greens(output)), 4, self.errors)
        self.assert_program_is_well()

    def test_programs_without_unblock_get_one_line(self):
        self.gdb("info greens", target=("/bin/true",))
        self.assertRegex(self.errors, r"no libunblock\.so")
        self.assert_program_is_well()


if __name__ == "__main__":
    unittest.main()
