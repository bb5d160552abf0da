#!/usr/bin/env python3
"""The echo server holds 19,000 connections at once, serves each, and carries a mebibyte exactly through 200 of them."""
import sample
from sample import unblocked

CONNECTIONS = 19000
CHECKED = 200


class EchoServer(sample.SampleTest):
    def test_holds_19000_connections_and_mixes_up_no_byte(self):
        echo = self.server("echo-server", 0)
        with sample.held_connections(echo.port, connections=CONNECTIONS, checked=CHECKED) as found:
            echo.watch.sample()
            print(f"{self.id()} {unblocked.options.under}: {found}", flush=True)
            expected = {"held": CONNECTIONS, "served": CONNECTIONS, "checked": CHECKED, "wrong": 0, "broken": 0}
            self.assertEqual({name: found.get(name) for name in expected}, expected, echo.describe()[-4000:])
        self.assertEqual(echo.end(), 0, echo.output()[-4000:])
        self.assert_threads(echo, CONNECTIONS)
        self.assert_green(echo, CONNECTIONS)


if __name__ == "__main__":
    sample.main()
