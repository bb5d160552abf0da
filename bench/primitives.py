#!/usr/bin/env python3
"""Building blocks of threaded programs: nanoseconds natively and under unblock, the same binary, in turn."""

import json

import programs
import rounds

MEANINGS = {
    "spawn_join": "create a thread and join it",
    "spawn_join_crowd": "create 500 threads, then join them; each",
    "yield_between_two": "sched_yield, two threads",
    "sleep_zero": "nanosleep of nothing",
    "mutex_uncontended": "lock and unlock a mutex, nobody else there",
    "mutex_contended": "the same, four threads",
    "semaphore_uncontended": "post and wait a semaphore, nobody else there",
    "thread_local_access": "count in a thread_local variable",
    "key_access": "count in pthread_getspecific and setspecific",
    "pipe_alone": "write a byte to a pipe and read it back",
    "condition_ping_pong": "condition variable, there and back",
    "semaphore_ping_pong": "semaphore, there and back",
    "pipe_ping_pong": "pipe, there and back",
    "socketpair_ping_pong": "socket pair, there and back",
}


def main():
    options = programs.parse_arguments(__doc__, rounds=(0, "rounds (default 21, quick 3)"),
                                       only=("", "names of primitives, with commas between them"))
    count = options.rounds or (3 if options.quick else 21)
    print("## Building blocks\n")
    print(f"{count} rounds in turn; medians and quartiles. {programs.machine()}.\n")
    measure(options, count, None, "### All CPUs\n")
    measure(options, count, 0, "### One CPU\n")


def measure(options, count, cpu, heading):
    command = [programs.built(options.build, "primitives")] + [name for name in options.only.split(",") if name]
    launches = [programs.native(cpu=cpu), programs.under_unblock(options.build, options.processors, cpu=cpu)]
    variants = {launch.name: lambda launch=launch: json.loads(programs.run(command, launch)) for launch in launches}
    samples = rounds.take_turns(count, variants, "building blocks" + ("" if cpu is None else ", one CPU"))
    print(heading)
    print_samples(samples)


def print_samples(samples):
    rows = []
    for name in samples["native"][0]:
        native, unblock = ([sample[name] for sample in samples[launch]] for launch in ("native", "unblock"))
        rows.append([MEANINGS[name], rounds.text(rounds.summarise(native), 1), rounds.text(rounds.summarise(unblock), 1),
                     rounds.text(rounds.ratios(native, unblock))])
    rounds.print_table(["", "native ns", "unblock ns", "native / unblock"], rows)


if __name__ == "__main__":
    main()
