"""Scripts are judged, and run, by their interpreter."""
import unittest

from fixture import CommandTest, compile_c

PRINT_PRELOAD = "echo LD_PRELOAD=$LD_PRELOAD\n"


class Scripts(CommandTest):
    def static_interpreter(self):
        """An interpreter that runs nothing and ends with 7."""
        return compile_c("int main(void) { return 7; }", self.folder / "static-shell", "-static")

    def test_a_script_runs_with_the_preload(self):
        for line in ("#!/bin/sh\n", "#! /bin/sh -e\n", "#!/usr/bin/env sh\n", "#!/usr/bin/env -S A=1 sh -e\n"):
            with self.subTest(line):
                script = self.write("script", line + PRINT_PRELOAD)
                self.assert_silent(self.unblock(script))
                self.assertEqual(self.preload_of(script), str(self.library))

    def test_a_text_without_a_line_is_run_by_the_shell(self):
        for text in (PRINT_PRELOAD, "#!\n" + PRINT_PRELOAD, "# comment\n" + PRINT_PRELOAD):
            with self.subTest(text):
                self.assertEqual(self.preload_of(self.write("text", text)), str(self.library))
        script = self.write("arguments", "echo $0 $*")
        self.assertEqual(self.unblock(script, "a", "b").stdout, f"{script} a b\n")

    def test_an_empty_file_is_an_empty_script(self):
        self.assert_silent(self.unblock(self.write("empty", "")))

    def test_a_static_interpreter_is_told(self):
        static = self.static_interpreter()
        for line in (f"#!{static}\n", f"#!/usr/bin/env {static}\n", f"#!/usr/bin/env -S {static} -x\n"):
            with self.subTest(line):
                result = self.unblock(self.write("script", line))
                self.assert_one_line(result, "script", str(static), "statically linked")
                self.assertEqual(result.returncode, 7)

    def test_env_finds_its_program_in_path(self):
        static = self.static_interpreter()
        script = self.write("script", f"#!/usr/bin/env {static.name}\n")
        result = self.unblock(script, environment=self.environment(PATH=f"{self.folder}:/usr/bin:/bin"))
        self.assert_one_line(result, str(static), "statically linked")
        self.assertEqual(result.returncode, 7)

    def test_a_program_that_env_does_not_find_is_left_to_env(self):
        result = self.unblock(self.write("script", "#!/usr/bin/env unblock-no-such-program\n"))
        self.assertEqual(result.returncode, 127)
        self.assertNotIn("unblock: ", result.stderr)

    def test_a_missing_interpreter_is_127(self):
        script = self.write("script", "#!/no/where -x\n")
        self.assert_refused(self.unblock(script), 127, str(script), "/no/where", "No such file")

    def test_an_interpreter_that_may_not_be_executed_is_126(self):
        plain = self.write("plain", "", mode=0o644)
        self.assert_refused(self.unblock(self.write("script", f"#!{plain}\n")), 126, str(plain), "Permission denied")

    def test_interpreters_nest_as_deep_as_the_kernel_allows(self):
        for scripts in range(1, 5):
            with self.subTest(scripts):
                self.assertEqual(self.unblock(self.nested(scripts)).returncode, 0)
        self.assert_refused(self.unblock(self.nested(5)), 126, "nests too many interpreters")

    def nested(self, scripts):
        """A script whose interpreter is a script, and so on: so many of them, then true."""
        previous = "/bin/true"
        for number in range(scripts + 1):
            previous = self.write(f"nested{scripts}-{number}", f"#!{previous}\n")
        return previous

    def test_a_script_that_is_its_own_interpreter_is_refused(self):
        path = self.folder / "self"
        self.assert_refused(self.unblock(self.write("self", f"#!{path}\n")), 126, "nests too many interpreters")


if __name__ == "__main__":
    unittest.main()
