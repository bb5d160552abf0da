"""strace, attached to a running program for a while."""

import collections
import re
import signal
import subprocess
import tempfile


class Tracer:
    """Attached to all threads of a process within the `with` statement; `output` then holds what strace wrote. Letting
    strace attach interrupts the calls that wait, so it sees some of them begin anew."""

    def __init__(self, pid, *options):
        self.output = ""
        self._file = tempfile.NamedTemporaryFile(mode="r")
        self._process = subprocess.Popen(["strace", "-f", *options, "-o", self._file.name, "-p", str(pid)],
                                         stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        line = self._process.stderr.readline()  # strace says that it has attached once it holds all threads
        if "attached" not in line:
            raise SystemExit(f"strace: {line.strip()}")
        return self

    def __exit__(self, *unused):
        self._process.send_signal(signal.SIGINT)
        self._process.communicate()
        self.output = self._file.read()
        self._file.close()


def count_calls(pid, work):
    """Does the work and returns by name how many system calls the process made meanwhile."""
    tracer = Tracer(pid, "-c", "-U", "calls,name")
    with tracer:
        work()
    rows = re.findall(r"^\s*(\d+) (\w+)$", tracer.output, re.MULTILINE)
    return collections.Counter({name: int(calls) for calls, name in rows if name != "total"})


def call_times(pid, work):
    """Does the work and returns when (seconds since the epoch) which system call of the process began meanwhile."""
    tracer = Tracer(pid, "-ttt")
    with tracer:
        work()
    rows = re.findall(r"^(?:\d+ +)?(\d+\.\d+) (\w+)\(", tracer.output, re.MULTILINE)
    return [(float(moment), name) for moment, name in rows]
