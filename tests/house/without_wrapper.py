#!/usr/bin/env python3
"""Takes each wrapper away in turn and demands that a test notices.

A test that stays green without the wrapper it is about has tested libc, or nothing. A wrapper is taken away by making its
name local in a copy of the library, so that the program finds libc's. Then the tests whose binaries import the name run
on one processor with the monitor off, until one of them fails. A test that needs the monitor to pass at all has it.
libc's own code is left as it is (UNBLOCK_DEEP=0), since its entries would lead to the wrapper that was taken away; but
not for the tests of that, whose environment says so.

What no test can notice stands in unnoticed_wrappers.tsv with its reason. A row whose wrapper is gone, or is noticed after
all, is as wrong as a wrapper that nothing notices.
"""
import argparse
import concurrent.futures
import dataclasses
import functools
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

import elf
import places

EXCUSES = places.SOURCE / "tests/house/unnoticed_wrappers.tsv"
LEAST_PATIENCE_SECONDS = 10


@dataclasses.dataclass
class Test:
    name: str
    program: str
    command: list
    environment: dict
    patience: float = 0.0  # 0: it is red with every wrapper in place, and proves nothing
    monitor: bool = False


def without(library, name):
    """The bytes of a shared library in which one exported name, in each of its versions, is local; the dynamic linker
    passes those over."""
    image = bytearray(library)
    offset, = struct.unpack_from("<Q", image, 40)
    size, count = struct.unpack_from("<HH", image, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, offset + i * size) for i in range(count)]
    symbols = next(section for section in sections if section[1] == 11)  # SHT_DYNSYM
    strings = sections[symbols[6]][4]
    is_there = False
    for entry in range(symbols[4], symbols[4] + symbols[5], symbols[9]):
        start = strings + struct.unpack_from("<I", image, entry)[0]
        if image[start:image.index(0, start)] == name.encode():
            image[entry + 4] &= 0x0f  # The binding: STB_LOCAL.
            is_there = True
    if not is_there:
        raise LookupError(name)
    return bytes(image)


def tests_on_one_processor():
    """Each test that is built and runs under the library on one processor, liveness tests first."""
    listed = subprocess.run(["ctest", "--test-dir", places.BUILD, "--show-only=json-v1"], capture_output=True, text=True,
                            check=True).stdout
    found = []
    for test in json.loads(listed)["tests"]:
        words = test["name"].split(".")
        properties = {each["name"]: each["value"] for each in test["properties"]}
        one = (words[0], words[-1]) in {("liveness", "unblock"), ("contract", "unblock1"), ("departure", "unblock1")}
        command = test.get("command", ["--", ""])
        program = command[command.index("--") + 1] if one else ""
        if one and "long" not in properties.get("LABELS", []) and pathlib.Path(program).is_file():
            variables = dict(each.split("=", 1) for each in properties.get("ENVIRONMENT", []) if each)
            found.append(Test(test["name"], program, command, variables))
    return sorted(found, key=lambda test: not test.name.startswith("liveness."))


@functools.cache
def imports(program):
    """The names that a program imports, and those that the programs and libraries of the build import whose paths are
    in it: a test starts or loads them."""
    listed = subprocess.run(["nm", "-D", "--undefined-only", program], capture_output=True, text=True, check=True).stdout
    found = {line.split()[-1].partition("@")[0] for line in listed.splitlines()}
    folder = re.escape(str(places.BUILD / "tests").encode())
    for path in set(re.findall(folder + rb"/[\w./-]+(?=\0)", pathlib.Path(program).read_bytes())):
        helper = path.decode()
        if helper != program and pathlib.Path(helper).is_file():
            found |= imports(helper)
    return found


def is_red(test, library, patience, monitor):
    command = list(test.command)
    command[command.index("--library") + 1] = str(library)
    command[command.index("--timeout") + 1] = str(patience)
    if monitor and "--no-monitor" in command:
        command.remove("--no-monitor")
    elif not monitor and "--no-monitor" not in command:
        command.insert(command.index("--library"), "--no-monitor")
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                          env={**os.environ, "UNBLOCK_DEEP": "0", **test.environment}).returncode != 0


def try_out(test):
    """Finds out how the test runs with every wrapper in place, and how long one must wait for it."""
    own_patience = float(test.command[test.command.index("--timeout") + 1])
    for monitor, patience in ((False, 2 * LEAST_PATIENCE_SECONDS), (True, own_patience)):
        begin = time.monotonic()
        if not is_red(test, elf.LIBRARY, patience, monitor):
            test.monitor = monitor
            test.patience = max(LEAST_PATIENCE_SECONDS, 4 * (time.monotonic() - begin))
            return


def verdict(name, original, tests, folder):
    """The test that notices, or a complaint."""
    concerned = [test for test in tests if name in imports(test.program)]
    if not concerned:
        return name, None, "no test imports it"
    library = folder / f"libunblock-without-{name}.so"
    library.write_bytes(without(original, name))
    noticed = next((test.name for test in concerned if is_red(test, library, test.patience, test.monitor)), None)
    library.unlink()
    return name, noticed, None if noticed else f"nothing notices: {' '.join(test.name for test in concerned)}"


def excuses():
    """Why no test notices that a wrapper is gone, by name."""
    lines = EXCUSES.read_text().splitlines()[1:]
    return dict(line.split("\t", 1) for line in lines)


def say(name, noticed_by, complaint, excuse):
    """Says what became of one wrapper; True: as it should."""
    if excuse and noticed_by:
        complaint = f"{EXCUSES.name} excuses it, but {noticed_by} notices"
    elif excuse:
        complaint, noticed_by = None, f"excused: {excuse}"
    print(f"{name}: {complaint or noticed_by}", flush=True)
    return complaint is None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="wrappers to take away (all of shim/interposed.def)")
    names = parser.parse_args().names or elf.interposed()
    excused = excuses()
    wrong = [f"{EXCUSES.name}: {name} is not interposed" for name in excused if name not in elf.interposed()]
    original = elf.LIBRARY.read_bytes()
    tests = [test for test in tests_on_one_processor() if not imports(test.program).isdisjoint(names)]
    with tempfile.TemporaryDirectory(prefix="unblock-without-") as folder:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(try_out, tests))
            wrong += [f"{test.name} is red with every wrapper in place" for test in tests if not test.patience]
            tests = [test for test in tests if test.patience]
            for name, *found in pool.map(lambda n: verdict(n, original, tests, pathlib.Path(folder)), names):
                if not say(name, *found, excused.get(name)):
                    wrong.append(name)
    print(f"{len(names)} wrappers taken away; wrong: {', '.join(wrong) or 'nothing'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
