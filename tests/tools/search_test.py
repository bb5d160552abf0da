"""The search for a program: execvp's, file by file."""
import subprocess
import unittest

from fixture import CommandTest


class Search(CommandTest):
    def found(self, name, *folders, cwd=None):
        path = ":".join(map(str, folders))
        return self.unblock(name, environment=self.environment(PATH=path), cwd=cwd)

    def assert_found(self, result, output):
        self.assert_silent(result)
        self.assertEqual(result.stdout, output)

    def setUp(self):
        super().setUp()
        self.first = self.write("a/tool", "#!/bin/sh\necho first\n").parent
        self.second = self.write("b/tool", "#!/bin/sh\necho second\n").parent

    def test_the_first_folder_of_path_wins(self):
        self.assert_found(self.found("tool", "/nowhere", self.first, self.second), "first\n")

    def test_an_empty_entry_is_the_working_directory(self):
        for entries in (["", self.second], ["/nowhere", "", self.second], ["/nowhere", ""]):
            with self.subTest(entries):
                self.assert_found(self.found("tool", *entries, cwd=self.first), "first\n")

    def test_without_path_the_system_is_searched(self):
        environment = self.environment()
        del environment["PATH"]
        self.assert_silent(self.unblock("true", environment=environment))

    def test_a_file_that_may_not_be_executed_is_passed_over(self):
        (self.first / "tool").chmod(0o644)
        self.assert_found(self.found("tool", self.first, self.second), "second\n")

    def test_a_script_without_its_interpreter_is_passed_over(self):
        self.write("a/tool", "#!/no/where\n")
        self.assert_found(self.found("tool", self.first, self.second), "second\n")

    def test_a_folder_of_that_name_is_passed_over(self):
        (self.first / "tool").unlink()
        (self.first / "tool").mkdir()
        self.assert_found(self.found("tool", self.first, self.second), "second\n")

    def test_a_missing_program_is_127(self):
        for name in ("unblock-no-such-program", "./unblock-no-such-program", ""):
            with self.subTest(name):
                self.assert_refused(self.unblock(name), 127, name, "no such program")

    def test_a_program_that_may_not_be_executed_is_126(self):
        (self.first / "tool").chmod(0o644)
        for name in ("tool", self.first / "tool"):
            with self.subTest(name):
                self.assert_refused(self.found(name, self.first, "/nowhere"), 126, "tool", "Permission denied")
        for path, says in ((self.first, "Permission denied"), (self.first / "tool/x", "Not a directory"),
                           ("/dev/null", "Permission denied"), ("x" * 5000, "too long")):
            with self.subTest(path):
                self.assert_refused(self.unblock(path), 126, says)

    def test_every_refusal_has_the_code_of_env(self):
        (self.second / "tool").chmod(0o644)
        for name in ("unblock-no-such-program", self.second / "tool", self.first, self.first / "tool/x", "x" * 5000):
            with self.subTest(name):
                env = subprocess.run(["env", str(name)], capture_output=True, timeout=30)
                self.assertEqual(self.unblock(name).returncode, env.returncode)

    def test_the_program_is_called_by_the_name_it_was_given(self):
        self.assertEqual(self.unblock("sh", "-c", "echo $0").stdout, "sh\n")

    def test_a_name_with_a_line_end_is_told_in_one_line(self):
        self.assert_refused(self.unblock("two\nlines"), 127, "two?lines")


if __name__ == "__main__":
    unittest.main()
