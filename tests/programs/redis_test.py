#!/usr/bin/env python3
"""redis runs its own event loop and gives slow work to a few threads and a forked child. Its answers under unblock are
those it gives natively, a benchmark loses nothing, and a native redis reads what it wrote."""
import subprocess

import unblocked

REQUESTS = 20000

SESSION = r"""
set greeting hello
append greeting " world"
get greeting
strlen greeting
incrby number 41
incr number
incr greeting
rpush list a b c d e
lrange list 1 -2
blpop list 1
blpop nothing 0.05
zadd scores 3 c 1 a 2 b
zrange scores 0 -1 withscores
hset hash field value other thing
hgetall hash
multi
incr number
exec
eval "local n = 0 for i = 1, 10000 do n = n + i end return n" 0
debug populate 50000 filler 100
unlink filler:1
dbsize
bgrewriteaof
flushdb async
dbsize
set last word
config get appendonly
nonsense
object encoding number
"""


class Redis(unblocked.ProgramTest):
    def start_redis(self, folder, **how):
        folder.mkdir(exist_ok=True)
        self.port = unblocked.free_port()
        server = self.start(["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", folder, "--save", "",
                             "--appendonly", "yes", "--appendfsync", "everysec", "--enable-debug-command", "yes"],
                            **how)
        server.until_said("Ready to accept connections")
        return server

    def client(self, *words, text=""):
        """Runs a client natively; returns what it printed."""
        try:
            done = subprocess.run([words[0], "-p", str(self.port), *words[1:]], input=text, capture_output=True,
                                  text=True, check=False, env=unblocked.environment(),
                                  timeout=unblocked.PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.fail(f"{words} gets no answer")
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"{words}: {done.stdout}")
        return done.stdout

    def end(self, server):
        self.assertEqual(server.end(), 0, server.output())
        self.assertIn("ready to exit, bye bye", server.output())

    def session(self, folder, **how):
        """Everything that a client sees of one server's life."""
        server = self.start_redis(folder, **how)
        answers = self.client("redis-cli", text=SESSION)
        for _ in self.rounds(server):
            self.client("redis-cli", "del", "counter:__rand_int__")
            self.client("redis-benchmark", "-q", "-n", str(REQUESTS), "-c", "50", "-P", "4", "-t", "set,get,incr,lpush")
            self.assertEqual(self.client("redis-cli", "get", "counter:__rand_int__"), f"{REQUESTS}\n")
        digest = self.client("redis-cli", "debug", "digest")
        self.end(server)
        return server, answers, digest

    def test_it_answers_and_stores_as_natively(self):
        _, native_answers, native_digest = self.session(self.folder / "native", natively=True)
        server, answers, digest = self.session(self.folder / "other")
        self.assertEqual(answers, native_answers)
        self.assertEqual(digest, native_digest)
        # jemalloc takes pthread_create from the library behind itself, which is libc.
        self.assert_threads(server, at_once=4, foreign_names=["jemalloc_bg_thd"])
        self.assert_green(server, at_once=1)
        reader = self.start_redis(self.folder / "other", natively=True)
        self.assertEqual(self.client("redis-cli", "debug", "digest"), digest)
        self.end(reader)


if __name__ == "__main__":
    unblocked.main()
