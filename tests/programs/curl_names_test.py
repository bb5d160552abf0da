"""curl looks a name up in a thread of its own, at a name server of the test's: where there are namespaces to be had, in
one whose resolv.conf names it."""
import os
import socket
import subprocess
import sys
import threading

import unblocked
from name_lookups_test import answer

ALONE = ["unshare", "--mount", "--net", "--"]
# The network's only interface comes up, and the name server is the one of this folder's resolv.conf.
INSIDE = ('ip link set lo up && ip address add 10.1.2.3/32 dev lo && mount --bind "$1" /etc/resolv.conf && '
          'shift && exec "$@"')


class Servers:
    """Inside: a name server at port 53 that knows one address, and a server of one page at that address."""

    def __init__(self):
        self.names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.names.bind(("127.0.0.1", 53))
        self.page = socket.create_server(("10.1.2.3", 0))
        threading.Thread(target=self.answer_names, daemon=True).start()
        threading.Thread(target=self.answer_pages, daemon=True).start()

    def answer_names(self):
        while True:
            question, client = self.names.recvfrom(512)
            kind = question[-3]
            said = answer(question) if kind == 1 else question[:2] + b"\x81\x80" + question[4:]
            self.names.sendto(said, client)

    def answer_pages(self):
        while True:
            client, _ = self.page.accept()
            client.recv(4096)
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nfound")
            client.close()


def fetch():
    """What runs inside: curl, with the environment of the program under test."""
    servers = Servers()
    url = f"http://host.test:{servers.page.getsockname()[1]}/"
    environment = dict(os.environ, LD_PRELOAD=os.environ.get("TEST_PRELOAD", ""))
    return subprocess.run(["curl", "-4", "-s", "--noproxy", "*", url], env=environment,
                          timeout=unblocked.PATIENCE_SECONDS).returncode


class Curl(unblocked.ProgramTest):
    def test_it_finds_the_host(self):
        if subprocess.run(ALONE + ["ip", "link", "set", "lo", "up"], capture_output=True).returncode != 0:
            self.skipTest("no namespaces of one's own")
        resolv = self.folder / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.1\n")
        statistics = self.folder / "statistics"
        environment = unblocked.environment()
        if unblocked.under_unblock():
            environment |= {"TEST_PRELOAD": str(unblocked.library()), "UNBLOCK_STATS": str(statistics)}
        result = subprocess.run([*ALONE, "sh", "-c", INSIDE, "sh", resolv, sys.executable, __file__, "--inside"],
                                env=environment, capture_output=True, text=True, timeout=unblocked.PATIENCE_SECONDS)
        self.assertEqual((result.returncode, result.stdout), (0, "found"), result.stderr)
        if unblocked.under_unblock():
            (counts,) = unblocked.records(statistics).values()
            self.assertEqual(counts["active"], 1)
            self.assertGreater(counts["parks_poll"], 0)


if __name__ == "__main__":
    sys.exit(fetch() if sys.argv[1:] == ["--inside"] else unblocked.main())
