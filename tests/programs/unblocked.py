"""Starts Debian's own programs, natively or under unblock, and watches what they cost in OS threads and memory.

A test script declares unittest cases derived from ProgramTest and ends with unblocked.main(). It is run twice:
`script.py --under libc` shows what the program does by itself, `script.py --under unblock` that it still does.
"""
import argparse
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PATIENCE_SECONDS = 60  # until a program is taken to hang
SPARE_THREADS = 8  # OS threads that a program may have beside one for each processor
GROWTH_KIB = 8 * 1024  # what a program may take more in the second half of a soak
NEWEST_OUTPUT = 4000  # characters of a program's output that a complaint quotes

options = argparse.Namespace(under="libc", rounds=1)


def under_unblock():
    return options.under == "unblock"


def library():
    return pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"]) / "libunblock.so"


def processors():
    """As many as the library takes: UNBLOCK_PROCESSORS, or the least of the affinity mask and the CPU quota."""
    if "UNBLOCK_PROCESSORS" in os.environ:
        return int(os.environ["UNBLOCK_PROCESSORS"])
    return min(len(os.sched_getaffinity(0)), cpu_quota())


def cpu_quota():
    """The control group's share of processors, rounded up."""
    try:
        quota, period = pathlib.Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return os.cpu_count()


def environment(statistics=None, **extra):
    """The environment of a program: ours, without anything of unblock's unless it is to run under unblock."""
    result = {name: value for name, value in os.environ.items() if not name.startswith(("UNBLOCK_", "LD_"))}
    if statistics:
        result["LD_PRELOAD"] = str(library())
        result["UNBLOCK_STATS"] = str(statistics)
        for name in ("UNBLOCK_PROCESSORS", "UNBLOCK_STACK", "UNBLOCK_MONITOR"):
            if name in os.environ:
                result[name] = os.environ[name]
    result.update(extra)
    return result


def records(statistics):
    """The statistics of each process that wrote some, by pid. A record begins with its pid line."""
    found, current = {}, {}
    for line in statistics.read_text().splitlines() if statistics.exists() else []:
        name, _, value = line.partition(" ")
        if name == "pid":
            current = found.setdefault(int(value), {})
        current[name] = int(value) if value.isdigit() else value
    return found


