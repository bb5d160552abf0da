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
        versions = set().union(*elf.exported().values()) - {""}
        self.assertGreater(len(api), 0)
        self.assertEqual(set(elf.exported()) - api - versions, set(elf.interposed()))

    def test_interposed_names_are_there_without_a_version(self):
        """One that is inside a named version node is passed over by the dynamic linker."""
        self.assertEqual({name for name in elf.interposed() if "" not in elf.exported().get(name, ())}, set())

    def test_condition_variables_also_answer_who_asks_by_version(self):
        """ThreadSanitizer's runtime does."""
        twins = {name for name, versions in elf.exported().items() if "GLIBC_2.3.2" in versions}
        calls = ("wait", "timedwait", "signal", "broadcast")
        self.assertEqual(twins, {f"pthread_cond_{call}" for call in calls})

    def test_api_carries_its_version(self):
        api = [versions for name, versions in elf.exported().items() if name.startswith("unblock_")]
        self.assertEqual(set().union(*api), {"UNBLOCK_1"})

    def test_needs_libc_alone(self):
        needed = {value.partition("[")[2].rstrip("]") for tag, value in elf.dynamic_entries() if tag == "NEEDED"}
        self.assertIn("libc.so.6", needed)
        self.assertLessEqual(needed, {"libc.so.6", "ld-linux-x86-64.so.2"})

    def test_calls_no_interposed_name(self):
        """Not even its own: it would be bound to whichever library stands first."""
        self.assertEqual(elf.imported() & set(elf.interposed()), set())

    def test_calls_nothing_that_a_sanitizer_has_a_version_of(self):
        """shim/libc_calls.def says why. That there is a __tsan_init tells that the runtime is there."""
        for runtime in ("libtsan.so", "libasan.so"):
            with self.subTest(runtime):
                functions = elf.functions_of(elf.path_of_runtime(runtime))
                self.assertIn("memcpy", functions)
                self.assertEqual(elf.imported() & functions - {"__tsan_init"}, set(), "belongs into libc_calls.def")

    def test_is_initialised_first(self):
        flags = dict(elf.dynamic_entries()).get("FLAGS_1", "")
        self.assertIn("INITFIRST", flags)

    def test_has_a_soname(self):
        self.assertRegex(dict(elf.dynamic_entries()).get("SONAME", ""), r"\[libunblock\.so\.\d+\]")


if __name__ == "__main__":
    unittest.main()
