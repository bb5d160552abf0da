"""Five hundred sessions of a MariaDB server: one holds a row, a hundred wait for it, some work, and the others sleep."""
import contextlib
import pathlib
import re
import subprocess
import time

WAITING = 100
WORKING = 16
SLEEPING = 500 - WAITING - WORKING - 5  # but for who holds the row, who asks, and one more of each of three loads
PATIENCE_SECONDS = 60
ROW_LOCK_SECONDS = 600  # for as long do they wait for the row

SETTINGS = ["--max-connections=700", "--back-log=1000", "--innodb-buffer-pool-size=32M",
            "--thread-handling=one-thread-per-connection", f"--innodb-lock-wait-timeout={ROW_LOCK_SECONDS}"]


class Client:
    """A session that is asked statement by statement."""

    def __init__(self, socket, environment):
        self.process = subprocess.Popen(["mariadb", "--no-defaults", "--user=root", f"--socket={socket}", "--batch",
                                         "--skip-column-names", "--unbuffered"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=environment, text=True)

    def tell(self, statement):
        self.process.stdin.write(statement + ";\n")
        self.process.stdin.flush()

    def ask(self, statement):
        """The fields of the first line of the answer."""
        self.tell(statement)
        return self.process.stdout.readline().split()

    def count(self, name):
        return int(self.ask(f"show global status like '{name}'")[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()


class Sessions:
    """All five hundred, from when the last has arrived until close()."""

    def __init__(self, socket, environment):
        self.socket, self.environment, self.loads = socket, environment, []
        self.asker, self.holder = Client(socket, environment), Client(socket, environment)
        try:
            self.begin()
        except BaseException:
            self.close()
            raise

    def begin(self):
        self.holder.ask("create database bank; create table bank.account (id int primary key, balance bigint)"
                        " engine=innodb; insert into bank.account values (1, 0), (2, 0); select 1")
        self.holder.ask("begin; select balance from bank.account where id = 1 for update")
        self.waiting = self.slap(WAITING, "update account set balance = balance + 1 where id = 1")
        self.slap(SLEEPING, f"select sleep({ROW_LOCK_SECONDS})")
        self.slap(WORKING, "select balance from account where id = 2", "--number-of-queries=1000000000")
        self.until(lambda: self.count_of_waiting() == WAITING, "waiting for the row")
        self.until(lambda: self.count_of_sleeping() == SLEEPING, "asleep")
        self.until(lambda: self.asker.count("Threads_connected") == 500, "connected")
        self.until(lambda: self.reads() > 0, "working")

    def slap(self, sessions, query, *how):
        process = subprocess.Popen(["mysqlslap", "--no-defaults", "--user=root", f"--socket={self.socket}",
                                    f"--concurrency={sessions}", f"--query={query}", "--create-schema=bank", *how],
                                   env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.loads.append(process)
        return process

    def count_of_waiting(self):
        query = "select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT'"
        return int(self.asker.ask(query)[0])

    def count_of_sleeping(self):
        return int(self.asker.ask("select count(*) from information_schema.processlist where state = 'User sleep'")[0])

    def reads(self):
        """Rows that the working sessions have read so far."""
        return self.asker.count("Com_select")

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"the sessions are not {what} after {PATIENCE_SECONDS} s: "
                                     f"{self.asker.count('Threads_connected')} are connected, "
                                     f"{self.count_of_waiting()} wait")
            time.sleep(0.25)  # InnoDB renews what it tells of transactions when nobody has asked for 0.1 s

    def let_go(self):
        """Gives the row back; returns what the waiting sessions have made of it."""
        self.holder.ask("commit; select 1")
        if self.waiting.wait(PATIENCE_SECONDS) != 0:
            raise AssertionError("a session that waited for the row failed")
        return int(self.asker.ask("select balance from bank.account where id = 1")[0])

    def close(self):
        for load in self.loads:
            if load.poll() is None:
                load.terminate()
                load.wait(PATIENCE_SECONDS)
        for client in (self.asker, self.holder):
            client.close()


def install(data, environment):
    """Makes the files of a new server."""
    subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
                    "--auth-root-authentication-method=normal"], env=environment, capture_output=True, check=True)


def command(data, socket):
    """Starts such a server, which listens on `socket` alone."""
    return ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket}", "--skip-networking",
            f"--pid-file={pathlib.Path(socket).parent}/pid", *SETTINGS]


@contextlib.contextmanager
def at_work(folder, library, environment):
    """A server of its own under the library, and its five hundred sessions: both end with the block."""
    data, socket, log = (folder / name for name in ("data", "socket", "log"))
    install(data, environment)
    with open(log, "wb") as output:
        server = subprocess.Popen(command(data, socket), stdout=output, stderr=output,
                                  env=environment | {"LD_PRELOAD": str(library)})
    try:
        while "ready for connections" not in log.read_text(errors="replace"):
            if server.poll() is not None:
                raise AssertionError(log.read_text(errors="replace"))
            time.sleep(0.05)
        sessions = Sessions(socket, environment)
        try:
            yield server, sessions
        finally:
            sessions.close()
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


def sessions_of_page(page):
    """How many green threads a page of `unblock top` counts, by state."""
    line = re.search(r"green threads +(\d+):(.*);", page)
    return int(line[1]), {state: int(count) for count, state in re.findall(r"(\d+) (\w+)", line[2])}
