"""The public header is one for C and for C++, and of the command's version."""
import os
import re
import subprocess
import unittest

from fixture import COMPILER, CommandTest

INCLUDE = os.path.join(os.environ["UNBLOCK_SOURCE_DIR"], "include")
PROGRAM = '#include <unblock/unblock.h>\n#include <unblock/unblock.h>\n' \
          'int size_of_counts[sizeof(struct unblock_counts) == 25 * sizeof(uint64_t) ? 1 : -1];\n'


class Header(CommandTest):
    def test_both_languages_accept_it_without_a_warning(self):
        for language, standard in (("c", "c11"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")):
            with self.subTest(standard):
                options = ["-x", language, f"-std={standard}", "-pedantic-errors", "-Wall", "-Wextra", "-Werror"]
                result = subprocess.run([COMPILER, *options, "-fsyntax-only", "-I", INCLUDE, "-"], input=PROGRAM,
                                        capture_output=True, text=True, timeout=30)
                self.assertEqual(result.stderr, "")
                self.assertEqual(result.returncode, 0)

    def test_its_versions_are_one(self):
        with open(os.path.join(INCLUDE, "unblock", "unblock.h")) as header:
            macros = dict(re.findall(r'#define UNBLOCK_VERSION_(\w+) "?([\d.]+)"?\n', header.read()))
        numbers = ".".join(macros[part] for part in ("MAJOR", "MINOR", "PATCH"))
        self.assertEqual(macros["STRING"], numbers)
        self.assertEqual(self.unblock("--version").stdout, f"unblock {numbers}\n")


if __name__ == "__main__":
    unittest.main()
