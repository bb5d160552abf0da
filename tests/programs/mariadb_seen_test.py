#!/usr/bin/env python3
"""Looking at MariaDB while it works: five hundred sessions, a hundred of them waiting for one row."""
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import mariadb_sessions
import unblocked

BUILD = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"])
EXTENSION = pathlib.Path(os.environ["UNBLOCK_SOURCE_DIR"]) / "scripts/unblock-gdb.py"
GDB_SECONDS = 120


class Sessions(unblocked.ProgramTest):
    """A server with its five hundred sessions, one test at a time."""

    SETTINGS = {}

    def setUp(self):
        super().setUp()
        data, socket = self.folder / "data", self.folder / "socket"
        mariadb_sessions.install(data, unblocked.environment())
        self.server = self.start(mariadb_sessions.command(data, socket), **self.SETTINGS)
        self.server.until_said("ready for connections")
        self.sessions = mariadb_sessions.Sessions(socket, unblocked.environment())
        self.addCleanup(self.sessions.close)

    def look(self, *words, seconds=unblocked.PATIENCE_SECONDS):
        """What a command says, during which the working sessions must have worked."""
        before = self.sessions.reads()
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds,
                              check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(self.sessions.reads(), before, f"{words} stops the server")
        return done.stdout

    def end(self):
        """Nobody has lost anything: each of the hundred gets the row once it is free."""
        self.assertEqual(self.sessions.let_go(), mariadb_sessions.WAITING)
        self.sessions.close()
        self.assertEqual(self.server.end(), 0, self.server.output())


class Seen(Sessions):
    def test_ps_tells_who_waits_for_the_row(self):
        rows = json.loads(self.look(BUILD / "unblock", "ps", self.server.pid, "--json"))
        self.assertGreaterEqual(len(rows), 500)
        self.assertEqual(len({row["id"] for row in rows}), len(rows))
        waiting = [row for row in rows if row["state"] == "waiting"]
        self.assertGreaterEqual(len(waiting), mariadb_sessions.WAITING + mariadb_sessions.SLEEPING)
        on_condition = [row for row in waiting if row["wait_kind"] == "condition"]
        self.assertGreaterEqual(len(on_condition), mariadb_sessions.WAITING + mariadb_sessions.SLEEPING)
        self.end()

    def test_top_counts_them(self):
        text = self.look(BUILD / "unblock", "top", self.server.pid, "--batch", "2", "--interval", "0.5")
        page = text.split("unblock top:")[-1]
        count, states = mariadb_sessions.sessions_of_page(page)
        self.assertGreaterEqual(count, 500)
        self.assertEqual(sum(states.values()), count)
        self.assertGreaterEqual(states["waiting"], mariadb_sessions.WAITING + mariadb_sessions.SLEEPING)
        parks = re.search(r"^parks .*$", page, re.MULTILINE)[0]
        self.assertRegex(parks, r"\d+\S* poll")  # the working sessions wait so for their clients
        self.end()

    def test_stack_merges_those_who_wait_alike(self):
        text = self.look(BUILD / "unblock", "stack", self.server.pid, "--merge")
        sizes = [int(size) for size in re.findall(r"^(\d+) green thread", text, re.MULTILINE)]
        self.assertGreaterEqual(sum(sizes), 500)
        self.assertEqual(sorted(sizes)[-2:], [mariadb_sessions.WAITING, mariadb_sessions.SLEEPING])
        self.end()

    @unittest.skipUnless(shutil.which("gdb"), "needs gdb")
    def test_gdb_shows_the_stacks_of_all_and_the_server_goes_on(self):
        text = self.look("gdb", "-nx", "--batch", "-p", self.server.pid, "-ex", f"source {EXTENSION}",
                         "-ex", "set width 0", "-ex", "green apply all bt", seconds=GDB_SECONDS)
        stacks = re.split(r"^Green thread \d+ .*:$", text, flags=re.MULTILINE)[1:]
        self.assertGreaterEqual(len(stacks), 500)
        # The server has no symbols, but who waits alike stands at the same addresses.
        alike = collections.Counter(tuple(re.findall(r"^#\d+ +(0x\w+) in", stack, re.MULTILINE)) for stack in stacks)
        sizes = [size for _, size in alike.most_common(2)]
        self.assertEqual(sizes, [mariadb_sessions.SLEEPING, mariadb_sessions.WAITING])
        self.end()

    def test_trace_shows_who_works_and_who_waits_all_the_time(self):
        file = self.folder / "trace.json"
        self.look(BUILD / "unblock", "trace", self.server.pid, "-o", file, "--seconds", "0.5")
        events = json.loads(file.read_text())["traceEvents"]
        slices = collections.defaultdict(list)  # of each green thread
        for event in events:
            if event["ph"] == "X" and event["pid"] == 2:
                slices[event["tid"]].append(event["name"])
        still = [names for names in slices.values() if set(names) <= {"wait: condition", "ready", "run"}]
        self.assertGreaterEqual(len(still), mariadb_sessions.WAITING + mariadb_sessions.SLEEPING)
        busy = [names for names in slices.values() if names.count("wait: poll") > 10 and names.count("run") > 10]
        self.assertGreaterEqual(len(busy), mariadb_sessions.WORKING)
        self.end()


class Hog(Sessions):
    """A session that computes is reported while the others work; those who wait for a row hold no lock of the program."""

    SETTINGS = {"UNBLOCK_REPORT_HOGS": "100ms"}

    def test_a_session_that_computes_is_reported_and_nobody_else_computes(self):
        hog = mariadb_sessions.Client(self.sessions.socket, unblocked.environment())
        self.addCleanup(hog.close)
        before = self.sessions.reads()
        hog.tell("select benchmark(100000000, md5('unblock'))")
        self.server.until(lambda: "computing at" in self.server.output(), "a report")
        self.assertGreater(self.sessions.reads(), before, "the others stand still")
        self.sessions.asker.ask(f"kill {hog_id(self.sessions)}; select 1")
        report = [line for line in self.server.output().splitlines() if line.startswith("unblock: ")]
        self.assertRegex("\n".join(report), r'(?m)^unblock: hog: thread \d+ "\w+" has kept its processor for \d+ ms, computing '
                                            r"at\n(unblock:   0x.*\n)*unblock:   0x[0-9a-f]+ .*mariadbd")
        self.assertEqual([line for line in report if "deadlock" in line or "lock held" in line], [])
        self.end()


def hog_id(sessions):
    return sessions.asker.ask("select id from information_schema.processlist where info like 'select benchmark%'")[0]


if __name__ == "__main__":
    unblocked.main()
