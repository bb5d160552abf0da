#!/usr/bin/env python3
"""Tools that inherit the preload without having asked for it: shells, compilers, version control, interpreters. Each
script runs twice in a folder of its own, once natively, and must print the same, fail the same and leave the same
files. Under `libc` both runs are native, which shows that the scripts themselves do not vary."""
import hashlib
import http.server
import re
import subprocess
import threading

import traffic
import unblocked

GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@localhost", "GIT_COMMITTER_NAME": "A",
       "GIT_COMMITTER_EMAIL": "a@localhost", "GIT_AUTHOR_DATE": "1700000000 +0000",
       "GIT_COMMITTER_DATE": "1700000000 +0000"}

BASH = r"""
echo one | tr a-z A-Z | { read -r word; echo "$word from a pipe"; }
for i in 1 2 3; do (exit $i) & pids="$pids $!"; done
for pid in $pids; do wait $pid; echo "child said $?"; done
diff <(seq 5) <(seq 1 2 9); echo "diff said $?"
coproc CAT { cat; }; echo through a coprocess >&${CAT[1]}; read -r -u ${CAT[0]} line; echo "$line"
eval "exec ${CAT[1]}>&-"; wait $CAT_PID; echo "coprocess said $?"
trap 'echo caught' USR1; kill -USR1 $$; trap - USR1
mkfifo empty; exec 7<>empty; read -r -t 0.05 -u 7 nothing; echo "read said $?"
exec 9>&1 8</dev/null; echo nine >&9; ls /proc/self/fd
ulimit -n; cat /nowhere; echo "cat said $?"
mkfifo fifo; (echo written > fifo) & read -r line < fifo; echo "$line"
(kill -TERM $BASHPID); echo "subshell said $?"
seq 200000 | sort -R | sort -n | md5sum
kill -HUP $$
"""

GIT_SINGLE = r"""
git init -q -b main work; cd work
for i in $(seq 40); do seq $i 400 > file$i; done
git add .; git commit -qm first; seq 5 > file1; git mv file2 moved; git commit -qam second
git log --stat; git diff HEAD~1 --numstat; git show --raw; git status --short; git -c grep.threads=1 grep -c 7 | head
git checkout -q -b side HEAD~1; echo side > file1; git commit -qam side; git merge main; echo "merge said $?"
git reset -q --hard; git stash list; git archive HEAD | tar t | sort | md5sum; git rev-parse HEAD HEAD~1
git frobnicate; echo "git said $?"
"""

GIT_THREADS = r"""
git init -q -b main work; cd work
for i in $(seq 200); do seq $i 900 > file$i; done
git add .; git commit -qm first
git -c grep.threads=4 grep -n 77 | md5sum
git -c pack.threads=4 repack -adfq; git fsck --full; echo "fsck said $?"
git verify-pack -v .git/objects/pack/*.idx | grep -c blob
git clone -q --no-local "file://$PWD" ../copy; echo "clone said $?"
cd ../copy; git -c core.preloadIndex=true -c index.threads=4 status; git rev-parse HEAD; ls | wc -l
"""

GCC = r"""
cat > good.c <<'END'
#include <stdio.h>
int main(int count, char** words) { printf("%d %s\n", count, words[count - 1]); return 7; }
END
cat > bad.c <<'END'
int main(void) { return undeclared; }
END
gcc -Wall -O2 -o good good.c; echo "gcc said $?"; ./good a b; echo "it said $?"
gcc -c bad.c; echo "gcc said $?"
gcc -pipe -g0 -S -O1 -o - good.c | md5sum
gcc -flto -o linked good.c && ./linked; g++ -x c++ -o plus good.c && ./plus; gcc -o none nowhere.c; echo "gcc said $?"
printf 'all: a b c\na b c:\n\t@echo $@ && sleep 0.01\n' > Makefile; make -j1; make -s missing; echo "make said $?"
"""

PYTHON_SINGLE = r"""
import os, signal, socket, sqlite3, subprocess, sys
database = sqlite3.connect("data.sqlite")
database.execute("create table t (n integer)")
database.executemany("insert into t values (?)", [(n,) for n in range(1000)])
database.commit()
print(database.execute("select sum(n) from t").fetchone())
a, b = socket.socketpair()
a.sendall(b"x" * 1000); a.shutdown(socket.SHUT_WR)
print(len(b.makefile("rb").read()), a.getblocking(), b.gettimeout())
b.settimeout(0.01)
try:
    socket.socketpair()[0].close(); c, d = socket.socketpair(); c.settimeout(0.01); c.recv(1)
except OSError as error:
    print(type(error).__name__, error)
print(subprocess.run(["sh", "-c", "cat; exit 3"], input=b"text", capture_output=True))
pid = os.fork()
if pid == 0:
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.system("exit 5"))
with os.popen("echo popen") as stream:
    print(stream.read())
signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
print(sorted(map(int, os.listdir("/proc/self/fd"))))
sys.stderr.write("to standard error\n")
raise SystemExit(4)
"""

