#!/usr/bin/env python3
"""Looking beyond the process's memory: UNIX sockets and who is at their other end, and processes of other namespaces."""
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

from looked_at import COMMAND, PATIENCE, environment, unblock

PROGRAM = os.environ["UNBLOCK_TEST_PROGRAM"]
SOCK_DIAG, SOCK_DIAG_BY_FAMILY, DUMP = 4, 20, 0x301

CONNECTED = """if True:
    import os, socket, sys, threading
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    server = listener.accept()[0]
    one, other = socket.socketpair()
    for wait in (listener.accept, *(lambda end=end: end.recv(1) for end in (client, server, one))):
        threading.Thread(target=wait, daemon=True).start()
    inode = lambda end: str(os.fstat(end.fileno()).st_ino)
    print(*map(inode, (client, one, other)), flush=True)
    sys.stdin.read()
    os._exit(0)
"""


def kernel_tells_peers():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as asked:
        asked.settimeout(PATIENCE)
        question = struct.pack("<BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, 0, 4, 0, 0)
        asked.send(struct.pack("<IHHII", 16 + len(question), SOCK_DIAG_BY_FAMILY, DUMP, 1, 0) + question)
        return struct.unpack_from("<IH", asked.recv(65536))[1] == SOCK_DIAG_BY_FAMILY


def can_unshare():
    words = ["unshare", "--pid", "--fork", "--mount", "--", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(words, capture_output=True, check=False).returncode == 0


class Peers(unittest.TestCase):
    def test_both_ends_of_unix_sockets_are_told(self):
        folder = tempfile.TemporaryDirectory(prefix="unblock-unix-")
        self.addCleanup(folder.cleanup)
        path = folder.name + "/socket"
        program = subprocess.Popen([COMMAND, "--", sys.executable, "-c", CONNECTED, path], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=environment())
        self.addCleanup(program.communicate)
        client, one, other = program.stdout.readline().split()
        found = set()
        for _ in range(1000):  # until all four have got so far as to wait
            rows = json.loads(unblock("ps", program.pid, "--json", "--filter", "id>1").stdout)
            found = {(row["local"], row["peer"]) for row in rows if row["wait_kind"] == "descriptor"}
            if len(found) == 4:
                break
        if not kernel_tells_peers():
            self.skipTest("this kernel has no unix_diag")
        self.assertEqual(found, {(path, None), (f"[{client}]", path), (path, f"[{client}]"), (f"[{one}]", f"[{other}]")})


@unittest.skipUnless(can_unshare(), "namespaces of one's own take root")
class Namespaces(unittest.TestCase):
    def setUp(self):
        """The program runs from a file that nobody else has, and knows other numbers than we do."""
        folder = tempfile.TemporaryDirectory(prefix="unblock-elsewhere-")
        self.addCleanup(folder.cleanup)
        self.program = pathlib.Path(folder.name) / "hidden/program"
        self.program.parent.mkdir()
        script = f"mount -t tmpfs none {self.program.parent} && cp {PROGRAM} {self.program} && exec {COMMAND} {self.program}"
        self.outer = subprocess.Popen(["unshare", "--pid", "--fork", "--mount", "--kill-child", "--", "sh", "-c", script],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
        self.addCleanup(self.outer.communicate)
        self.addCleanup(self.outer.kill)
        self.assertEqual(self.outer.stdout.readline(), "ready\n")
        children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text()
        self.pid = int(children.split()[0])

    def test_names_and_lines_come_from_its_own_files(self):
        self.assertFalse(self.program.exists())
        result = unblock("stack", self.pid)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for function in ("main", "waits_for_mutex", "waits_for_pipe", "computes"):
            self.assertRegex(result.stdout, rf"#\d+ +{function} at \S*places\.c:\d+")

    def test_os_threads_have_the_numbers_that_they_have_here(self):
        rows = {row["start"]: row for row in json.loads(unblock("ps", self.pid, "--json").stdout)}
        self.assertEqual(rows["main"]["tid"], 1)  # as it knows itself
        tasks = {int(name) for name in os.listdir(f"/proc/{self.pid}/task")}
        self.assertIn(rows["computes"]["os_thread"], tasks)
        status = pathlib.Path(f"/proc/{self.pid}/task/{rows['computes']['os_thread']}/status").read_text()
        self.assertEqual(len(re.search(r"(?m)^NSpid:(.*)$", status)[1].split()), 2)


@unittest.skipUnless(can_unshare(), "a file of our own in the place of Yama's takes root")
class Yama(unittest.TestCase):
    def refused(self, scope):
        """What somebody else is told of a process, where Yama has that scope."""
        program = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.communicate)
        self.addCleanup(program.kill)
        self.assertEqual(program.stdout.readline(), "ready\n")
        script = (f"mount -t tmpfs none /proc/sys/kernel && mkdir /proc/sys/kernel/yama && "
                  f"echo {scope} > /proc/sys/kernel/yama/ptrace_scope && "
                  f"exec setpriv --reuid 65534 --clear-groups {COMMAND} ps {program.pid}")
        done = subprocess.run(["unshare", "--mount", "--", "sh", "-c", script], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (4, ""))
        self.assertRegex(done.stderr, rf"\Aunblock: process {program.pid} may not be looked at: [^\n]*\n\Z")
        return done.stderr

    def test_its_scope_is_named_where_it_may_be_the_reason(self):
        self.assertNotIn("ptrace_scope", self.refused(0))
        for scope in (1, 2, 3):
            with self.subTest(scope=scope):
                self.assertIn(f"kernel.yama.ptrace_scope is {scope}", self.refused(scope))


if __name__ == "__main__":
    unittest.main()
