#!/usr/bin/env python3
"""nginx: a master, two workers with event loops of their own and, in the second configuration, a pool of threads that
read files. Two hundred clients at once get exact files and exact answers from the origin behind it, before and after a
reload."""
import asyncio
import pathlib
import signal

import traffic
import unblocked

CLIENTS = 200
SIZE = 256 * 1024
FILES = 10
POOL = 32

CONFIGURATION = """
daemon off;
user root;
worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr warn;
{pool}
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  keepalive_timeout 60;
  server {{
    listen 127.0.0.1:{port};
    location /files/ {{ root {folder}; sendfile on; {aio} }}
    location /origin/ {{ proxy_pass http://127.0.0.1:{origin}; proxy_buffers 4 4k; proxy_max_temp_file_size 1m; }}
  }}
}}
"""


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Nginx(unblocked.ProgramTest):
    def setUp(self):
        super().setUp()
        (self.folder / "files").mkdir()
        for index in range(FILES):
            (self.folder / "files" / str(index)).write_bytes(traffic.body(index, SIZE))

    def configure(self, origin_port, threaded):
        self.port = unblocked.free_port()
        configuration = self.folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            folder=self.folder, port=self.port, origin=origin_port,
            pool=f"thread_pool default threads={POOL};" if threaded else "", aio="aio threads;" if threaded else ""))
        return ["nginx", "-c", configuration, "-p", self.folder, "-e", "stderr"]

    async def ask(self, reader, writer, path, expected):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200 ") or b"content-length: %d\r\n" % len(expected) not in head:
            return head
        return traffic.difference(await reader.readexactly(len(expected)), expected)

    async def client(self, index):
        """Fetches two files and an answer of the origin over one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for file in index % FILES, (index + 1) % FILES:
                if wrong := await self.ask(reader, writer, f"/files/{file}", traffic.body(file, SIZE)):
                    return wrong
            return await self.ask(reader, writer, f"/origin/{index}/{SIZE}", traffic.body(index, SIZE))
        finally:
            writer.close()

    async def reload(self, nginx):
        """A new generation of workers; the old one leaves when its clients have."""
        old = children(nginx.pid)
        nginx.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(nginx.until, lambda: len(children(nginx.pid)) == 2 and
                                not set(old) & set(children(nginx.pid)), "new workers in the place of the old")

    async def run_nginx(self, threaded):
        async with traffic.HttpOrigin(traffic.Gate(CLIENTS)) as origin:
            nginx = self.start(self.configure(origin.port, threaded))
            await asyncio.to_thread(nginx.until_listening, self.port)
            wrong = []
            for _ in range(1 + unblocked.options.rounds):
                origin.gate = traffic.Gate(CLIENTS)
                wrong += await traffic.all_at_once(self.client, CLIENTS)
                workers = children(nginx.pid)
                threads = [unblocked.status(worker, "Threads")[0] for worker in workers]
                await self.reload(nginx)
            return nginx, wrong, workers, threads

    def check(self, threaded):
        nginx, wrong, workers, threads = asyncio.run(self.run_nginx(threaded))
        self.assertEqual(wrong, [])
        self.assertEqual(nginx.end(signal.SIGQUIT), 0, nginx.output())
        self.assertNotIn("unblock: ", nginx.output())
        self.assertNotIn("[alert]", nginx.output())
        if not unblocked.under_unblock():
            self.assertEqual(threads, [1 + POOL if threaded else 1] * 2)
            return
        self.assertLessEqual(max(threads), unblocked.processors() + unblocked.SPARE_THREADS)
        found = unblocked.records(nginx.statistics_file)
        active = [pid for pid in found if found[pid].get("active") == 1]
        self.assertEqual(sorted(set(active) & set(workers)), sorted(workers) if threaded else [])

    def test_event_loops_alone(self):
        self.check(threaded=False)

    def test_event_loops_with_a_pool_of_threads(self):
        self.check(threaded=True)


if __name__ == "__main__":
    unblocked.main()
