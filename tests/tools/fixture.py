"""What the tests of the command share: a folder of their own, a library that does nothing, and ways to run things."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

COMMAND = os.environ["UNBLOCK_TEST_COMMAND"]
COMPILER = os.environ["UNBLOCK_TEST_COMPILER"]
PATIENCE = 30  # seconds until a program is taken to hang


class CommandTest(unittest.TestCase):
    """Each test has an empty folder, self.folder; the library stands outside it."""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="unblock-tools-"))
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.home.chmod(0o755)  # other users run programs in it
        cls.library = cls.home / "libnothing.so"
        compile_c("int unblock_test_library;", cls.library, "-shared", "-fPIC")

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.home))
        self.folder.chmod(0o755)

    def environment(self, **changes):
        """The environment of the tests without anything that the command heeds, then changed."""
        result = {name: value for name, value in os.environ.items()
                  if name != "LD_PRELOAD" and not name.startswith("UNBLOCK_")}
        result["UNBLOCK_LIBRARY"] = str(self.library)
        for name, value in changes.items():
            result[name] = str(value)
        return result

    def unblock(self, *arguments, environment=None, command=COMMAND, **options):
        """Runs the command; its result has returncode, stdout and stderr."""
        return subprocess.run([str(command), *map(str, arguments)], env=environment or self.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, **options)

    def assert_refused(self, result, code, *says):
        """The command gave up with `code` and one line that holds each text of `says`."""
        self.assertEqual(result.stdout, "")
        self.assert_one_line(result, *says)
        self.assertEqual(result.returncode, code)

    def assert_one_line(self, result, *says):
        self.assertRegex(result.stderr, r"\Aunblock: [^\n]+\n\Z")
        for text in says:
            self.assertIn(text, result.stderr)

    def assert_silent(self, result, code=0):
        self.assertEqual(result.stderr, "")
        self.assertEqual(result.returncode, code)

    def write(self, name, content, mode=0o755):
        """Makes a file in the test's folder; returns its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def preload_of(self, *arguments, **options):
        """What LD_PRELOAD was in a program that prints it when it is run so; None when it was not set."""
        result = self.unblock(*arguments, **options)
        for line in result.stdout.splitlines():
            name, _, value = line.partition("=")
            if name == "LD_PRELOAD":
                return value
        return None


def compile_c(source, output, *options):
    """Compiles C source to `output`."""
    subprocess.run([COMPILER, "-x", "c", "-", "-o", str(output), *options], input=source, text=True, check=True,
                   timeout=PATIENCE)
    return output


def native_code(*arguments):
    """The return code of a program without the command; 126 when the kernel does not execute it."""
    try:
        return subprocess.run(list(map(str, arguments)), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE).returncode
    except OSError:
        return 126
