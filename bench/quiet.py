#!/usr/bin/env python3
"""What programs pay that never need unblock: instructions and start-up of one-threaded ones, and the idle server."""

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import pair
import programs
import rounds
import tracer

MOST_INSTRUCTIONS_PERCENT = 1
MOST_START_UP_MS = 3
SETTLING_SECONDS = 1
IDLE_SECONDS = 10


def main():
    options = programs.parse_arguments(
        __doc__, pairs=(0, "pairs of start-ups (default 500, quick 50)"),
        connections=(100, "connections of the idle server"))
    print("## Quiet\n")
    print(f"{programs.machine()}.\n")
    print_instructions(options)
    print_start_up(options)
    print_idle_calls(options)


def print_instructions(options):
    """valgrind counts instructions of user space exactly, so one run of each is enough."""
    print(f"### Instructions of one-threaded programs (at most {MOST_INSTRUCTIONS_PERCENT} % more)\n")
    if not shutil.which("valgrind"):
        print("valgrind is not installed.\n")
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for meaning, command in workloads(pathlib.Path(folder), 40 if options.quick else 1).items():
            counts = []
            for launch in (programs.native(), programs.under_unblock(options.build)):
                rounds.progress(f"instructions: {meaning}, {launch.name}")
                counts.append(count_instructions(command, launch, folder))
            native, unblock = counts
            rows.append([meaning, f"{native:,}", f"{unblock:,}", f"{(unblock / native - 1) * 100:+.3f} %"])
    rounds.print_table(["", "native", "unblock", "more"], rows)


def count_instructions(command, launch, folder):
    done = subprocess.run(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", *command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          env={**launch.environment, "PYTHONHASHSEED": "0", "HOME": folder}, cwd=folder)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"{command[0]} under valgrind ended with {done.returncode}:\n{done.stderr}")
    return int(found.group(1).replace(",", ""))


def workloads(folder, part):
    """Commands of 2·10⁹ instructions and more each, or the part of that."""
    text = folder / "text"
    write_text(text, 20_000_000 // part)
    repository = folder / "repository"
    make_repository(repository, max(4000 // part, 20))
    found = {
        "python3, a loop": ["/usr/bin/python3", "-c", f"sum(i * i for i in range({3_000_000 // part}))"],
        "gzip": ["gzip", "-6", "-c", str(text)],
        "xz": ["xz", "-0", "-T1", "-c", str(text)],
        "sort": ["sort", "--parallel=1", "-k", "2", str(text), str(text)],
        "bash, a loop": ["bash", "-c", f"for ((i = 0; i < {200_000 // part}; i++)); do :; done"],
        "git log": ["git", "-C", str(repository), "log", "-p", "--stat"],
        "dd, byte by byte": ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={12_000_000 // part}"],
    }
    return {meaning: command for meaning, command in found.items() if shutil.which(command[0])}


def write_text(path, size):
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 10))) for _ in range(3000)]
    with open(path, "w") as file:
        while file.tell() < size:
            file.write("".join(" ".join(chance.choices(words, k=9)) + "\n" for _ in range(1000)))


def make_repository(path, commits):
    chance = random.Random(2)
    files = {f"file{i}": [str(chance.random()) for _ in range(200)] for i in range(10)}
    stream = []
    for number in range(commits):
        name = chance.choice(list(files))
        files[name][chance.randrange(200)] = str(chance.random())
        data = "\n".join(files[name]) + "\n"
        message = f"Change {number}\n"
        stream.append(f"commit refs/heads/main\ncommitter Nobody <nobody@localhost> {1_700_000_000 + number} +0000\n"
                      f"data {len(message)}\n{message}\nM 100644 inline {name}\ndata {len(data)}\n{data}\n")
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    subprocess.run(["git", "-C", str(path), "fast-import", "--quiet"], input="".join(stream).encode(), check=True)


def print_start_up(options):
    count = options.pairs or (50 if options.quick else 500)
    launches = [programs.native(), programs.under_unblock(options.build)]
    variants = {launch.name: lambda launch=launch: start_up_ms(launch) for launch in launches}
    times = rounds.take_turns(count, variants, "start-up")
    more = [unblock - native for native, unblock in zip(times["native"], times["unblock"])]
    print(f"### Start-up of /bin/true, milliseconds (at most {MOST_START_UP_MS} more)\n")
    rounds.print_table(["native", "unblock", "more"],
                       [[rounds.text(rounds.summarise(values)) for values in (*times.values(), more)]])


def start_up_ms(launch):
    begin = time.perf_counter()
    child = os.posix_spawn("/bin/true", ["true"], launch.environment)
    os.waitpid(child, 0)
    return (time.perf_counter() - begin) * 1000


def print_idle_calls(options):
    print(f"### System calls of an idle echo server in {IDLE_SECONDS} seconds, {options.connections} connections open\n")
    rows = []
    for command, launch in pair.variants(options.build, options.processors):
        rounds.progress(f"idle server, {launch.name}")
        with pair.Pair(options.build, command, launch, options.connections) as each:
            each.connect()
            rows.append([launch.name, str(count_idle_calls(each.server.pid))])
    rounds.print_table(["", "calls"], rows)


def count_idle_calls(pid):
    """What attaching interrupts begins anew at once, and is over when the ten seconds begin."""
    window = []

    def idle():
        time.sleep(SETTLING_SECONDS)
        window.append(time.time())
        time.sleep(IDLE_SECONDS)
        window.append(time.time())

    calls = tracer.call_times(pid, idle)
    return sum(window[0] <= moment <= window[1] for moment, _ in calls)


if __name__ == "__main__":
    main()
