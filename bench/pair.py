"""An echo server, and the load that drives it."""

import collections
import json

import programs

Sample = collections.namedtuple("Sample", "rate cpu_us p50 p99")
EPOLL_LOOP = "epoll loop"


def variants(build, processors=None, server=None, cpu=None):
    """What is compared: for each its command and its launch."""
    threaded = [server or programs.built(build, "echo-server", folder="samples")]
    return [(threaded, programs.native(cpu=cpu)),
            (threaded, programs.under_unblock(build, processors, cpu=cpu)),
            ([programs.built(build, "epoll-echo")], programs.Launch(EPOLL_LOOP, cpu=cpu))]


def one_processor(build, server=None, cpu=None):
    """The same program with one thread's worth of work at a time, as the epoll loop has."""
    command, launch = variants(build, processors=1, server=server, cpu=cpu)[1]
    launch.name = "unblock, one processor"
    return command, launch


class Pair:
    """The connections are opened, and each is served once, by `connect`; they stay until the `with` statement ends."""

    def __init__(self, build, command, launch, connections, size=64, load_cpu=None):
        self.name = launch.name
        self.connections = connections
        self.server = programs.Program(command, launch)
        try:
            self.load = programs.Program([programs.built(build, "echo-load"), self.server.port, connections, size],
                                         programs.native(cpu=load_cpu))
        except BaseException:
            self.server.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.load.end()
        self.server.end()

    def connect(self):
        self.load.ask(self.connections)

    def make_round_trips(self, requests):
        before = self.server.cpu_seconds()
        answer = json.loads(self.load.ask(requests))
        cpu = self.server.cpu_seconds() - before
        return Sample(requests / answer["seconds"], cpu / requests * 1e6, answer["p50_us"], answer["p99_us"])