PYTHON_THREADS = r"""
import asyncio, concurrent.futures, multiprocessing, queue, socket, subprocess, threading, time

def serve(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=lambda: connection.sendall(connection.recv(100)[::-1]), daemon=True).start()

def double(n):
    return 2 * n

def main():
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    def ask(word):
        with socket.create_connection(listener.getsockname()) as connection:
            connection.sendall(word.encode())
            return connection.recv(100).decode()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        print(sorted(pool.map(ask, (f"word{i}" for i in range(200)))))
        print(sorted(pool.map(lambda i: subprocess.run(["sh", "-c", f"exit {i}"]).returncode, range(20))))
        print([address[4] for address in pool.submit(socket.getaddrinfo, "localhost", 80, socket.AF_INET).result()])
    numbers = queue.Queue(3)
    threading.Thread(target=lambda: [numbers.put(i) for i in range(1000)]).start()
    print(sum(numbers.get() for _ in range(1000)))
    try:
        numbers.get(timeout=0.01)
    except queue.Empty:
        print("empty")
    async def many():
        print(sum(await asyncio.gather(*(asyncio.to_thread(lambda i=i: time.sleep(0.001) or i) for i in range(50)))))
        print(await (await asyncio.create_subprocess_exec("sh", "-c", "exit 6")).wait())
    asyncio.run(many())
    with multiprocessing.get_context("fork").Pool(4) as pool:
        print(pool.map(double, range(10)))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(double, range(10)))

if __name__ == "__main__":
    main()
"""

OTHERS_THREADS = r"""
seq 300000 > numbers; sort -r --parallel=4 -S 2M numbers | md5sum; echo "sort said $?"
xz -T4 --block-size=65536 -k numbers; xz -dc numbers.xz | md5sum; xz -l numbers.xz | tail -1 | awk '{print $2}'
"""

CURL = r"""
curl -sS {url}/body -o body -D head -w '%{{http_code}} %{{size_download}}\n'; grep -i -v -e ^date: -e ^server: head; rm head
curl -sS {url}/missing; echo; curl -sSf {url}/missing; echo "curl said $?"
curl -sS --data-binary @body {url}/echo -o echoed; cmp body echoed; echo "cmp said $?"
curl -sS http://localhost:{port}/body | md5sum
curl -sS --no-progress-meter -Z {url}/body -o a {url}/body -o b {url}/body -o c; echo "curl said $?"; cmp a b; cmp b c
curl -sS http://127.0.0.1:{closed}/; echo "curl said $?"
curl -sS http://name.invalid/; echo "curl said $?"
curl -sS -m 0.2 {url}/never; echo "curl said $?"
curl -sS file://$PWD/body | md5sum; curl --frobnicate; echo "curl said $?"
"""


class Origin(http.server.BaseHTTPRequestHandler):
    """What curl fetches from."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/never":
            self.server.ended.wait()
        found = self.path == "/body"
        self.reply(200 if found else 404, traffic.body(1, 1 << 20) if found else b"no such page")

    def do_POST(self):
        self.reply(200, self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, code, data):
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Tools(unblocked.ProgramTest):
    def run_in_folder(self, name, command, script, statistics, variables):
        """Runs the script; returns its exit code, what it printed and what it left behind."""
        folder = self.folder / name / "folder"
        folder.mkdir(parents=True)
        done = subprocess.run(command, input=script, cwd=folder, capture_output=True, text=True, check=False,
                              timeout=unblocked.PATIENCE_SECONDS,
                              env=unblocked.environment(statistics, HOME=str(folder), LC_ALL="C.UTF-8", **variables))
        printed = [re.sub(r"after \d+ m", "after N m", text.replace(str(folder), "FOLDER"))
                   for text in (done.stdout, done.stderr)]
        left = {str(file.relative_to(folder)): hashlib.md5(file.read_bytes()).hexdigest()
                for file in folder.rglob("*") if file.is_file() and ".git/" not in str(file)}
        return {"exit code": done.returncode, "output": printed[0], "errors": printed[1], "files": left}

    def compare(self, command, script, has_threads, **variables):
        """Two runs must agree. Under unblock, only a process with more than one thread may have become active."""
        statistics = self.folder / "statistics" if unblocked.under_unblock() else None
        native = self.run_in_folder("native", command, script, None, variables)
        other = self.run_in_folder("other", command, script, statistics, variables)
        for kind, expected in native.items():
            self.assertEqual(other[kind], expected, f"{kind} changed")
        if statistics:
            active = [pid for pid, found in unblocked.records(statistics).items() if found.get("active") == 1]
            self.assertEqual(bool(active), has_threads, f"processes that became active: {active}")
        return native

    def test_bash(self):
        self.assertEqual(self.compare(["bash", "-s"], BASH, has_threads=False)["exit code"], -1)

    def test_git(self):
        self.compare(["bash", "-s"], GIT_SINGLE, has_threads=False, **GIT)

    def test_git_with_threads(self):
        self.compare(["bash", "-s"], GIT_THREADS, has_threads=True, **GIT)

    def test_gcc(self):
        self.compare(["bash", "-s"], GCC, has_threads=False)

    def test_python(self):
        self.assertEqual(self.compare(["/usr/bin/python3", "-"], PYTHON_SINGLE, has_threads=False)["exit code"], 4)

    def test_python_with_threads(self):
        script = self.folder / "threads.py"
        script.write_text(PYTHON_THREADS)
        self.assertEqual(self.compare(["/usr/bin/python3", script], None, has_threads=True)["exit code"], 0)

    def test_sort_and_xz_with_threads(self):
        self.compare(["bash", "-s"], OTHERS_THREADS, has_threads=True)

    def test_curl(self):
        """Debian's curl resolves each name on a thread of its own."""
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin) as server:
            server.ended = threading.Event()
            threading.Thread(target=server.serve_forever).start()
            try:
                url = f"http://127.0.0.1:{server.server_port}"
                script = CURL.format(url=url, port=server.server_port, closed=unblocked.free_port())
                self.compare(["bash", "-s"], script, has_threads=True)
            finally:
                server.ended.set()
                server.shutdown()


if __name__ == "__main__":
    unblocked.main()
