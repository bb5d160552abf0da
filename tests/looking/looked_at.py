"""What the tests of looking share: the command, and cores that the kernel writes."""
import os
import pathlib
import resource
import signal
import subprocess
import unittest

BUILD = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["UNBLOCK_SOURCE_DIR"])
COMMAND = str(BUILD / "unblock")
PATIENCE = 60  # seconds until a program is taken to hang


def unblock(*words, **options):
    return subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          **options)


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("UNBLOCK_", "LD_PRELOAD"))}


def allow_cores():
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


def core_of(program, folder):
    """Ends `program`, which was started in `folder` with allow_cores(), and returns the core that the kernel wrote."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith(("|", "/")):
        raise unittest.SkipTest("cores of this machine go elsewhere")
    program.send_signal(signal.SIGABRT)
    program.wait(PATIENCE)
    cores = list(pathlib.Path(folder).glob("core*"))
    if not cores:
        raise unittest.SkipTest("no core was written: the limit is 0")
    return cores[0]
