#!/usr/bin/env python3
"""The library stands before libc, needs it alone, and exports what the one list of names says."""
import unittest

import elf


class Library(unittest.TestCase):
    def test_list_names_each_function_once(self):
        names = elf.interposed()
        self.assertGreater(len(names), 0)
        self.assertEqual(sorted(names), sorted(set(names)))

    def test_exports_the_list_and_the_api_and_nothing_else(self):
        api = {name for name in elf.exported() if name.startswith("unblock_")}
        versions = {version for version in elf.exported().values() if version}
        self.assertGreater(len(api), 0)
        self.assertEqual(set(elf.exported()) - api - versions, set(elf.interposed()))

    def test_interposed_names_carry_no_version(self):
        """One that is inside a named version node is passed over by the dynamic linker."""
        self.assertEqual({name for name in elf.interposed() if elf.exported().get(name)}, set())

    def test_api_carries_its_version(self):
        api = {name: version for name, version in elf.exported().items() if name.startswith("unblock_")}
        self.assertEqual(set(api.values()), {"UNBLOCK_1"})

    def test_needs_libc_alone(self):
        needed = {value.partition("[")[2].rstrip("]") for tag, value in elf.dynamic_entries() if tag == "NEEDED"}
        self.assertIn("libc.so.6", needed)
        self.assertLessEqual(needed, {"libc.so.6", "ld-linux-x86-64.so.2"})

    def test_calls_no_interposed_name(self):
        """Not even its own: it would be bound to whichever library stands first."""
        self.assertEqual(elf.imported() & set(elf.interposed()), set())

    def test_is_initialised_first(self):
        flags = dict(elf.dynamic_entries()).get("FLAGS_1", "")
        self.assertIn("INITFIRST", flags)

    def test_has_a_soname(self):
        self.assertRegex(dict(elf.dynamic_entries()).get("SONAME", ""), r"\[libunblock\.so\.\d+\]")


if __name__ == "__main__":
    unittest.main()
