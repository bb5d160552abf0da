#!/usr/bin/env python3
"""Echo round trips: native threads, the same program under unblock, and a hand-written epoll loop, in turn."""

import contextlib
import shutil

import pair
import programs
import rounds
import tracer

REQUESTS = {1: 10_000, 64: 40_000}  # round trips of one round, some tenths of a second
MANY_REQUESTS = 50_000
TRACED_REQUESTS = 2_000
MOST_TRACED_CONNECTIONS = 1_000  # strace holds each native thread


def main():
    options = programs.parse_arguments(
        __doc__, rounds=(0, "rounds for each number of connections (default 21, quick 3)"),
        connections=([1, 64, 1000, 10000], "numbers of connections"), size=(64, "bytes of a request"),
        pin=(False, "server on CPU 0, load on CPU 1"), no_trace=(False, "do not count system calls with strace"),
        server=("", "another server with threads to measure in place of the sample"))
    count = options.rounds or (3 if options.quick else 21)
    print(f"## Echo, {options.size} bytes{', server pinned to CPU 0' if options.pin else ''}\n")
    print(f"{count} rounds in turn; medians and quartiles. {programs.machine()}.\n")
    for connections in options.connections:
        with contextlib.ExitStack() as stack:
            measure(options, connections, count, stack)


def measure(options, connections, count, stack):
    pairs = start(options, connections, stack)
    requests = REQUESTS.get(connections, MANY_REQUESTS) // (4 if options.quick else 1)
    samples = rounds.take_turns(count, {each.name: lambda each=each: each.make_round_trips(requests) for each in pairs},
                                f"echo, {connections} connections")
    print(f"### Connections: {connections:,}\n")
    print_samples(pairs, samples)
    if shutil.which("strace") and not options.no_trace and connections <= MOST_TRACED_CONNECTIONS:
        print_calls(pairs, connections, 1 if options.quick else 5)


def start(options, connections, stack):
    cpu, load_cpu = (0, 1) if options.pin else (None, None)
    rounds.progress(f"echo, {connections} connections: connecting")
    variants = pair.variants(options.build, options.processors, options.server, cpu)
    if not options.pin and options.processors != 1:
        variants.insert(2, pair.one_processor(options.build, options.server))
    pairs = [stack.enter_context(pair.Pair(options.build, command, launch, connections, options.size, load_cpu))
             for command, launch in variants]
    for each in pairs:
        each.connect()
    return pairs


def print_samples(pairs, samples):
    head = ["", "OS threads", "requests/s", "of native", "of the epoll loop", "CPU µs/request", "CPU of the epoll loop",
            "p50 µs", "p99 µs"]
    column = {name: {field: [getattr(sample, field) for sample in samples[name]] for field in pair.Sample._fields}
              for name in samples}
    rows = []
    for each in pairs:
        mine, natively, bar = column[each.name], column["native"], column[pair.EPOLL_LOOP]
        rows.append([each.name, f"{each.server.os_threads():,}", rounds.text(rounds.summarise(mine["rate"]), 0),
                     rounds.text(rounds.ratios(mine["rate"], natively["rate"])),
                     rounds.text(rounds.ratios(mine["rate"], bar["rate"])),
                     rounds.text(rounds.summarise(mine["cpu_us"])),
                     rounds.text(rounds.ratios(mine["cpu_us"], bar["cpu_us"])),
                     rounds.text(rounds.summarise(mine["p50"]), 0), rounds.text(rounds.summarise(mine["p99"]), 0)])
    rounds.print_table(head, rows)


def calls_per_request(each):
    """The difference of two counts: what does not grow with the requests falls out."""
    few, many = (tracer.count_calls(each.server.pid, lambda: each.make_round_trips(times * TRACED_REQUESTS))
                 for times in (1, 3))
    return {name: (many[name] - few[name]) / (2 * TRACED_REQUESTS) for name in many | few}


def print_calls(pairs, connections, count):
    """One request should cost one recv, one send and its share of one epoll_wait."""
    traced = rounds.take_turns(count, {each.name: lambda each=each: calls_per_request(each) for each in pairs},
                               f"echo, {connections} connections, system calls")
    names = sorted({call for counts in traced.values() for sample in counts for call in sample
                    if abs(rounds.summarise(each.get(call, 0) for each in counts).median) >= 0.005})
    print(f"System calls per request (strace, {count} times the difference of {TRACED_REQUESTS:,} and "
          f"{3 * TRACED_REQUESTS:,} requests):\n")
    rounds.print_table(["", "all"] + names, [[name, rounds.text(rounds.summarise(sum(s.values()) for s in counts))] +
                                             [rounds.text(rounds.summarise(s.get(call, 0) for s in counts))
                                              for call in names] for name, counts in traced.items()])


if __name__ == "__main__":
    main()
