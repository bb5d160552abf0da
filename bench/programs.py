"""The programs under measurement: how they are found, started natively or under unblock, watched, and ended."""

import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent


def parse_arguments(description, **defaults):
    """The options that every script here has, and those of `defaults` (name: (default, help)) beside them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build/release", help="where the build is")
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that all runs, measures little")
    parser.add_argument("--processors", type=int, help="UNBLOCK_PROCESSORS of what runs under unblock")
    for name, (default, explanation) in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), help=explanation, **_kind(default))
    options = parser.parse_args()
    options.build = options.build.resolve()
    return options


def _kind(default):
    if default is False:
        return {"action": "store_true"}
    if isinstance(default, list):
        return {"type": lambda text: [int(part) for part in text.split(",")], "default": default,
                "metavar": "N,N…"}
    return {"type": type(default), "default": default}


def machine():
    """The class of this machine in a few words, and the date: figures mean nothing without them."""
    with open("/proc/cpuinfo") as file:
        facts = file.read()
    model = re.search(r"model name\s*: (.*)", facts)
    kind = "virtual machine" if re.search(r"\bhypervisor\b", facts) else "no hypervisor"
    kernel = ".".join(platform.release().split(".")[:2])
    cores = len(os.sched_getaffinity(0))
    return f"{time.strftime('%Y-%m-%d')}, {cores} CPUs ({model.group(1) if model else platform.machine()}), {kind}, " \
           f"Linux {kernel}"


class Launch:
    """How to start programs: natively, or under unblock."""

    def __init__(self, name, library=None, processors=None, cpu=None, **environment):
        self.name = name
        self.cpu = cpu
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("UNBLOCK_")}
        self.environment.update(environment)
        if library:
            self.environment["LD_PRELOAD"] = str(library)
        if library and processors:
            self.environment["UNBLOCK_PROCESSORS"] = str(processors)

    def prepare(self):
        """Runs in the child. What runs on one CPU was never anywhere else."""
        if self.cpu is not None:
            os.sched_setaffinity(0, {self.cpu})


def native(**options):
    return Launch("native", **options)


def under_unblock(build, processors=None, **options):
    library = build / "libunblock.so"
    if not library.exists():
        sys.exit(f"{library} is missing: cmake --preset release && cmake --build --preset release")
    return Launch("unblock", library=library, processors=processors, **options)


def built(build, name, folder="bench"):
    path = build / folder / name
    if not path.exists():
        sys.exit(f"{path} is missing: cmake --preset release && cmake --build --preset release")
    return path


class Ended(Exception):
    """A program ended although it was still needed."""


class Program:
    """A running program that says one line when it is ready. Ends with the `with` statement."""

    def __init__(self, command, launch):
        self.command = [str(part) for part in command]
        self.launch = launch
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=launch.environment, preexec_fn=launch.prepare)
        self.pid = self.process.pid
        self.first_line = self.read_line()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.end()

    def read_line(self):
        line = self.process.stdout.readline()
        if not line:
            raise Ended(f"{self.command[0]} ({self.launch.name}) ended with {self.process.wait()} before it answered")
        return line

    def ask(self, line):
        """One line to the program, and the line that answers it."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.read_line()

    @property
    def port(self):
        return int(self.first_line.rsplit(":", 1)[1])

    def cpu_seconds(self):
        """User and system time of the process so far, ended threads included. /proc/PID/stat has the same sum in ticks of
        10 ms; the clock of the process, which clock_getcpuclockid(3) would return, has it in nanoseconds."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def os_threads(self):
        return self._status("Threads")

    def resident_bytes(self):
        """Walked, not the counter of /proc/PID/status, which may be off by some hundred pages."""
        return self._field(f"/proc/{self.pid}/smaps_rollup", "Rss") * 1024

    def page_table_bytes(self):
        return self._status("VmPTE") * 1024

    def _status(self, name):
        return self._field(f"/proc/{self.pid}/status", name)

    @staticmethod
    def _field(path, name):
        with open(path) as file:
            return int(re.search(rf"^{name}:\s*(\d+)", file.read(), re.MULTILINE).group(1))

    def end(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def run(command, launch):
    """Runs a program to its end and returns its output. Under unblock, its statistics must say that it was active."""
    environment = dict(launch.environment)
    with tempfile.TemporaryDirectory() as folder:
        statistics = pathlib.Path(folder) / "statistics"
        environment["UNBLOCK_STATS"] = str(statistics)
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              env=environment, preexec_fn=launch.prepare)
        if done.returncode != 0:
            sys.exit(f"{command[0]} ({launch.name}) ended with {done.returncode}")
        if "LD_PRELOAD" in environment:
            _require_active(command[0], statistics)
    return done.stdout


def _require_active(program, statistics):
    text = statistics.read_text() if statistics.exists() else ""
    if not re.search(r"^active 1$", text, re.MULTILINE):
        sys.exit(f"{program}: unblock was not active: {text.strip() or 'it wrote no statistics'}")
