"""What the program finds in its environment, and where its library comes from."""
import pathlib
import shutil
import unittest

from fixture import COMMAND, CommandTest, compile_c


class Twins(CommandTest):
    def twins(self, *options, **changes):
        output = self.unblock(*options, "env", environment=self.environment(**changes)).stdout
        names = ("UNBLOCK_PROCESSORS", "UNBLOCK_STACK", "UNBLOCK_STATS", "UNBLOCK_MONITOR",
                 "UNBLOCK_DEEP", "UNBLOCK_CREATION_STACKS", "UNBLOCK_REPORT_HOGS")
        lines = (line.partition("=") for line in output.splitlines())
        return {name: value for name, _, value in lines if name in names}

    def test_no_option_sets_nothing(self):
        self.assertEqual(self.twins(), {})

    def test_each_option_sets_its_twin(self):
        self.assertEqual(self.twins("--processors", "3", "--stack=64M", "--stats", "--no-monitor",
                                   "--no-deep", "--creation-stacks"),
                         {"UNBLOCK_PROCESSORS": "3", "UNBLOCK_STACK": "64M", "UNBLOCK_STATS": "1",
                          "UNBLOCK_MONITOR": "0", "UNBLOCK_DEEP": "0", "UNBLOCK_CREATION_STACKS": "1"})

    def test_an_option_wins_over_the_environment(self):
        self.assertEqual(self.twins("--report-hogs", "50ms", UNBLOCK_REPORT_HOGS="1s"), {"UNBLOCK_REPORT_HOGS": "50ms"})
        self.assertEqual(self.twins("--processors", "3", UNBLOCK_PROCESSORS=1, UNBLOCK_STACK="1M"),
                         {"UNBLOCK_PROCESSORS": "3", "UNBLOCK_STACK": "1M"})

    def test_a_statistics_file_becomes_an_absolute_path(self):
        result = self.unblock("--stats=statistics", "env", cwd=self.folder)
        self.assert_silent(result)
        self.assertIn(f"UNBLOCK_STATS={self.folder}/statistics\n", result.stdout)

    def test_statistics_that_cannot_be_written_are_refused(self):
        for name, says in (("", "name of a file"), (self.folder, "directory"), (self.folder / "no/where", "No such")):
            with self.subTest(name):
                self.assert_refused(self.unblock(f"--stats={name}", "true"), 125, "--stats", says)

    def test_statistics_that_are_there_are_kept(self):
        path = self.write("statistics", "pid 1\n")
        self.assert_silent(self.unblock(f"--stats={path}", "true"))
        self.assertEqual(path.read_text(), "pid 1\n")


class Preload(CommandTest):
    def test_the_library_is_loaded(self):
        self.assertIn(str(self.library), self.unblock("cat", "/proc/self/maps").stdout)

    def test_an_existing_preload_is_kept_behind_ours(self):
        other = compile_c("int other;", self.folder / "other.so", "-shared", "-fPIC")
        # A command that was itself built with a sanitizer would not start behind another preload.
        environment = self.environment(LD_PRELOAD=other, ASAN_OPTIONS="verify_asan_link_order=0")
        self.assertEqual(self.preload_of("env", environment=environment), f"{self.library}:{other}")

    def test_a_nested_command_adds_nothing(self):
        self.assertEqual(self.preload_of(COMMAND, COMMAND, "env").split(":").count(str(self.library)), 1)

    def test_a_sanitizers_runtime_stays_first(self):
        runtime = compile_c("int runtime;", self.folder / "libasan.so.8", "-shared", "-fPIC")
        self.assertEqual(self.preload_of("env", environment=self.environment(LD_PRELOAD=runtime)),
                         f"{runtime}:{self.library}")

    def test_a_program_with_a_sanitizer_runs(self):
        source = 'extern char** environ; int puts(const char*); int main(void) { while (*environ) puts(*environ++); }'
        program = compile_c(source, self.folder / "program", "-fsanitize=address")
        environment = self.environment(ASAN_OPTIONS="detect_leaks=0")
        self.assertEqual(self.unblock(program, environment=environment).returncode, 0)
        self.assertRegex(self.preload_of(program, environment=environment), rf"\Alibasan\.so\.\d+:{self.library}\Z")

    def test_a_relative_library_becomes_an_absolute_path(self):
        environment = self.environment(UNBLOCK_LIBRARY=self.library.name)
        self.assertEqual(self.preload_of("env", environment=environment, cwd=self.home), str(self.library))


class Library(CommandTest):
    def with_library(self, path):
        return self.unblock("true", environment=self.environment(UNBLOCK_LIBRARY=path))

    def test_a_library_that_cannot_be_used_is_refused(self):
        blank = self.folder / "with blank"
        blank.mkdir()
        shutil.copy(self.library, blank / "lib.so")
        for path, says in (("/no/where.so", "No such file"), (self.folder, "not a shared library"),
                           (self.write("text.so", "text"), "not a shared library"),
                           (self.write("short.so", self.library.read_bytes()[:100]), "not a shared library"),
                           (blank / "lib.so", "blank")):
            with self.subTest(path):
                self.assert_refused(self.with_library(path), 125, str(path), says)

    def installed(self, command, library):
        """A copy of the command and the library in another place; what the copied command preloads."""
        for origin, place in ((COMMAND, command), (self.library, library)):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, place)
        environment = self.environment()
        del environment["UNBLOCK_LIBRARY"]
        return self.preload_of("env", command=command, environment=environment)

    def test_the_library_beside_the_command_is_found(self):
        library = self.folder / "libunblock.so.0"
        self.assertEqual(self.installed(self.folder / "unblock", library), str(library))

    def test_the_library_of_an_install_is_found(self):
        for folder in ("lib", "lib64"):
            with self.subTest(folder):
                prefix = self.folder / f"prefix-{folder}"
                library = prefix / folder / "libunblock.so.0"
                self.assertEqual(self.installed(prefix / "bin" / "unblock", library), str(library))

    def test_a_command_without_a_library_says_so(self):
        command = pathlib.Path(shutil.copy(COMMAND, self.folder / "unblock"))
        environment = self.environment(UNBLOCK_LIBRARY="")
        self.assert_refused(self.unblock("true", command=command, environment=environment), 125, "libunblock.so",
                            "UNBLOCK_LIBRARY")


if __name__ == "__main__":
    unittest.main()
