#!/usr/bin/env python3
"""Writes what becomes of each call of libc under unblock, as a C++ table of {name, class, is it ours, why
not}, sorted by name.

    call_classes.py --output FILE INTERPOSED.def BLOCKING_CALLS.tsv NOT_INTERPOSED.tsv

Nothing is decided here that does not stand in these three: which calls are ours, how a call is treated, and why one
is not ours although its treatment would have it so. A call that is in none of them passes.
"""
import argparse
import csv
import json
import re


# Families that wait in what libc calls inside itself, whose entries lead to ours (shim/entries.h).
INSIDE = ("dns", "nss", "syslog")
INSIDE_REASON = "parks in what libc calls inside itself, whose entries lead to ours"


def table(path):
    with open(path, newline="") as file:
        return {row["symbol"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def interposed(path):
    with open(path) as file:
        return set(re.findall(r"^\s*X\((\w+),", file.read(), re.MULTILINE))


def class_of_ours(call):
    treatment = call["treatment"]
    if call.get("family") in INSIDE:
        return "parks"
    if "blocking region" in treatment:
        return "region"
    if treatment in ("none", "bookkeeping only", "virtualise identity") or treatment.endswith("never waits"):
        return "passes"
    return "parks"


def class_by_reason(reason):
    if reason == INSIDE_REASON:
        return "parks"
    if reason.startswith("waits "):
        return "held"
    if reason.startswith(("a gap", "obsolete")):
        return "missing"
    return "parks" if "the streams' tables" in reason else "passes"


def class_of_others(family, treatment):
    """A call that is not ours and that nobody has explained."""
    if treatment == "virtualise identity" or treatment.startswith("own implementation") or family == "signal-act":
        return "missing"
    if treatment in ("none", "bookkeeping only") or treatment.endswith("never waits"):
        return "passes"
    return "parks" if family in ("stdio", "stdio-wide", *INSIDE) else "held"


def classes(ours, calls, reasons):
    for name in sorted(ours | set(calls)):
        call = calls.get(name, {"family": "", "treatment": "none"})
        if name in ours:
            yield name, class_of_ours(call)
        elif name in reasons:
            yield name, class_by_reason(reasons[name]["reason"])
        else:
            yield name, class_of_others(call["family"], call["treatment"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=argparse.FileType("w"), required=True)
    parser.add_argument("tables", nargs=3)
    options = parser.parse_args()
    ours = interposed(options.tables[0])
    calls, reasons = map(table, options.tables[1:])
    for name, kind in classes(ours, calls, reasons):
        reason = reasons[name]["reason"] if name in reasons else ""
        print(f'{{"{name}", CallClass::{kind}, {str(name in ours).lower()}, {json.dumps(reason)}}},',
              file=options.output)


if __name__ == "__main__":
    main()
