"""Under filters that forbid to change code, libc's inside parks by another way, or blocks an OS thread and says so."""
import ctypes
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"])
PROGRAM = BUILD / "tests/liveness/liveness.inside_libc"
PATIENCE_SECONDS = 40
SAYS = "unblock: look-ups of names, syslog and the like block their OS thread while they wait: "

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 22, 38, 65
SYS_MPROTECT, SYS_PWRITE64 = 10, 18
PROT_EXEC = 4
LOAD, JUMP_IF_EQUAL, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, REFUSE = 0x7fff0000, 0x00050001  # with EPERM
libc = ctypes.CDLL(None, use_errno=True)


def prctl(*words):
    if libc.prctl(*(ctypes.c_ulong(word) for word in words)) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def refuse(*rules):
    """A filter of system calls. A rule is a number, and the bits of the third argument for which it is refused."""
    program = []
    for number, bits in rules:
        program += [(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 3 if bits else 1, number)]
        program += [(LOAD, 0, 0, 32), (JUMP_IF_SET, 0, 1, bits)] if bits else []
        program += [(RETURN, 0, 0, REFUSE)]
    program += [(RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(header), 0, 0)


class Confined(unittest.TestCase):
    def run_under(self, confine, tests="Names.*:Commands.*", **environment):
        """What the program printed, and what the library counted."""
        with tempfile.TemporaryDirectory() as folder:
            statistics = pathlib.Path(folder) / "statistics"
            result = subprocess.run([PROGRAM, f"--gtest_filter={tests}"], preexec_fn=confine, capture_output=True,
                                    text=True, timeout=PATIENCE_SECONDS, env=os.environ | environment | {
                                        "LD_PRELOAD": str(BUILD / "libunblock.so"), "UNBLOCK_STATS": str(statistics)})
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            lines = (line.split(maxsplit=1) for line in statistics.read_text().splitlines())
            return result.stderr, {name: value for name, value in lines}

    def assert_parks(self, confine):
        said, counts = self.run_under(confine, UNBLOCK_PROCESSORS="1", UNBLOCK_MONITOR="0")
        self.assertEqual(said, "")
        self.assertGreater(int(counts["libc_entries"]), 20)

    def test_by_the_kernels_door_where_memory_stays_as_it_is(self):
        self.assert_parks(lambda: refuse((SYS_MPROTECT, PROT_EXEC)))

    def test_where_the_process_was_told_to_keep_its_memory(self):
        try:
            result = subprocess.run(["true"], preexec_fn=lambda: prctl(PR_SET_MDWE, 1, 0, 0, 0), timeout=PATIENCE_SECONDS)
        except subprocess.SubprocessError:
            self.skipTest("this kernel has no PR_SET_MDWE")
        self.assertEqual(result.returncode, 0)
        self.assert_parks(lambda: prctl(PR_SET_MDWE, 1, 0, 0, 0))

    def test_by_changing_protections_where_the_door_is_shut(self):
        self.assert_parks(lambda: refuse((SYS_PWRITE64, 0)))

    def test_both_refused_means_blocking_and_a_line(self):
        said, counts = self.run_under(lambda: refuse((SYS_PWRITE64, 0), (SYS_MPROTECT, PROT_EXEC)))
        self.assertEqual(said.count(SAYS), 1, said)
        self.assertEqual(counts["libc_entries"], "0")
        self.assertGreater(int(counts["hand_offs"]), 0)

    def test_turned_off_is_silent(self):
        said, counts = self.run_under(None, UNBLOCK_DEEP="0")
        self.assertEqual((said, counts["libc_entries"]), ("", "0"))


if __name__ == "__main__":
    unittest.main()
