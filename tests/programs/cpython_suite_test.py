#!/usr/bin/env python3
"""CPython's own tests of threads, sockets, signals and processes, as Debian's libpython3.11-testsuite brings them. Each
test of each module ends under unblock as it ends natively: succeeds, fails, or is skipped.

One module by hand: `cpython_suite_test.py --under unblock CpythonSuite.test_threading`."""
import subprocess
import sys
import xml.etree.ElementTree

import unblocked

MODULES = """
test_thread test_threading test_threading_local test_queue test_sched test_contextlib test_context test_concurrent_futures
test_socket test_socketserver test_select test_selectors test_poll test_epoll test_timeout test_asyncore test_asynchat
test_asyncio test_httpservers test_httplib test_smtplib test_ftplib test_telnetlib test_urllib2_localnet test_xmlrpc
test_ssl test_signal test_threadsignals test_faulthandler test_time
test_subprocess test_fork1 test_wait3 test_wait4 test_popen test_posix test_os test_pty test_openpty test_fcntl
test_multiprocessing_fork test_multiprocessing_spawn test_io
""".split()
MODULE_SECONDS = 900
RESOURCES = {"test_socketserver": "network", "test_timeout": "network"}  # the loopback does for most of their tests
UNAVAILABLE = ["ThreadedVSOCK*"]  # a virtual machine may have the address family and nobody to talk to


class CpythonSuite(unblocked.ProgramTest):
    def verdicts(self, module, statistics):
        """Runs one module in a process of its own, natively without statistics; the verdict on each of its tests, and
        what it printed."""
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        ignored = [word for name in UNAVAILABLE for word in ("-i", name)]
        resources = ["-u", RESOURCES[module]] if module in RESOURCES else []
        command = ["/usr/bin/python3", "-m", "test", "-W", "--junit-xml", report, *resources, *ignored, module]
        with open(self.folder / "output", "w+", errors="replace") as output:
            try:
                result = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output,
                                        stderr=subprocess.STDOUT, check=False, timeout=MODULE_SECONDS,
                                        env=unblocked.environment(statistics)).returncode
            except subprocess.TimeoutExpired:
                result = f"hangs for {MODULE_SECONDS} s"
            output.seek(0)
            said = output.read()[-unblocked.NEWEST_OUTPUT:]
        verdicts = {"the module": result}
        if report.exists():
            for case in xml.etree.ElementTree.parse(report).iter("testcase"):
                verdicts[case.get("name")] = case.get("result") if len(case) == 0 else case[0].tag
        return verdicts, said

    def compare(self, module):
        natively, _ = self.verdicts(module, None)
        statistics = self.folder / "statistics"
        under_unblock, said = self.verdicts(module, statistics)
        green = sum(each.get("active") == 1 for each in unblocked.records(statistics).values())
        print(f"{module}: {len(natively) - 1} tests, {green} processes with green threads", file=sys.stderr)
        differ = {name: f"natively {natively.get(name)}, under unblock {under_unblock.get(name)}"
                  for name in natively.keys() | under_unblock.keys() if natively.get(name) != under_unblock.get(name)}
        self.assertEqual(differ, {}, said)
        self.assertGreater(len(natively), 1, "the module has no tests")
        if "thread" in module:
            self.assertGreater(green, 0, "the library was not active")


for each in MODULES:
    setattr(CpythonSuite, each, lambda self, module=each: self.compare(module))

if __name__ == "__main__":
    unblocked.main()
