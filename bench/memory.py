#!/usr/bin/env python3
"""Memory: bytes per idle connection of an echo server, and per sleeping thread."""

import collections
import re
import time

import pair
import programs
import rounds

# What the process has resident, what its page tables take, and what the kernel keeps (objects and stacks).
Weight = collections.namedtuple("Weight", "resident page_tables kernel")
SETTLING_SECONDS = 5


def main():
    options = programs.parse_arguments(
        __doc__, rounds=(0, "rounds (default 5, quick 1)"), connections=([1000, 9500], "numbers of connections"),
        threads=([1000, 10000, 30000, 100000], "numbers of threads"),
        most_native=(30000, "the most threads that are tried natively"))
    count = options.rounds or (1 if options.quick else 5)
    print("## Memory\n")
    print(f"{count} rounds in turn; medians and quartiles. {programs.machine()}.\n")
    for connections in options.connections[:1] if options.quick else options.connections:
        weigh_connections(options, connections, count)
    for threads in options.threads[:2] if options.quick else options.threads:
        weigh_threads(options, threads, count)


def weigh_connections(options, connections, count):
    def weigh(command, launch):
        with pair.Pair(options.build, command, launch, connections) as each:
            return difference(each.server, each.connect, connections)

    variants = {launch.name: lambda command=command, launch=launch: weigh(command, launch)
                for command, launch in pair.variants(options.build, options.processors)}
    samples = rounds.take_turns(count, variants, f"memory, {connections} connections")
    print(f"### Bytes per idle connection, {connections:,} of them\n")
    print_weights(samples)


def weigh_threads(options, threads, count):
    def weigh(launch):
        try:
            with programs.Program([programs.built(options.build, "idle-threads")], launch) as program:
                return difference(program, lambda: program.ask(threads), threads)
        except programs.Ended as failure:
            rounds.progress(f"{threads} threads: {failure}")
            return None

    launches = [programs.native()] if threads <= options.most_native else []
    launches.append(programs.under_unblock(options.build, options.processors))
    variants = {launch.name: lambda launch=launch: weigh(launch) for launch in launches}
    samples = rounds.take_turns(count, variants, f"memory, {threads} threads")
    print(f"### Bytes per sleeping thread, {threads:,} of them\n")
    print_weights(samples)


def difference(program, work, count):
    """What the work adds, for each of so many."""
    before = weigh(program)
    work()
    after = weigh(program)
    return Weight(*((now - then) / count for now, then in zip(after, before)))


def weigh(program):
    kernel = settled_kernel_bytes()
    return Weight(program.resident_bytes(), program.page_table_bytes(), kernel)


def settled_kernel_bytes():
    """The kernel frees what ended processes had some time later; waits, not for ever, until that is over."""
    end = time.monotonic() + SETTLING_SECONDS
    last = kernel_bytes()
    while time.monotonic() < end:
        time.sleep(0.2)
        now = kernel_bytes()
        if abs(now - last) < 256 * 1024:
            break
        last = now
    return now


def kernel_bytes():
    """Objects in use in all slab caches, and kernel stacks, of the whole machine."""
    with open("/proc/meminfo") as file:
        facts = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+): +(\d+) kB", file.read(), re.MULTILINE)}
    try:
        with open("/proc/slabinfo") as file:
            rows = [line.split() for line in file.readlines()[2:]]
        slab = sum(int(row[1]) * int(row[3]) for row in rows)
    except PermissionError:
        slab = facts["Slab"]
    return slab + facts["KernelStack"]


def print_weights(samples):
    rows = []
    for name, weights in samples.items():
        if None in weights:
            rows.append([name, "could not be made", "–", "–", "–", "–"])
            continue
        columns = [[weight[i] for weight in weights] for i in range(len(Weight._fields))]
        sums = [sum(weight) for weight in weights]
        natively = [sum(weight) for weight in samples.get("native", []) if weight]
        rows.append([name] + [rounds.text(rounds.summarise(column), 0) for column in columns + [sums]] +
                    [rounds.text(rounds.ratios(natively, sums))])
    rounds.print_table(["", "resident", "page tables", "kernel", "all", "native is so many times that"], rows)


if __name__ == "__main__":
    main()
