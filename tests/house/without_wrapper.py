#!/usr/bin/env python3
"""Takes each wrapper away in turn and demands that a test notices.

A test that stays green without the wrapper it is about has tested libc, or nothing. A wrapper is taken away by making its
name local in a copy of the library, so that the program finds libc's. Then the tests whose binaries import the name run
on one processor with the monitor off, until one of them fails.
"""
import argparse
import concurrent.futures
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import elf
import places

PATIENCE_SECONDS = 10


def without(library, name):
    """The bytes of a shared library in which one exported symbol is local; the dynamic linker passes those over."""
    image = bytearray(library)
    offset, = struct.unpack_from("<Q", image, 40)
    size, count = struct.unpack_from("<HH", image, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, offset + i * size) for i in range(count)]
    symbols = next(section for section in sections if section[1] == 11)  # SHT_DYNSYM
    strings = sections[symbols[6]][4]
    for entry in range(symbols[4], symbols[4] + symbols[5], symbols[9]):
        start = strings + struct.unpack_from("<I", image, entry)[0]
        if image[start:image.index(0, start)] == name.encode():
            image[entry + 4] &= 0x0f  # The binding: STB_LOCAL.
            return bytes(image)
    raise LookupError(name)


def tests_on_one_processor():
    """Program and command of each test that runs under the library on one processor, liveness tests first."""
    listed = subprocess.run(["ctest", "--test-dir", places.BUILD, "--show-only=json-v1"], capture_output=True, text=True,
                            check=True).stdout
    found = []
    for test in json.loads(listed)["tests"]:
        words = test["name"].split(".")
        if (words[0], words[-1]) in {("liveness", "unblock"), ("contract", "unblock1")}:
            command = test["command"]
            found.append((test["name"], command[command.index("--") + 1], command))
    return sorted(found, key=lambda test: not test[0].startswith("liveness."))


def imports(program):
    listed = subprocess.run(["nm", "-D", "--undefined-only", program], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].partition("@")[0] for line in listed.splitlines()}


def is_red(command, library):
    command = list(command)
    command[command.index("--library") + 1] = str(library)
    command[command.index("--timeout") + 1] = str(PATIENCE_SECONDS)
    if "--no-monitor" not in command:
        command.insert(command.index("--library"), "--no-monitor")
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0


def verdict(name, original, tests, folder):
    """The test that notices, or a complaint."""
    concerned = [test for test in tests if name in imports(test[1])]
    if not concerned:
        return name, None, "no test imports it"
    library = folder / f"libunblock-without-{name}.so"
    library.write_bytes(without(original, name))
    for test, _, command in concerned:
        if is_red(command, library):
            return name, test, None
    return name, None, f"nothing notices: {' '.join(test[0] for test in concerned)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="wrappers to take away (all of shim/interposed.def)")
    names = parser.parse_args().names or elf.interposed()
    original, tests = elf.LIBRARY.read_bytes(), tests_on_one_processor()
    unnoticed = []
    with tempfile.TemporaryDirectory(prefix="unblock-without-") as folder:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            red = list(pool.map(lambda test: is_red(test[2], elf.LIBRARY), tests))
            tests = [test for test, is_useless in zip(tests, red) if not is_useless]
            print(f"{sum(red)} tests are red with every wrapper in place, and prove nothing", flush=True)
            for name, test, complaint in pool.map(lambda n: verdict(n, original, tests, pathlib.Path(folder)), names):
                print(f"{name}: {test or complaint}", flush=True)
                if complaint:
                    unnoticed.append(name)
    print(f"{len(unnoticed)} of {len(names)} wrappers could go and no test would notice")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
