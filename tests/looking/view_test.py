#!/usr/bin/env python3
"""unblock ps, stack and stats: what they say of threads in known places, live and in a core, and how they refuse."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

from looked_at import COMMAND, PATIENCE, allow_cores, core_of, unblock

PROGRAM = os.environ["UNBLOCK_TEST_PROGRAM"]


class Looking(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.program = subprocess.Popen(
            [COMMAND, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=self.folder.name,
            preexec_fn=allow_cores)
        self.addCleanup(self.end)
        self.until_everybody_stands()

    def end(self):
        if self.program.poll() is None:
            self.program.kill()
        self.program.stdin.close()
        self.program.wait()

    def until_everybody_stands(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            result = unblock("ps", self.program.pid, "--json")
            if result.returncode == 0:
                kinds = [each["wait_kind"] for each in json.loads(result.stdout)]
                if {"mutex", "descriptor"} <= set(kinds) and len(kinds) == 4:
                    return
        self.fail(result.stdout + result.stderr)

    def threads(self, *words):
        result = unblock("ps", *words, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return {each["start"]: each for each in json.loads(result.stdout)}

    def test_ps_tells_locks_with_owners_and_descriptors(self):
        threads = self.threads(self.program.pid)
        self.assertEqual(threads["main"]["id"], 1)
        locker = threads["waits_for_mutex"]
        self.assertEqual((locker["state"], locker["wait_kind"], locker["owner"]), ("waiting", "mutex", 1))
        self.assertEqual(threads["waits_for_pipe"]["wait_kind"], "descriptor")
        self.assertRegex(threads["waits_for_pipe"]["local"], r"\[\d+\]")
        self.assertEqual({each["creator"] for each in threads.values()}, {0, 1})
        self.assertEqual(threads["computes"]["state"], "running")
        self.assertGreater(threads["computes"]["run_time"], 0)

    def test_the_child_of_a_fork_has_one_thread(self):
        """It forks with a second thread; both wait for the end of standard input."""
        code = """if True:
            import os, sys, threading
            ends = os.pipe()
            threading.Thread(target=os.read, args=(ends[0], 1), daemon=True).start()
            child = os.fork()
            if child: print(child, flush=True)
            sys.stdin.read()
            os._exit(0)"""
        parent = subprocess.Popen([COMMAND, "--", sys.executable, "-c", code], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(parent.communicate)
        child = int(parent.stdout.readline())
        of_child = unblock("ps", child, "--json")
        self.assertEqual(of_child.returncode, 0, of_child.stderr)
        self.assertEqual([(each["id"], each["tid"]) for each in json.loads(of_child.stdout)], [(1, child)])
        self.assertEqual(len(json.loads(unblock("ps", parent.pid, "--json").stdout)), 2)

    def test_filter_and_sort(self):
        self.assertEqual(list(self.threads(self.program.pid, "--filter", "wait_kind=mutex")), ["waits_for_mutex"])
        ids = [each["id"] for each in self.threads(self.program.pid, "--sort=-id").values()]
        self.assertEqual(ids, [4, 3, 2, 1])

    def assert_stacks(self, text):
        for function in ("main", "waits_for_mutex", "waits_for_pipe", "computes"):
            self.assertRegex(text, rf"#\d+ +{function} at \S*places\.c:\d+")

    def test_stack_shows_all_threads_the_running_one_included(self):
        result = unblock("stack", self.program.pid)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assert_stacks(result.stdout)
        self.assertIsNone(self.program.poll())

    def test_stats_are_text_for_prometheus_and_json(self):
        text = unblock("stats", self.program.pid).stdout
        names = re.findall(r"^# TYPE (\S+) (?:counter|gauge)$", text, re.MULTILINE)
        self.assertEqual(names, re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
        self.assertIn("unblock_green_threads 4\n", text)
        self.assertEqual(json.loads(unblock("stats", "--json", self.program.pid).stdout)["green_threads"], 4)

    def test_a_core_holds_every_stack_and_a_cut_one_is_refused(self):
        core = core_of(self.program, self.folder.name)
        self.assert_stacks(unblock("stack", "--core", core).stdout)
        self.assertEqual(self.threads("--core", core)["waits_for_mutex"]["owner"], 1)
        os.truncate(core, core.stat().st_size // 2)
        self.assert_refused(unblock("ps", "--core", core), 7, "truncated")

    def assert_refused(self, result, code, text):
        self.assertEqual((result.returncode, result.stdout), (code, ""))
        self.assertRegex(result.stderr, r"\Aunblock: [^\n]*" + text + r"[^\n]*\n\Z")

    def test_refusals(self):
        self.assert_refused(unblock("ps", 2 ** 22 + 1), 3, "no process")
        self.assert_refused(unblock("ps", os.getpid()), 5, "no libunblock.so")
        self.assert_refused(unblock("ps", "aux"), 125, "not the number of a process")
        self.assert_refused(unblock("stack", self.program.pid, 99), 3, "no green thread 99")
        self.assert_refused(unblock("ps", "--core", COMMAND), 7, "no core file")

    @unittest.skipUnless(os.getuid() == 0, "takes root")
    def test_another_user_is_refused(self):
        self.assert_refused(unblock("ps", self.program.pid, user=65534), 4, "may not be looked at")


if __name__ == "__main__":
    unittest.main()
