#!/usr/bin/env python3
"""What the command reads agrees with the library: the counts with what the program is told, the names of the layout with
each other; and where they do not agree, because the library is another one, one line says so."""
import json
import pathlib
import re
import struct
import subprocess
import tempfile
import time
import unittest

from looked_at import BUILD, COMMAND, PATIENCE, SOURCE, environment, unblock

PLACES = BUILD / "tests/looking/looking.places"
COUNTS = BUILD / "tests/looking/looking.counts"
LIBRARY = BUILD / "libunblock.so"
MAGIC = b"unblock layout\n\0"
HEADER = struct.Struct("<16sQII16sQIIIIII")
LOOKS = (("ps",), ("stack",), ("stats",), ("top", "--batch", "1", "--interval", "0.1"), ("trace", "-o", "/dev/null"))


def block_of(library):
    """Where in the library's bytes the layout stands: the file has a copy of the magic besides, which no version follows."""
    at = -1
    while (at := library.find(MAGIC, at + 1)) >= 0:
        head = HEADER.unpack_from(library, at)
        if head[3] > HEADER.size and head[4].startswith(b"0."):
            return at
    raise AssertionError("the library has no layout")


class OtherLayouts(unittest.TestCase):
    def under(self, change):
        """A program under a library in whose bytes `change` has changed the layout."""
        library = bytearray(LIBRARY.read_bytes())
        change(library, block_of(library))
        folder = tempfile.TemporaryDirectory(prefix="unblock-layout-")
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / LIBRARY.name
        path.write_bytes(library)
        program = subprocess.Popen([PLACES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=environment() | {"LD_PRELOAD": str(path)})
        self.addCleanup(program.communicate)
        self.addCleanup(program.kill)
        self.assertEqual(program.stdout.readline(), "ready\n")
        return program.pid

    def assert_refused(self, pid, code, text):
        for words in LOOKS:
            with self.subTest(words):
                result = unblock(words[0], pid, *words[1:])
                self.assertEqual((result.returncode, result.stdout), (code, ""))
                self.assertRegex(result.stderr, rf"\Aunblock: process {pid} {text}\n\Z")

    def test_the_same_layout_in_another_file_is_read(self):
        pid = self.under(lambda library, at: None)
        self.assertEqual(unblock("ps", pid).returncode, 0)

    def test_another_version_is_named(self):
        def change(library, at):
            struct.pack_into("<I", library, at + 24, 4711)
        self.assert_refused(self.under(change), 6, r"has unblock [\d.]+, whose layout is version 4711; this command reads "
                                                   r"version \d+")

    def test_a_field_that_is_missing_is_named(self):
        def change(library, at):
            field = struct.pack("<24s24s", b"Carrier", b"statistics")
            place = library.index(field, at)
            library[place + 24:place + 48] = b"something_else".ljust(24, b"\0")
        pid = self.under(change)
        result = unblock("stats", pid)
        self.assertEqual((result.returncode, result.stdout), (6, ""))
        self.assertRegex(result.stderr, r"\Aunblock: [^\n]*does not publish Carrier\.statistics; [^\n]*\n\Z")
        self.assertEqual(unblock("ps", pid).returncode, 0)  # which does not need it

    def test_a_table_beyond_its_block_is_damaged(self):
        def change(library, at):
            struct.pack_into("<I", library, at + HEADER.size - 4, 1 << 30)  # how many values
        self.assert_refused(self.under(change), 7, "has a damaged table of its layout")


class HostileLayouts(unittest.TestCase):
    """A process that publishes nonsense about itself, one field at a time: it is refused, and nothing is read beyond what
    has been copied."""

    def setUp(self):
        self.program = subprocess.Popen([COMMAND, PLACES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment())
        self.addCleanup(self.program.communicate)
        self.addCleanup(self.program.kill)
        self.assertEqual(self.program.stdout.readline(), "ready\n")
        self.memory = open(f"/proc/{self.program.pid}/mem", "r+b", buffering=0)
        self.addCleanup(self.memory.close)
        self.block = self.find_block()
        self.head = HEADER.unpack(self.read(self.block, HEADER.size))

    def read(self, address, size):
        self.memory.seek(address)
        return self.memory.read(size)

    def write(self, address, data):
        self.memory.seek(address)
        self.memory.write(data)

    def find_block(self):
        maps = pathlib.Path(f"/proc/{self.program.pid}/maps").read_text()
        for begin, end in re.findall(r"(?m)^(\w+)-(\w+) rw\S* .*libunblock", maps):
            data, at = self.read(int(begin, 16), int(end, 16) - int(begin, 16)), -1
            while (at := data.find(MAGIC, at + 1)) >= 0:
                if struct.unpack_from("<Q", data, at + 16)[0] == int(begin, 16) + at:
                    return int(begin, 16) + at
        raise AssertionError("the process has no layout")

    def test_each_field_that_lies_beyond_its_record(self):
        fields = self.read(self.block + self.head[8], 56 * self.head[9])
        for number in range(self.head[9]):
            record, name, offset, size = struct.unpack_from("<24s24sII", fields, 56 * number)
            for wrong in ((0xffffffff, size), (offset, 0xffffffff), (offset, 0)):
                with self.subTest(record=record, name=name, wrong=wrong):
                    at = self.block + self.head[8] + 56 * number + 48
                    self.write(at, struct.pack("<II", *wrong))
                    result = unblock("ps", self.program.pid)
                    self.write(at, struct.pack("<II", offset, size))
                    self.assertEqual((result.returncode, result.stdout), (7, ""))
                    self.assertRegex(result.stderr, r"\Aunblock: process \d+ has a damaged table of its layout\n\Z")
        self.assertEqual(unblock("ps", self.program.pid).returncode, 0)


class Ends(unittest.TestCase):
    """A process that ends while it is looked at, at each of the moments at which its memory is read."""

    def looked_at(self, words, read):
        program = subprocess.Popen([COMMAND, PLACES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=environment())
        self.addCleanup(program.communicate)
        self.addCleanup(program.kill)
        self.assertEqual(program.stdout.readline(), "ready\n")
        result = unblock(words[0], program.pid, *words[1:],
                         env=environment() | {"LD_PRELOAD": str(BUILD / "tests/looking/looking.ends_meanwhile.so"),
                                              "ENDS_AT_READ": str(read)})
        has_ended = program.poll() is not None
        program.kill()
        return has_ended, result

    def test_one_line_says_so(self):
        for words in LOOKS[:3]:
            read, refusals = 1, 0
            while True:
                with self.subTest(words=words, read=read):
                    has_ended, result = self.looked_at(words, read)
                    if not has_ended:
                        break  # it reads less often than that
                    if result.returncode == 0:  # all was read by then
                        self.assertEqual(result.stderr, "")
                        self.assertNotRegex(result.stdout, r"cannot be read|ends here|not known")
                    else:
                        refusals += 1
                        self.assertEqual((result.returncode, result.stdout), (8, ""))
                        self.assertRegex(result.stderr, r"\Aunblock: process \d+ has ended meanwhile\n\Z")
                read = read + 1 if read < 8 else 2 * read
            self.assertGreater(refusals, 4)

    def test_one_that_nobody_has_waited_for(self):
        program = subprocess.Popen([PLACES], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(program.communicate)
        program.kill()
        deadline = time.monotonic() + PATIENCE
        state = pathlib.Path(f"/proc/{program.pid}/stat")
        while state.read_text().rsplit(")", 1)[1].split()[0] != "Z":
            self.assertLess(time.monotonic(), deadline)
        for words in LOOKS[:3]:
            result = unblock(words[0], program.pid)
            self.assertEqual((result.returncode, result.stdout), (8, ""))
            self.assertRegex(result.stderr, r"\Aunblock: process \d+ has ended meanwhile\n\Z")


class Counts(unittest.TestCase):
    def test_they_are_those_that_the_program_is_told(self):
        for processors in (1, 2, 4):
            with self.subTest(processors=processors):
                self.assert_agree(processors)

    def assert_agree(self, processors):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\0\0")
            file.flush()
            program = subprocess.Popen([COMMAND, "--processors", str(processors), "--no-monitor", "--", COUNTS, file.name],
                                       stdout=subprocess.PIPE, text=True, env=environment())
            self.addCleanup(program.kill)
            deadline = time.monotonic() + PATIENCE
            while pathlib.Path(file.name).read_bytes()[0] == 0:
                self.assertLess(time.monotonic(), deadline)
            result = unblock("stats", "--json", program.pid)
            file.seek(1)
            file.write(b"\1")
            file.flush()
            told = dict(line.split() for line in program.communicate(timeout=PATIENCE)[0].splitlines())
        self.assertEqual(program.returncode, 0)
        read = json.loads(result.stdout)
        read |= {"parks_" + kind: count for kind, count in read.pop("parks").items()}
        self.assertGreaterEqual(int(told["parks_sleep"]), 6)
        self.assertGreaterEqual(int(told["parks_mutex"]), 1)
        self.assertEqual({name: int(value) for name, value in told.items()},
                         {name: read.get(name) for name in told})


class Documents(unittest.TestCase):
    """Each counter is explained: by --help, by docs/looking.md and in the output itself, and everywhere alike."""

    def setUp(self):
        program = subprocess.Popen([COMMAND, PLACES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=environment())
        self.addCleanup(program.communicate)
        self.addCleanup(program.kill)
        self.assertEqual(program.stdout.readline(), "ready\n")
        self.text = unblock("stats", program.pid).stdout
        self.json = json.loads(unblock("stats", "--json", program.pid).stdout)
        meanings = dict(re.findall(r"(?m)^# HELP (\S+) (.*)$", self.text))
        types = dict(re.findall(r"(?m)^# TYPE (\S+) (\w+)$", self.text))
        self.said = {name: (types[name], meaning) for name, meaning in meanings.items()}
        self.kinds = set(re.findall(r'(?m)^unblock_parks_total\{kind="(\w+)"\} \d+$', self.text))

    def test_each_number_has_a_meaning(self):
        numbers = set(re.findall(r"(?m)^(unblock_\w+)", self.text))
        self.assertEqual(numbers, set(self.said))
        self.assertGreater(len(self.kinds), 10)

    def test_help_says_the_same(self):
        text = unblock("stats", "--help").stdout
        explained = re.findall(r"(?m)^  (unblock_\w+)(?:\{.*\})? \((\w+)\)\n      (.*)$", text)
        self.assertEqual({name: (kind, meaning) for name, kind, meaning in explained}, self.said)
        kinds = re.search(r"Kinds: ([^.]*)\.", text)[1]
        self.assertEqual(set(re.findall(r"(\w+)(?: \([^)]*\))?(?:,|$)", kinds)), self.kinds)

    def test_the_page_says_the_same(self):
        page = (SOURCE / "docs/looking.md").read_text()
        explained = re.findall(r"(?m)^\| `(unblock_\w+)` \| (\w+) \| (.*) \|$", page)
        self.assertEqual({name: (kind, meaning) for name, kind, meaning in explained}, self.said)
        self.assertEqual(set(re.findall(r"(?m)^\| `kind=\"(\w+)\"` ", page)), self.kinds)

    def test_json_has_the_same_names(self):
        names = {name.removeprefix("unblock_").removesuffix("_total") for name in self.said} - {"info"} | {"version"}
        self.assertEqual(set(self.json), names)
        self.assertEqual(set(self.json["parks"]), self.kinds)


class CreationStacks(unittest.TestCase):
    def created(self, *options):
        program = subprocess.Popen([COMMAND, *options, "--", PLACES], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True, env=environment())
        self.addCleanup(program.communicate)
        self.addCleanup(program.kill)
        self.assertEqual(program.stdout.readline(), "ready\n")
        result = unblock("stack", program.pid)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return re.split(r"(?m)^Green thread (\d+)", result.stdout)[1:]

    def test_each_thread_names_the_function_that_created_it(self):
        parts = self.created("--creation-stacks")
        stacks = dict(zip(parts[::2], parts[1::2]))
        self.assertEqual(sorted(stacks), ["1", "2", "3", "4"])
        self.assertNotIn("created by", stacks["1"])
        for id in "234":
            self.assertRegex(stacks[id], r"\n  created by 1:\n  #0 +creates at \S*places\.c:\d+\n"
                                         r"  #1 +creates_all \(inlined\) at \S*places\.c:\d+\n"
                                         r"  #2 +main at \S*places\.c:\d+\n")

    def test_nothing_is_said_without_the_option(self):
        self.assertNotIn("created by", "".join(self.created()))


if __name__ == "__main__":
    unittest.main()
