#!/usr/bin/env python3
"""OpenJDK makes an OS thread for each Java thread. A thousand sockets are served by a thousand of them, the collector
stops them all, and a thread dump shows every one."""
import asyncio
import pathlib
import re
import signal
import subprocess

import traffic
import unblocked

CLIENTS = 1000
SIZE = 64 * 1024
SOURCE = pathlib.Path(__file__).with_name("ThreadPerSocket.java")


class OpenJdk(unblocked.ProgramTest):
    def setUp(self):
        super().setUp()
        done = subprocess.run(["javac", "-d", self.folder, SOURCE], env=unblocked.environment(), capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    async def client(self, index, port, gate):
        """Is echoed one byte, so that its thread exists; then waits for all the others; then sends the body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            data = traffic.body(index, SIZE)
            first = await traffic.exchange(reader, writer, data[:1])
            await gate.pass_through()
            return traffic.difference(first + await traffic.exchange(reader, writer, data[1:]), data)
        finally:
            writer.close()

    async def dump_threads(self, gate, server):
        """While the clients wait for us: a dump by SIGQUIT and one by jstack, which speaks to the virtual machine
        through a socket. Both must name the thread of every client."""
        await gate.all_here.wait()
        before = len(server.output())
        server.process.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(server.until, lambda: "JNI global refs" in server.output()[before:], "a thread dump")
        jstack = await asyncio.create_subprocess_exec("jstack", str(server.pid), env=unblocked.environment(),
                                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        printed = (await asyncio.wait_for(jstack.communicate(), unblocked.PATIENCE_SECONDS))[0].decode()
        gate.open()
        return [server.output()[before:], printed]

    def assert_dump_is_whole(self, dump):
        self.assertIn("Full thread dump OpenJDK", dump)
        waiting = re.findall(r'^"client-\d+" .*\n   java.lang.Thread.State: RUNNABLE\n\tat sun.nio.ch', dump, re.M)
        self.assertEqual(len(waiting), CLIENTS, dump[:unblocked.NEWEST_OUTPUT])

    async def run_round(self, server, port):
        gate = traffic.HeldGate(CLIENTS)
        wrong, dumps = await asyncio.gather(
            traffic.all_at_once(lambda index: self.client(index, port, gate), CLIENTS),
            self.dump_threads(gate, server))
        for dump in dumps:
            self.assert_dump_is_whole(dump)
        return wrong

    def test_a_thread_for_each_of_1000_sockets(self):
        server = self.start(["java", "-Xms64m", "-Xmx64m", "-cp", self.folder, "ThreadPerSocket"])
        server.until_said("\n")
        port = int(server.output().split()[2])
        for _ in self.rounds(server):
            self.assertEqual(asyncio.run(self.run_round(server, port)), [])
        self.assertEqual(server.end(), 128 + signal.SIGTERM, server.output()[-unblocked.NEWEST_OUTPUT:])
        self.assertIn(f"echoed {unblocked.options.rounds * CLIENTS * SIZE}", server.output())
        self.assertNotIn("failed", server.output())
        self.assert_threads(server, CLIENTS)
        self.assert_green(server, CLIENTS)


if __name__ == "__main__":
    unblocked.main()