def free_port():
    """A port of the loopback that nobody listens on, for a program that cannot say which one the kernel gave it. It is
    outside the range from which the kernel serves clients, so no connection takes it before the program does."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest // 2, lowest)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def status(pid, *fields):
    """Numbers from /proc/PID/status, 0 for those of a process that has ended."""
    found = dict.fromkeys(fields, 0)
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0])
    except OSError:
        pass
    return [found[name] for name in fields]


def threads_of(pid):
    """One line for each OS thread: its id, its name, where in the kernel it waits, its system call."""
    lines = []
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").glob("*")):
        facts = [task.name]
        for name in ("comm", "wchan", "syscall"):
            try:
                facts.append((task / name).read_text().strip())
            except OSError:
                facts.append("?")
        lines.append(" | ".join(facts))
    return lines


class Watch(threading.Thread):
    """Samples a process until it ends: the most OS threads it had, what they were then, and its largest memory."""

    INTERVAL_SECONDS = 0.005

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.peak_threads = 0
        self.peak_resident_kib = 0
        self.threads_at_peak = []
        self.ended = threading.Event()
        self.start()

    def sample(self):
        threads, resident = status(self.pid, "Threads", "VmRSS")
        self.peak_resident_kib = max(self.peak_resident_kib, resident)
        if threads > self.peak_threads:
            self.peak_threads = threads
            if threads > processors() + SPARE_THREADS and under_unblock():
                self.threads_at_peak = threads_of(self.pid)

    def run(self):
        while not self.ended.wait(self.INTERVAL_SECONDS):
            self.sample()


class Program:
    """A running program. Its output, both streams, goes to a file, so that no pipe of ours ever fills."""

    def __init__(self, command, folder, natively=False, **extra):
        self.name = pathlib.Path(command[0]).name
        self.output_file = pathlib.Path(tempfile.mkstemp(prefix=f"{self.name}-", suffix=".output", dir=folder)[1])
        self.statistics_file = self.output_file.with_suffix(".statistics") if under_unblock() and not natively else None
        with open(self.output_file, "wb") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, cwd=folder, start_new_session=True,
                                            env=environment(self.statistics_file, **extra))
        self.pid = self.process.pid
        self.watch = Watch(self.pid)

    def output(self):
        return self.output_file.read_text(errors="replace")

    def describe(self):
        return (f"{self.name} (pid {self.pid}, result {self.process.poll()}), OS threads now:\n  "
                + "\n  ".join(threads_of(self.pid)) + "\nits output:\n" + self.output()[-NEWEST_OUTPUT:])

    def until(self, condition, what):
        """Asks until the condition holds. The program must neither end nor take for ever."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"ended before {what}: {self.describe()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"no sign of {what} in {PATIENCE_SECONDS} s: {self.describe()}")
            time.sleep(0.01)

    def until_listening(self, port):
        def accepts():
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0
        self.until(accepts, f"port {port} accepting")

    def until_said(self, text):
        self.until(lambda: text in self.output(), f"{text!r}")

    def end(self, by=signal.SIGTERM):
        """Asks the program to end; returns its exit code, negative for the signal that ended it."""
        if self.process.poll() is None:
            self.watch.sample()
            self.process.send_signal(by)
        return self.wait()

    def wait(self, patience=PATIENCE_SECONDS):
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end: {self.describe()}") from None
        finally:
            self.watch.ended.set()
            self.watch.join()
        return self.process.returncode

    def discard(self):
        """Leaves nothing behind. A program that outlives its test has failed it, and is described before it goes."""
        if self.process.poll() is None:
            print(f"still running: {self.describe()}", file=sys.stderr)
            os.killpg(self.pid, signal.SIGKILL)  # the group is its own: its children go too
            self.process.wait()
        self.watch.ended.set()

    def statistics(self):
        """What the program itself wrote at its exit; empty natively and for a program that a signal ended."""
        return records(self.statistics_file).get(self.pid, {}) if self.statistics_file else {}


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="unblock-program-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, command, natively=False, **extra):
        """Starts a program under test, or natively in either run; it does not outlive the test."""
        program = Program(command, self.folder, natively, **extra)
        self.addCleanup(program.discard)
        return program

    def rounds(self, program):
        """One turn for each round of the load. A soak, ten rounds and more, must not grow in its second half."""
        resident = []
        for _ in range(options.rounds):
            yield
            resident += status(program.pid, "VmRSS")
        half = len(resident) // 2
        if half >= 5:
            self.assertLess(max(resident[half:]), max(resident[:half]) + GROWTH_KIB, f"it grows: {resident} KiB")

    def assert_threads(self, program, at_once, foreign_names=()):
        """Natively the program had an OS thread for each of so many clients, or it shows nothing. Under unblock it had
        a handful, and said nothing about it. Call it when the program has ended. Threads with a foreign name come on
        top: they are made past us, and whoever names them says how."""
        peak = program.watch.peak_threads
        print(f"{self.id()} {options.under}: {at_once} at once on {peak} OS threads, "
              f"{program.watch.peak_resident_kib} KiB", file=sys.stderr)
        if not under_unblock():
            self.assertGreaterEqual(peak, at_once, "natively each client has an OS thread")
            return
        foreign = [line for line in program.watch.threads_at_peak if line.split(" | ")[1] in foreign_names]
        most = processors() + SPARE_THREADS
        self.assertLessEqual(peak - len(foreign), most, "more OS threads than processors + %d:\n  %s" %
                             (SPARE_THREADS, "\n  ".join(program.watch.threads_at_peak)))
        complaints = [line for line in program.output().splitlines() if line.startswith("unblock: ")]
        self.assertEqual(complaints, [], "the library had something to say")

    def assert_green(self, program, at_once):
        """The exit statistics of a program that ended by itself bear out that its threads were green."""
        if not under_unblock():
            return
        found = program.statistics()
        self.assertEqual(found.get("active"), 1, f"the library was not active: {found or 'no statistics'}")
        self.assertGreaterEqual(found["green_threads_peak"], at_once)
        self.assertGreater(found["parks"], 0)

    def assert_preloaded(self, program):
        """For a program that only a signal ends, and that leaves no statistics: the library is mapped into it."""
        if under_unblock():
            self.assertIn("libunblock.so", pathlib.Path(f"/proc/{program.pid}/maps").read_text())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--under", choices=("libc", "unblock"), required=True)
    parser.add_argument("--rounds", type=int, default=1, help="how often each load is repeated")
    _, rest = parser.parse_known_args(namespace=options)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if under_unblock() and not library().exists():
        sys.exit(f"{library()} is not built")
    unittest.main(module="__main__", argv=[sys.argv[0], *rest], verbosity=2)
