#!/usr/bin/env python3
"""stunnel has a thread for each connection, with OpenSSL on its stack. Three hundred TLS clients talk through it at once
to an echo origin, and see a certificate made for this run."""
import asyncio
import re
import ssl
import subprocess

import traffic
import unblocked

CLIENTS = 300
SIZE = 64 * 1024

CONFIGURATION = """
foreground = yes
syslog = no
pid =
debug = notice
[echo]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{origin}
cert = {folder}/certificate.pem
key = {folder}/key.pem
"""


class Stunnel(unblocked.ProgramTest):
    def setUp(self):
        super().setUp()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out",
                        "certificate.pem"], cwd=self.folder, check=True, capture_output=True)
        self.trust = ssl.create_default_context(cafile=self.folder / "certificate.pem")

    async def client(self, index, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self.trust)
        try:
            data = traffic.body(index, SIZE)
            return traffic.difference(await traffic.exchange(reader, writer, data), data)
        finally:
            writer.close()

    async def run_stunnel(self):
        """One stunnel and its origin for several rounds of clients."""
        async with traffic.EchoOrigin(traffic.Gate(CLIENTS)) as origin:
            port = unblocked.free_port()
            configuration = self.folder / "stunnel.conf"
            configuration.write_text(CONFIGURATION.format(port=port, origin=origin.port, folder=self.folder))
            stunnel = self.start(["stunnel4", configuration])
            await asyncio.to_thread(stunnel.until_listening, port)
            wrong = []
            for _ in self.rounds(stunnel):
                origin.gate = traffic.Gate(CLIENTS)
                wrong += await traffic.all_at_once(lambda index: self.client(index, port), CLIENTS)
            return stunnel, wrong

    @staticmethod
    def connections_are_over(stunnel):
        """Natively stunnel may crash when it ends while a thread of a connection still runs: it takes OpenSSL apart."""
        accepted = stunnel.output().count("accepted connection")
        closed = len(re.findall(r"Connection (?:reset/)?closed", stunnel.output()))
        return closed >= accepted and len(unblocked.threads_of(stunnel.pid)) < 10

    def test_every_tls_client_gets_its_own_bytes_back(self):
        stunnel, wrong = asyncio.run(self.run_stunnel())
        self.assertEqual(wrong, [])
        stunnel.until(lambda: self.connections_are_over(stunnel), "the end of every connection")
        self.assertEqual(stunnel.end(), 0, stunnel.output())
        self.assertIn("Threading:PTHREAD", stunnel.output(), "this build has other threads than we think")
        self.assert_threads(stunnel, CLIENTS)
        self.assert_green(stunnel, CLIENTS)


if __name__ == "__main__":
    unblocked.main()
