"""Runs the samples as the real programs are run (../programs/unblocked.py): natively first, then the same assertions
under unblock. The equipment in samples/demo/ always runs natively, so that what fails is the sample."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "programs"))

import traffic  # noqa: E402, F401: for the tests
import unblocked  # noqa: E402

FOLDER = pathlib.Path(os.environ["UNBLOCK_BUILD_DIR"]) / "samples"


class SampleTest(unblocked.ProgramTest):
    def sample(self, name, *arguments, **how):
        return self.start([FOLDER / name, *arguments], **how)

    def server(self, name, *arguments, **how):
        """Starts a server and finds out its port, which it says in its first line."""
        server = self.sample(name, *arguments, **how)
        server.until_said("\n")
        words, _, port = server.output().splitlines()[0].rpartition(":")
        self.assertEqual(words, "listening on 127.0.0.1")
        server.port = int(port)
        return server

    def run_to_the_end(self, name, *arguments, **how):
        """Returns a sample that has ended: its result in `result`, its output in output()."""
        program = self.sample(name, *arguments, **how)
        program.result = program.wait()
        return program

    def assert_refuses(self, name, *arguments):
        """Wrong arguments end a sample at once with its usage."""
        program = self.run_to_the_end(name, *arguments)
        self.assertEqual(program.result, 2, program.describe())
        self.assertIn(f"usage: {name}", program.output())


def equipment(name, *arguments):
    """Runs one of the demo's programs to its end; returns the JSON that it prints."""
    done = subprocess.run([FOLDER / name, *map(str, arguments)], env=unblocked.environment(), check=False,
                          capture_output=True, text=True, timeout=unblocked.PATIENCE_SECONDS * 2)
    return json.loads(done.stdout or json.dumps({"result": done.returncode, "error": done.stderr}))


@contextlib.contextmanager
def held_connections(port, **options):
    """While the block runs, connection-holder holds its connections; yields the JSON that it printed."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with subprocess.Popen([FOLDER / "connection-holder", "--port", str(port), *words], env=unblocked.environment(),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        yield json.loads(holder.stdout.readline() or "{}")
        holder.stdin.close()


main = unblocked.main
