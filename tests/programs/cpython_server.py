"""A blocking server in plain Python, a thread for each connection: it waits a moment, asks a backend over a socket of
its own and passes the answer on. Arguments: the backend's port. Prints the port it listens on."""
import http.server
import signal
import socket
import sys
import threading
import time

BACKEND_PORT = int(sys.argv[1])
local = threading.local()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        local.path = self.path
        time.sleep(0.05)
        with socket.create_connection(("127.0.0.1", BACKEND_PORT)) as backend:
            backend.sendall(f"GET {local.path} HTTP/1.0\r\n\r\n".encode())
            head, _, answer = backend.makefile("rb").read().partition(b"\r\n\r\n")
        self.send_response(200 if b" 200 " in head else 502)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = False


server = Server(("127.0.0.1", 0), Handler)
ender = threading.Thread(target=server.shutdown)  # it waits for serve_forever, which the main thread is in
signal.signal(signal.SIGTERM, lambda *_: ender.start())
print("listening on", server.server_port, flush=True)
server.serve_forever()
ender.join()
server.server_close()
print("ended with", threading.active_count(), "threads", flush=True)
