#!/usr/bin/env python3
"""What a thread that never gives way costs the others: echo delays on one processor when it begins. The bar is 20 ms."""

import contextlib
import socket
import time

import programs
import rounds

BAR_MS = 20
PROBES = 4
ECHOES = 200  # that follow each beginning
KINDS = {"h": "endless loop", "b": "raw system call that blocks"}


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request):
        self.socket.sendall(request.encode())
        self.await_answer(request)

    def await_answer(self, request):
        answer = self.socket.recv(1).decode()
        if answer != request:
            raise SystemExit(f"hog-echo answered {answer!r} to {request!r}")

    def close(self):
        self.socket.close()


class Server:
    """hog-echo with some clients that only measure."""

    def __init__(self, build, launch, stack):
        self.name = launch.name
        self.program = stack.enter_context(programs.Program([programs.built(build, "hog-echo")], launch))
        self.probes = [self.client(stack) for _ in range(PROBES)]
        self.echo_delays_ms()

    def client(self, stack):
        client = Client(self.program.port)
        stack.callback(client.close)
        return client

    def echo_delays_ms(self):
        delays = []
        for i in range(ECHOES):
            begin = time.perf_counter()
            self.probes[i % PROBES].ask("e")
            delays.append((time.perf_counter() - begin) * 1000)
        return delays

    def trial(self, kind):
        """A fresh thread begins to misbehave; returns the delays of the echoes that follow."""
        with contextlib.ExitStack() as stack:
            hog = self.client(stack)
            hog.ask("e")
            hog.ask(kind)
            delays = self.echo_delays_ms()
            self.probes[0].ask(kind.upper())
            hog.await_answer(kind)
            return delays


def main():
    options = programs.parse_arguments(__doc__, trials=(0, "trials of each kind (default 50, quick 5)"))
    count = options.trials or (5 if options.quick else 50)
    print("## Delay by a hog\n")
    print(f"{count} trials in turn, each with a fresh thread and {ECHOES} echoes after it begins, milliseconds. Under "
          f"unblock with {options.processors or 1} processor(s). {programs.machine()}.\n")
    with contextlib.ExitStack() as stack:
        servers = [Server(options.build, launch, stack) for launch in
                   (programs.native(), programs.under_unblock(options.build, options.processors or 1))]
        rows = quiet_rows(servers, count)
        for kind, meaning in KINDS.items():
            rows += rows_of(kind, meaning, servers, count)
    rounds.print_table(["", "", "first echo", "worst echo of a trial", "worst of all", "median echo",
                        f"trials over {BAR_MS} ms"], rows)


def quiet_rows(servers, count):
    trials = rounds.take_turns(count, {server.name: server.echo_delays_ms for server in servers}, "no hog")
    return [row("nobody misbehaves", name, delays) for name, delays in trials.items()]


def rows_of(kind, meaning, servers, count):
    trials = rounds.take_turns(count, {server.name: lambda server=server: server.trial(kind) for server in servers},
                               meaning)
    return [row(meaning, name, delays) for name, delays in trials.items()]


def row(meaning, name, trials):
    worst = [max(delays) for delays in trials]
    return [meaning, name, rounds.text(rounds.summarise(delays[0] for delays in trials)),
            rounds.text(rounds.summarise(worst)), f"{max(worst):.2f}",
            rounds.text(rounds.summarise(delay for delays in trials for delay in delays), 3),
            f"{sum(delay > BAR_MS for delay in worst)} of {len(worst)}"]


if __name__ == "__main__":
    main()
