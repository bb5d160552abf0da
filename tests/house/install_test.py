#!/usr/bin/env python3
"""An installed tree serves a program that links the library, by find_package, by pkg-config and by the command."""
import os
import pathlib
import subprocess
import tempfile
import unittest

from places import BUILD

# It knows of us only that it is linked: two threads that meet over a pipe.
PROGRAM = """
#include <pthread.h>
#include <stdio.h>
#include <unblock/unblock.h>
#include <unistd.h>

static int ends[2];

static void* writer(void* nothing) { return write(ends[1], "x", 1) == 1 ? nothing : (void*)1; }

int main(void) {
  pthread_t thread;
  char byte = 0;
  if (pipe(ends) != 0 || pthread_create(&thread, NULL, writer, NULL) != 0) return 1;
  if (read(ends[0], &byte, 1) != 1 || pthread_join(thread, NULL) != 0) return 1;
  printf("%s %c %d\\n", unblock_version(), byte, unblock_is_active());
  return 0;
}
"""

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(unblock 0.1 REQUIRED)
find_package(Threads REQUIRED)
add_executable(consumer consumer.c)
target_link_libraries(consumer PRIVATE unblock::unblock Threads::Threads)
"""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="unblock-install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.work = pathlib.Path(cls.folder.name)
        first = cls.work / "first"
        run("cmake", "--install", BUILD, "--prefix", first)
        # Nothing in the tree may depend on where it was put.
        cls.prefix = first.rename(cls.work / "moved")
        (cls.work / "consumer.c").write_text(PROGRAM)
        (cls.work / "CMakeLists.txt").write_text(PROJECT)

    def library_folder(self):
        found = list(self.prefix.glob("lib/**/libunblock.so"))
        self.assertEqual(len(found), 1, found)
        return found[0].parent

    def check(self, program, **variables):
        version, byte, active = run(program, env={**os.environ, **variables}).split()
        self.assertRegex(version, r"^\d+\.\d+\.\d+$")
        self.assertEqual((byte, active), ("x", "1"))

    def test_find_package(self):
        run("cmake", "-S", self.work, "-B", self.work / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", self.work / "build")
        self.check(self.work / "build/consumer")

    def test_pkg_config(self):
        folder = self.library_folder()
        flags = run("pkg-config", "--cflags", "--libs", "unblock",
                    env={**os.environ, "PKG_CONFIG_PATH": str(folder / "pkgconfig")}).split()
        run("cc", "consumer.c", "-o", "by-pkg-config", *flags, cwd=self.work)
        self.check(self.work / "by-pkg-config", LD_LIBRARY_PATH=str(folder))

    def test_library_has_its_soname(self):
        folder = self.library_folder()
        self.assertTrue((folder / "libunblock.so.0").exists())

    def test_command_finds_the_installed_library(self):
        statistics = self.work / "statistics"
        run(self.prefix / "bin/unblock", f"--stats={statistics}", "--", "/usr/bin/python3", "-c",
            "import threading; t = threading.Thread(target=print); t.start(); t.join()")
        self.assertIn("active 1", statistics.read_text())


if __name__ == "__main__":
    unittest.main()
