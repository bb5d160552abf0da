#!/usr/bin/env python3
"""The plan of the house: which way includes point, what every folder has, and what no file says."""
import pathlib
import re
import subprocess
import unittest

from places import BUILD, SOURCE

# Which rooms the files of a room may include from, itself aside.
MAY_INCLUDE = {
    "include": set(),
    "scheduler": set(),
    "shim": {"scheduler", "include"},
    "tools": {"scheduler", "include"},
    "samples": {"include"},
}
# The command and the library read the same settings, and must read them alike; and the command reads what the library
# has published of itself.
SHARED = {"shim/setting.h", "shim/layout.h"}


def files(*patterns):
    listed = subprocess.run(["git", "-C", SOURCE, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--",
                             *patterns], capture_output=True, text=True, check=True).stdout
    return [pathlib.Path(name) for name in listed.split("\0") if name and (SOURCE / name).is_file()]


def includes(file):
    return re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', (SOURCE / file).read_text(), re.MULTILINE)


def ours(file):
    """What a file includes from the rooms, as paths from the top."""
    return [name for name in includes(file) if (SOURCE / name).exists() or (SOURCE / "include" / name).exists()]


def room_of(included):
    return pathlib.PurePath(included).parts[0] if (SOURCE / included).exists() else "include"


class Tree(unittest.TestCase):
    def test_includes_point_one_way(self):
        for room, allowed in MAY_INCLUDE.items():
            sources = files(f"{room}/*.cc", f"{room}/*.c", f"{room}/*.h", f"{room}/*.def", f"{room}/*.S")
            self.assertGreater(len(sources), 0, room)
            for file in sources:
                for included in ours(file):
                    with self.subTest(file=str(file), included=included):
                        self.assertTrue(room_of(included) in allowed | {room} or included in SHARED)

    def test_no_include_climbs_out_of_its_folder(self):
        """Tests aside, whose folders share helpers."""
        climbing = [f"{file}: {name}" for room in MAY_INCLUDE for file in files(f"{room}/*.cc", f"{room}/*.c", f"{room}/*.h")
                    for name in includes(file) if ".." in name]
        self.assertEqual(climbing, [])

    def test_public_headers_include_only_system_headers(self):
        quoted = [f"{file}: {line}" for file in files("include/*") for line in (SOURCE / file).read_text().splitlines()
                  if re.match(r'\s*#\s*include\s+"', line)]
        self.assertEqual(quoted, [])

    def test_contract_tests_know_nothing_of_us(self):
        for file in files("tests/contract/*", "tests/liveness/*"):
            if file.suffix in {".cc", ".c", ".h"}:
                with self.subTest(file=str(file)):
                    self.assertEqual({room_of(name) for name in ours(file)} - {"tests"}, set())

    def test_every_folder_has_a_page(self):
        """Each room, and in shim/ and tests/ each folder of the next level; the folders below are its own affair."""
        folders = {file.parent for file in files("*.cc", "*.c", "*.h", "*.py", "*.cmake", "scripts/*")}
        folders = {folder for folder in folders
                   if len(folder.parts) == 1 or len(folder.parts) == 2 and folder.parts[0] in {"shim", "tests"}}
        missing = [str(folder) for folder in sorted(folders) if folder.parts and not (SOURCE / folder / "README.md").exists()]
        self.assertEqual(missing, [])

    def test_nothing_is_left_unfinished(self):
        markers = re.compile(r"\b(TODO|FIXME|XXX|not implemented)\b")
        self.assertEqual(self.lines_that_match(markers), [])

    def test_no_path_of_somebodys_machine(self):
        self.assertEqual(self.lines_that_match(re.compile(r"/(work|home|root|Users)/\w")), [])

    def test_no_test_that_cannot_fail(self):
        empty = re.compile(r"(EXPECT|ASSERT)_TRUE\((true|1)\)|\bSUCCEED\(\)|\bDISABLED_")
        self.assertEqual(self.lines_that_match(empty, "tests/*.cc"), [])

    def lines_that_match(self, pattern, *patterns):
        found = []
        for file in files(*patterns):
            try:
                text = (SOURCE / file).read_text()
            except UnicodeDecodeError:
                continue
            found += [f"{file}:{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1)
                      if pattern.search(line) and file.name != pathlib.Path(__file__).name]
        return found


class Pages(unittest.TestCase):
    """What a page tells the reader to run, or to look at, is there."""

    def test_commands_of_code_blocks_exist(self):
        seen = 0
        for page in files("*.md"):
            for command in self.commands(page):
                seen += 1
                with self.subTest(page=str(page), command=command):
                    self.assertTrue(self.exists(command), "no such file, and no target that builds it")
        self.assertGreater(seen, 0)

    def test_links_lead_somewhere(self):
        for page in files("*.md"):
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (SOURCE / page).read_text()):
                with self.subTest(page=str(page), target=target):
                    self.assertTrue((SOURCE / page.parent / target).exists())

    @staticmethod
    def commands(page):
        """The words of code blocks and spans that name one of our own scripts or binaries."""
        text = (SOURCE / page).read_text()
        return set(re.findall(r"(?<![\w/$}])((?:scripts|tests|bench|build/release)/[\w./-]*\w)(?![\w*/]|\.\w)", text))

    @staticmethod
    def exists(command):
        if command.startswith("build/release"):
            return (BUILD / pathlib.Path(command).relative_to("build/release")).exists()
        return bool(list(SOURCE.glob(command)) or list(SOURCE.glob(command + ".*")) or list(BUILD.glob(command)))


if __name__ == "__main__":
    unittest.main()
