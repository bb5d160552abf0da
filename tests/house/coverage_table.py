#!/usr/bin/env python3
"""The coverage of libc's calls on threads, locks, signals, identity, processes and names: writes docs/coverage.md, and the
summary in README.md, from the tables beside this file and shim/interposed.def. coverage_test.py says when they are old.

    tests/house/coverage_table.py
"""
import re
import sys

from places import SOURCE

sys.path.insert(0, str(SOURCE / "tools/check"))
import call_classes  # noqa: E402: how `unblock check` reads the same tables

AREAS = {
    "threads": ["thread", "thread-attr", "c11-thread", "once", "tsd", "cleanup", "tls-state", "dl"],
    "locks": ["mutex", "mutex-attr", "cond", "rwlock", "sem", "spin", "barrier", "stdio-lock", "syscall"],
    "signals and time": ["signal-act", "signal-mask", "signal-send", "signal-stack", "signal-wait", "sleep", "timer"],
    "identity": ["identity", "sched", "setxid"],
    "processes": ["process"],
    "names, users and logs": ["dns", "nss", "syslog"],
}
PRIORITIES = ("P0", "P1")
HOW = {"parks": "parks", "region": "blocking region", "passes": "never waits"}
PAGE = SOURCE / "docs/coverage.md"
README = SOURCE / "README.md"
BEGIN, END = "<!-- coverage: tests/house/coverage_table.py -->\n", "<!-- end of coverage -->\n"


class Coverage:
    def __init__(self):
        house = SOURCE / "tests/house"
        self.ours = call_classes.interposed(SOURCE / "shim/interposed.def")
        self.calls = call_classes.table(house / "blocking_calls.tsv")
        self.reasons = {name: call_classes.INSIDE_REASON for name, call in self.calls.items()
                        if call["family"] in call_classes.INSIDE}
        self.reasons |= {name: row["reason"] for name, row in call_classes.table(house / "not_interposed.tsv").items()}

    def calls_of(self, families):
        return sorted(name for name, call in self.calls.items()
                      if call["family"] in families and call["priority"] in PRIORITIES)

    def unexplained(self):
        return [name for families in AREAS.values() for name in self.calls_of(families)
                if name not in self.ours and name not in self.reasons]

    def how(self, name):
        if name in self.ours:
            return f"ours: {HOW[call_classes.class_of_ours(self.calls[name])]}"
        return f"libc's: {self.reasons.get(name, 'no reason given')}"

    def summary(self):
        lines = ["| calls of libc on | all | ours | libc's, for a stated reason |", "|---|---|---|---|"]
        for area, families in AREAS.items():
            names = self.calls_of(families)
            ours = sum(name in self.ours for name in names)
            lines.append(f"| {area} | {len(names)} | {ours} | {len(names) - ours} |")
        return "\n".join(lines) + "\n"

    def page(self):
        parts = [__doc__.split(":")[0].replace("The coverage", "# Coverage", 1) + "\n",
                 "Every function that glibc 2.36 exports for them and that programs use, aliases included. *Ours*: a "
                 "wrapper\nstands before libc. *Libc's*: the call needs none, and why. `tests/house/coverage_table.py` "
                 "writes this page.\n", self.summary()]
        for area, families in AREAS.items():
            rows = [f"| `{name}` | {self.how(name)} |" for name in self.calls_of(families)]
            parts.append(f"## {area[0].upper()}{area[1:]}\n\n| call | under unblock |\n|---|---|\n" + "\n".join(rows) + "\n")
        return "\n".join(parts)

    def readme(self):
        text = README.read_text()
        return re.sub(f"(?<={re.escape(BEGIN)}).*(?={re.escape(END)})", lambda _: self.summary(), text, flags=re.DOTALL)


def main():
    coverage = Coverage()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(coverage.page())
    README.write_text(coverage.readme())


if __name__ == "__main__":
    main()
