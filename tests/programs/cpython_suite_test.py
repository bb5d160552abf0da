#!/usr/bin/env python3
"""CPython's own tests of threads, sockets, signals and processes, as Debian's libpython3.11-testsuite brings them. Each
module that passes natively passes under unblock."""
import subprocess

import unblocked

MODULES = """
test_thread test_threading test_threading_local test_queue test_sched test_contextlib test_context test_concurrent_futures
test_socket test_socketserver test_select test_selectors test_poll test_epoll test_timeout test_asyncore test_asynchat
test_httpservers test_httplib test_smtplib test_ftplib test_telnetlib test_urllib2_localnet test_xmlrpc test_ssl
test_signal test_threadsignals test_faulthandler test_time
test_subprocess test_fork1 test_wait3 test_wait4 test_popen test_posix test_os test_pty test_openpty test_fcntl
test_multiprocessing_fork test_multiprocessing_spawn test_io
""".split()
MODULE_SECONDS = 900
UNAVAILABLE = ["ThreadedVSOCK*"]  # a virtual machine may have the address family and nobody to talk to


class CpythonSuite(unblocked.ProgramTest):
    def run_module(self, module):
        """Runs one module in a process of its own; returns what there is to complain about."""
        statistics = self.folder / "statistics" if unblocked.under_unblock() else None
        ignored = [word for name in UNAVAILABLE for word in ("-i", name)]
        try:
            done = subprocess.run(["/usr/bin/python3", "-m", "test", "-W", *ignored, module], cwd=self.folder,
                                  capture_output=True, text=True, errors="replace", check=False,
                                  timeout=MODULE_SECONDS, env=unblocked.environment(statistics))
        except subprocess.TimeoutExpired as error:
            return f"hangs: {error.stdout[-unblocked.NEWEST_OUTPUT:]}"
        return done.returncode and f"result {done.returncode}: {(done.stdout + done.stderr)[-unblocked.NEWEST_OUTPUT:]}"

    def test_modules(self):
        for module in MODULES:
            with self.subTest(module):
                self.assertFalse(complaint := self.run_module(module), complaint)


if __name__ == "__main__":
    unblocked.main()
