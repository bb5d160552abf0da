#!/usr/bin/env python3
"""Runs the sample front end natively and under unblock, with the same clients, and prints what each took.

The front end is an ordinary HTTP server that asks a slow backend over a blocking socket for each request, and has a
thread for each client. It knows nothing of unblock. The exit code is 1 when an answer was wrong or missing, or when the
server under unblock had more OS threads than its processors and three.
"""
import argparse
import contextlib
import dataclasses
import json
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import threading


@dataclasses.dataclass
class Peak:
    """The most that was seen of a process: its OS threads, and in KiB its memory, its page tables, and the kernel's
    stacks of all OS threads that came since."""
    threads: int = 0
    resident: int = 0
    proportional: int = 0
    page_tables: int = 0
    kernel_stacks: int = 0


class Watch(threading.Thread):
    """Reads a process's figures from /proc ten times a second, until it is told to stop or the process is gone."""

    def __init__(self, pid):
        super().__init__()
        self.folder = pathlib.Path(f"/proc/{pid}")
        self.kernel_stacks_before = kernel_stacks()
        self.peak = Peak()
        self.over = threading.Event()
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while not self.over.wait(0.1):
                self.look()

    def look(self):
        status = figures(self.folder / "status")
        memory = figures(self.folder / "smaps_rollup")
        seen = Peak(status.get("Threads", 0), status.get("VmRSS", 0), memory.get("Pss", 0), status.get("VmPTE", 0),
                    kernel_stacks() - self.kernel_stacks_before)
        self.peak = Peak(*map(max, dataclasses.astuple(self.peak), dataclasses.astuple(seen)))

    def stop(self):
        self.over.set()
        self.join()
        return self.peak


def figures(file):
    """The `Name: number …` lines of a file in /proc."""
    pairs = (line.split() for line in file.read_text().splitlines())
    return {pair[0].rstrip(":"): int(pair[1]) for pair in pairs if len(pair) > 1 and pair[1].isdigit()}


def kernel_stacks():
    return figures(pathlib.Path("/proc/meminfo"))["KernelStack"]


@contextlib.contextmanager
def server(command):
    """A server that says `listening on ADDRESS:PORT` first; ended, by its pid, when the block ends."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line.startswith("listening on "):
            sys.exit(f"{command[-1]}: did not start: {line.strip() or 'it said nothing'}")
        yield process.pid, int(line.rpartition(":")[2])
        end(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        print(f"process {process.pid} did not end on SIGTERM", file=sys.stderr)


def measure(options, name, launcher):
    """One run: backend, front end behind `launcher`, clients. Returns what the clients saw and the front end's peak."""
    print(f"\n{name}: {options.clients} clients, {options.requests} requests each", flush=True)
    samples = options.build / "samples"
    with server([samples / "slow-backend", 0, options.delay]) as (_, backend_port):
        with server([*launcher, samples / "front-end", 0, backend_port]) as (pid, port):
            watch = Watch(pid)
            load = [samples / "load-client", "--port", port, "--clients", options.clients, "--requests",
                    options.requests, "--seconds", options.seconds]
            done = subprocess.run([str(word) for word in load], stdout=subprocess.PIPE, text=True, check=False)
            peak = watch.stop()
    lines = done.stdout.splitlines()
    if not lines:
        sys.exit(f"{name}: the clients ended with {done.returncode} and said nothing")
    return json.loads(lines[-1]), peak


def processors(statistics):
    for line in statistics.read_text().splitlines() if statistics.exists() else []:
        if line.startswith("processors "):
            return int(line.split()[1])
    sys.exit("the front end wrote no statistics: the library was not active in it")


def print_table(runs):
    def row(title, shown):
        print(f"  {title:<22}{shown(*runs['natively']):>14}{shown(*runs['under unblock']):>16}")

    print(f"\n  {'':<22}{'natively':>14}{'under unblock':>16}")
    row("OS threads, at most", lambda seen, peak: f"{peak.threads:,}")
    row("resident memory", lambda seen, peak: f"{peak.resident / 1024:,.1f} MiB")
    row("proportional memory", lambda seen, peak: f"{peak.proportional / 1024:,.1f} MiB")
    row("page tables", lambda seen, peak: f"{peak.page_tables / 1024:,.1f} MiB")
    row("kernel stacks", lambda seen, peak: f"{peak.kernel_stacks / 1024:,.1f} MiB")
    row("requests per second", lambda seen, peak: f"{seen['rps']:,.0f}")
    row("p50", lambda seen, peak: f"{seen['p50_ms']:,.1f} ms")
    row("p99", lambda seen, peak: f"{seen['p99_ms']:,.1f} ms")
    row("answers", lambda seen, peak: f"{seen['requests']:,}")
    row("wrong answers", lambda seen, peak: f"{seen['wrong']:,}")
    row("missing answers", lambda seen, peak: f"{seen['missing']:,}")
    print()


def complaints(runs, most_threads):
    for name, (seen, _) in runs.items():
        if seen["wrong"] or seen["missing"] or not seen["requests"]:
            yield f"{name}: {seen['wrong']} answers wrong, {seen['missing']} missing"
    threads = runs["under unblock"][1].threads
    if threads > most_threads:
        yield f"under unblock: {threads} OS threads, at most {most_threads} are allowed"


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"), help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, default=2000, help="clients that ask at the same time (2000)")
    parser.add_argument("--requests", type=int, default=10, help="requests that each of them makes (10)")
    parser.add_argument("--delay", type=int, default=100, help="milliseconds that the backend takes (100)")
    parser.add_argument("--seconds", type=int, default=120, help="when the clients give up (120)")
    return parser.parse_args()


def allow_many_descriptors():
    """Each client costs the front end two; what is started from here inherits the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main():
    options = arguments()
    allow_many_descriptors()
    with tempfile.TemporaryDirectory(prefix="unblock-demo-") as folder:
        statistics = pathlib.Path(folder) / "statistics"
        unblock = [options.build.resolve() / "unblock", f"--stats={statistics}", "--"]
        runs = {"natively": measure(options, "natively", []),
                "under unblock": measure(options, "under unblock", unblock)}
        most_threads = processors(statistics) + 3
    print_table(runs)
    found = list(complaints(runs, most_threads))
    for complaint in found:
        print(f"scripts/demo: {complaint}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
