"""The command's own options, and how it ends."""
import signal
import subprocess
import unittest

from fixture import COMMAND, CommandTest


class Options(CommandTest):
    def test_help_names_every_option_and_twin(self):
        result = self.unblock("--help")
        self.assert_silent(result)
        for text in ("--processors N", "--stack SIZE", "--stats=FILE", "--no-monitor", "--no-deep", "--version",
                     "UNBLOCK_PROCESSORS", "UNBLOCK_STACK", "UNBLOCK_STATS", "UNBLOCK_MONITOR", "UNBLOCK_DEEP",
                     "UNBLOCK_LIBRARY",
                     "125", "126", "127"):
            self.assertIn(text, result.stdout)
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 120)

    def test_help_needs_no_library(self):
        self.assert_silent(self.unblock("--help", environment=self.environment(UNBLOCK_LIBRARY="/nowhere")))

    def test_version_is_one_line(self):
        result = self.unblock("--version")
        self.assert_silent(result)
        self.assertRegex(result.stdout, r"\Aunblock \d+\.\d+\.\d+\n\Z")

    def test_an_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            self.assertEqual(subprocess.run([COMMAND, "--help"], stdout=full, timeout=30).returncode, 125)

    def test_a_program_is_needed(self):
        for arguments in ([], ["--"], ["--stats"], ["--processors", "2", "--"]):
            with self.subTest(arguments):
                self.assert_refused(self.unblock(*arguments), 125, "no program")

    def test_unknown_options_are_refused(self):
        for option in ("--bogus", "-x", "--stat", "--processor=1", "-p4"):
            with self.subTest(option):
                self.assert_refused(self.unblock(option, "true"), 125, f"'{option}'", "--help")

    def test_a_missing_value_is_named(self):
        for option in ("--processors", "--stack"):
            with self.subTest(option):
                self.assert_refused(self.unblock(option), 125, f"'{option}'", "needs a value")

    def test_a_switch_takes_no_value(self):
        self.assert_refused(self.unblock("--no-monitor=1", "true"), 125, "--no-monitor")

    def test_impossible_processors_are_refused(self):
        for value in ("0", "-1", "1025", "99999999999999999999", "two", "2x", "", " 2", "1.5", "0x2"):
            with self.subTest(value):
                self.assert_refused(self.unblock("--processors", value, "true"), 125, f"'{value}'", "from 1 to 1024")
                self.assert_refused(self.unblock(f"--processors={value}x", "true"), 125, "from 1 to 1024")

    def test_impossible_stacks_are_refused(self):
        for value in ("0", "-1", "16383", "15K", "1025G", "18446744073709551616", "99999999999999999999G", "64KB", "K",
                      "", "1T", "6 4K"):
            with self.subTest(value):
                self.assert_refused(self.unblock("--stack", value, "true"), 125, f"'{value}'", "K, M or G")

    def test_accepted_numbers_are_passed_on_as_written(self):
        for option, name, values in (("--processors", "UNBLOCK_PROCESSORS", ("1", "1024", "007")),
                                     ("--stack", "UNBLOCK_STACK", ("131072", "256k", "8M", "1G", "1024G"))):
            for value in values:
                with self.subTest(value):
                    result = self.unblock(option, value, "env")
                    self.assert_silent(result)
                    self.assertIn(f"{name}={value}\n", result.stdout)

    def test_options_end_at_the_program(self):
        arguments = ["--processors", "2", "--help", "--", "--stats", "++", "[a]", "-x=1", ""]
        result = self.unblock("--processors", "1", "printf", "%s\n", *arguments)
        self.assert_silent(result)
        self.assertEqual(result.stdout.split("\n")[:-1], arguments)

    def test_two_dashes_end_the_options(self):
        program = self.write("--weird", "#!/bin/sh\necho \"$@\"\n")
        environment = self.environment(PATH=f"{self.folder}:/usr/bin:/bin")
        result = self.unblock("--no-monitor", "--", program.name, "--", "-x", environment=environment)
        self.assert_silent(result)
        self.assertEqual(result.stdout, "-- -x\n")

    def test_the_last_of_equal_options_wins(self):
        result = self.unblock("--processors", "1", "--processors=2", "env")
        self.assertIn("UNBLOCK_PROCESSORS=2\n", result.stdout)


class Ends(CommandTest):
    def test_the_exit_code_is_the_programs(self):
        for code in (0, 1, 42, 125, 255):
            with self.subTest(code):
                self.assert_silent(self.unblock("sh", "-c", f"exit {code}"), code)

    def test_a_signal_that_ends_the_program_is_seen_by_the_shell(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                script = f"'{COMMAND}' sh -c 'kill -{int(number)} $$'; exit $?"
                result = subprocess.run(["sh", "-c", script], env=self.environment(), capture_output=True, timeout=30)
                self.assertEqual(result.returncode, 128 + number)

    def test_the_program_has_the_commands_process(self):
        child = subprocess.Popen([COMMAND, "sh", "-c", "echo $$"], env=self.environment(), stdout=subprocess.PIPE)
        output, _ = child.communicate(timeout=30)
        self.assertEqual(int(output), child.pid)

    def test_the_program_has_no_descriptors_of_the_commands(self):
        listing = ["sh", "-c", "ls /proc/$$/fd"]
        native = subprocess.run(listing, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30).stdout
        self.assertEqual(self.unblock("--stats=" + str(self.folder / "s"), *listing).stdout, native)


if __name__ == "__main__":
    unittest.main()
