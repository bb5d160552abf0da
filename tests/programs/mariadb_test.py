#!/usr/bin/env python3
"""MariaDB has a thread for each session and a few of its own. Five hundred sessions sleep at once, fifty change the same
data, and what they wrote is there after a restart on plain libc."""
import subprocess

import unblocked

SLEEPERS = 500
WRITERS = 50
QUERIES_OF_EACH_WRITER = 40


class Mariadb(unblocked.ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "data"
        self.socket = self.folder / "socket"
        done = subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={self.data}",
                               "--auth-root-authentication-method=normal", "--skip-test-db"],
                              env=unblocked.environment(), capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def start_server(self, **how):
        port = unblocked.free_port()
        server = self.start(["mariadbd", "--no-defaults", "--user=root", f"--datadir={self.data}",
                             f"--socket={self.socket}", f"--port={port}", "--bind-address=127.0.0.1",
                             f"--pid-file={self.folder}/pid", "--thread-handling=one-thread-per-connection",
                             f"--max-connections={SLEEPERS + 100}", "--back-log=1000",
                             "--innodb-buffer-pool-size=16M"], **how)
        server.until_said("ready for connections")
        self.by_socket = ["--no-defaults", "--user=root", f"--socket={self.socket}"]
        self.by_port = ["--no-defaults", "--user=root", "--host=127.0.0.1", "--protocol=tcp", f"--port={port}"]
        return server

    def client(self, *command):
        """Runs a client natively; returns what it printed."""
        try:
            done = subprocess.run([str(word) for word in command], env=unblocked.environment(), capture_output=True,
                                  text=True, check=False, timeout=unblocked.PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.fail(f"{command} gets no answer")
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"{command}: {done.stdout}")
        return done.stdout

    def sql(self, text):
        """The fields of the answer to one statement, or of the last one."""
        return self.client("mariadb", *self.by_socket, "--batch", "--skip-column-names", "-e", text).split()

    def count(self, name):
        return int(self.sql(f"show global status like '{name}'")[1])

    def run_sleepers(self):
        query = "select sleep(0.2);" * 5
        self.client("mysqlslap", *self.by_port, f"--concurrency={SLEEPERS}", "--delimiter=;", f"--query={query}",
                    "--create-schema=mysql")
        self.assertGreaterEqual(self.count("Max_used_connections"), SLEEPERS)

    def run_mixed_load(self):
        """mysqlslap's own mixture of inserts and selects; each insert that was counted is a row."""
        before = self.count("Com_insert")
        self.client("mysqlslap", *self.by_port, f"--concurrency={WRITERS}", "--auto-generate-sql",
                    "--auto-generate-sql-load-type=mixed", "--auto-generate-sql-add-autoincrement",
                    f"--number-of-queries={WRITERS * QUERIES_OF_EACH_WRITER}", "--engine=innodb", "--no-drop")
        self.rows = self.count("Com_insert") - before
        self.assertGreater(self.rows, WRITERS)

    def run_contention(self):
        """Every session changes the same two rows in one transaction, so each waits for the others' locks."""
        self.sql("create database bank; create table bank.account (id int primary key, balance bigint) engine=innodb;"
                 "insert into bank.account values (1, 1000000), (2, 0)")
        transfer = ("begin; update account set balance = balance - 1 where id = 1;"
                    "update account set balance = balance + 1 where id = 2; commit;")
        self.client("mysqlslap", *self.by_socket, f"--concurrency={WRITERS}", "--delimiter=;",
                    f"--query={transfer * QUERIES_OF_EACH_WRITER}", "--create-schema=bank")

    def check_data(self):
        moved = WRITERS * QUERIES_OF_EACH_WRITER
        self.assertEqual(self.sql("select balance from bank.account order by id"), [str(1000000 - moved), str(moved)])
        self.assertEqual(self.sql("select count(*) from mysqlslap.t1"), [str(self.rows)])
        for table in "bank.account", "mysqlslap.t1":
            self.assertEqual(self.sql(f"check table {table} extended")[-1], "OK")

    def end_server(self, server):
        self.assertEqual(server.end(), 0, server.output())
        self.assertIn("Shutdown complete", server.output())
        self.assertNotIn("[ERROR]", server.output())

    def test_sessions_sleep_write_and_leave_sound_data(self):
        server = self.start_server()
        for _ in self.rounds(server):
            self.run_sleepers()
            self.sql("drop database if exists mysqlslap; drop database if exists bank")
            self.run_mixed_load()
            self.run_contention()
            self.check_data()
        self.end_server(server)
        self.assert_threads(server, SLEEPERS)
        self.assert_green(server, SLEEPERS)

        server = self.start_server(natively=True)
        self.assertNotIn("crash recovery", server.output(), "the shutdown was not clean")
        self.check_data()
        self.end_server(server)


if __name__ == "__main__":
    unblocked.main()
