#!/usr/bin/env python3
"""`unblock top`: its pages, its keys, and the terminal that it leaves as it was."""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

BUILD = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"])
PROGRAM = os.environ["UNBLOCK_TEST_PROGRAM"]
COMMAND = BUILD / "unblock"
PATIENCE = 30
TAKES_OVER, GIVES_BACK, SHOWS_CURSOR = b"\033[?1049h", b"\033[?1049l", b"\033[?25h"


class Screen:
    """`unblock top` in a terminal of its own."""

    def __init__(self, *arguments, columns=80, lines=24, **environment):
        self.master, self.slave = pty.openpty()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.process = subprocess.Popen(
            [COMMAND, "top", *map(str, arguments)], stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment})

    def resize(self, columns, lines):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self):
        if select.select([self.master], [], [], 0.05)[0]:
            self.output += os.read(self.master, 65536)

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not come: {self.output[-2000:]!r}")
            self.read()

    def press(self, key):
        """Presses a key and returns the lines of a page that was begun after that."""
        begun = len(self.output)
        os.write(self.master, key)
        return self.page(begun)

    def page(self, begin=0):
        self.until(lambda: re.search(rb"\033\[H.*?\033\[J", self.output[begin:], re.DOTALL))
        page = re.findall(rb"\033\[H(.*?)\033\[J", self.output[begin:], re.DOTALL)[-1].decode()
        return [line.removesuffix("\033[K") for line in re.split(r"\r+\n", page)]

    def end(self):
        """Waits for the end; returns the exit code and standard error."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.until(lambda: not select.select([self.master], [], [], 0)[0] or self.read())
        return self.process.wait(0), self.process.stderr.read().decode()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)


class Top(unittest.TestCase):
    def setUp(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UNBLOCK_")}
        environment.update(LD_PRELOAD=str(BUILD / "libunblock.so"), UNBLOCK_PROCESSORS="2")
        self.target = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                       env=environment)
        self.addCleanup(self.discard)
        self.assertEqual(self.target.stdout.readline(), "ready\n")

    def discard(self):
        if self.target.poll() is None:
            self.target.kill()
        self.target.communicate()

    def screen(self, *arguments, **options):
        screen = Screen(self.target.pid, "--interval", "0.2", *arguments, **options)
        self.addCleanup(screen.close)
        return screen

    def batch(self, *arguments, **environment):
        return subprocess.run([COMMAND, "top", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE, check=False,
                              env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment})

    def assert_left_as_it_was(self, screen):
        self.assertEqual(termios.tcgetattr(screen.slave), screen.before)
        self.assertEqual(screen.output.count(TAKES_OVER), screen.output.count(GIVES_BACK))
        self.assertGreater(screen.output.rfind(GIVES_BACK), screen.output.rfind(b"\033[J"))
        self.assertGreater(screen.output.rfind(SHOWS_CURSOR), screen.output.rfind(b"\033[?25l"))

    def test_a_batch_page_tells_who_computes_and_who_waits(self):
        done = self.batch(self.target.pid, "--batch", "2", "--interval", "0.3")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\033", done.stdout)
        pages = done.stdout.split("\n\nunblock top")
        self.assertEqual(len(pages), 2)
        page = pages[1]
        self.assertRegex(page, r"green threads  4: 1 running, 3 waiting; peak 4, made 4")
        self.assertRegex(page, r"hogs +\d+ hog for ")
        self.assertRegex(page, r"\n +\d+  hog +running +(8\d|9\d|10\d)\.\d +\S+  computes\n")
        self.assertRegex(page, r"\n +\d+  locker +waiting +0\.0 +\S+  waits_for_mutex: mutex 0x\w+ of 1\n")
        self.assertRegex(page, r"\n +\d+  reader +waiting +0\.0 +\S+  waits_for_pipe: read fd \d+")

    def test_rates_are_counted_between_two_pages(self):
        done = self.batch(self.target.pid, "--batch", "1", "--interval", "0.3")
        self.assertRegex(done.stdout, r"each second +0 switches, [0-9]+ hand-offs")
        self.assertRegex(done.stdout, r"parks +none")

    def test_q_ends_it_and_leaves_the_terminal_as_it_was(self):
        screen = self.screen()
        page = screen.page()
        self.assertIn("unblock top", page[0])
        self.assertLessEqual(len(page), 24)
        os.write(screen.master, b"q")
        self.assertEqual(screen.end(), (0, ""))
        self.assert_left_as_it_was(screen)

    def test_signals_end_it_and_leave_the_terminal_as_it_was(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                screen = self.screen()
                screen.page()
                screen.process.send_signal(number)
                self.assertEqual(screen.end(), (-number, ""))
                self.assert_left_as_it_was(screen)

    def test_control_c_is_a_signal(self):
        screen = self.screen()
        screen.page()
        os.write(screen.master, b"\x03")
        self.assertEqual(screen.end(), (-signal.SIGINT, ""))
        self.assert_left_as_it_was(screen)

    def test_a_stop_gives_the_terminal_back_for_the_meantime(self):
        screen = self.screen()
        screen.page()
        screen.process.send_signal(signal.SIGTSTP)
        screen.until(lambda: GIVES_BACK in screen.output)
        state = pathlib.Path(f"/proc/{screen.process.pid}/stat")
        screen.until(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T")
        self.assert_left_as_it_was(screen)
        begun = len(screen.output)
        screen.process.send_signal(signal.SIGCONT)
        screen.page(begun)
        os.write(screen.master, b"q")
        self.assertEqual(screen.end(), (0, ""))
        self.assert_left_as_it_was(screen)

    def test_the_end_of_the_process_is_one_line_and_leaves_the_terminal_as_it_was(self):
        screen = self.screen()
        screen.page()
        self.target.kill()
        self.target.wait()
        code, line = screen.end()
        self.assertEqual(code, 8)
        self.assertRegex(line, r"\Aunblock: [^\n]*ended[^\n]*\n\Z")
        self.assert_left_as_it_was(screen)

    def test_keys_choose_the_order(self):
        screen = self.screen()
        screen.page()
        ids = [int(line.split()[0]) for line in map(self.plain, screen.press(b"i")) if re.match(r" +\d+ ", line)]
        self.assertEqual(ids, sorted(ids))
        self.assertEqual(len(ids), 4)
        screen.press(b"i")
        ids = [int(line.split()[0]) for line in map(self.plain, screen.press(b"r")) if re.match(r" +\d+ ", line)]
        self.assertEqual(ids, sorted(ids, reverse=True))

    @staticmethod
    def plain(line):
        return re.sub(r"\033\[[0-9;]*m", "", line)

    def test_pages_keep_to_the_size_of_the_terminal(self):
        screen = self.screen(columns=50, lines=11)
        page = screen.page()
        self.assertLessEqual(len(page), 11)
        self.assertEqual([line for line in map(self.plain, page) if len(line) > 50], [])
        begun = len(screen.output)
        screen.resize(120, 40)
        screen.process.send_signal(signal.SIGWINCH)
        screen.until(lambda: max(len(self.plain(line)) for line in screen.page(begun)) > 50)

    def test_colours_are_a_choice(self):
        colour = re.compile(r"\033\[\d*m")
        self.assertTrue(any(map(colour.search, self.screen().page())))
        self.assertFalse(any(map(colour.search, self.screen("--no-color").page())))
        self.assertFalse(any(map(colour.search, self.screen(NO_COLOR="1").page())))

    def test_a_dumb_terminal_gets_pages_one_below_the_other(self):
        screen = self.screen(TERM="dumb")
        screen.until(lambda: screen.output.count(b"unblock top") >= 2)
        self.assertNotIn(b"\033", screen.output)

    def test_what_is_wrong_is_one_line(self):
        for arguments, code in (((self.target.pid,), 125), ((self.target.pid, "--batch", "0"), 125),
                                ((self.target.pid, "--interval", "0"), 125),
                                ((self.target.pid, "--interval", "nan", "--batch", "1"), 125),
                                ((self.target.pid, "--sort", "x", "--batch", "1"), 125),
                                ((os.getpid(), "--batch", "1"), 5)):
            with self.subTest(arguments):
                done = self.batch(*arguments)
                self.assertEqual(done.returncode, code)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\Aunblock: [^\n]+\n\Z")


if __name__ == "__main__":
    unittest.main()
