"""Paired measurements: the variants take turns, and what is compared is always of one round."""

import collections
import statistics
import sys
import time

Summary = collections.namedtuple("Summary", "median low high")


def progress(text):
    print(text, file=sys.stderr, flush=True)


class _Pace:
    """Lets a line of progress pass when the last one is some seconds old."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._last = None

    def passes(self):
        now = time.monotonic()
        if self._last is not None and now - self._last < self._seconds:
            return False
        self._last = now
        return True


def take_turns(rounds, variants, label):
    """Calls each variant once in each round; returns for each a list of what it returned. `variants` maps names to
    functions. A slow neighbour so slows all of them, and as each round begins with another one (ABC, BCA, CAB), none
    always follows the same other."""
    samples = {name: [] for name in variants}
    order = collections.deque(variants)
    pace = _Pace(seconds=2)
    for number in range(1, rounds + 1):
        if pace.passes():
            progress(f"{label}: round {number} of {rounds}")
        for name in order:
            samples[name].append(variants[name]())
        order.rotate(-1)
    return samples


def summarise(values):
    """Median and quartiles."""
    values = list(values)
    if len(values) == 1:
        return Summary(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(median, low, high)


def ratios(numerators, denominators):
    """The summary of the quotients of each round. A round whose denominator is nothing is left out."""
    quotients = [above / below for above, below in zip(numerators, denominators) if below]
    return summarise(quotients) if quotients else None


def percentile(values, part):
    ordered = sorted(values)
    return ordered[round(part * (len(ordered) - 1))]


def text(summary, digits=2):
    """A summary as it stands in a table: the median, then the quartiles."""
    if summary is None:
        return "–"
    return f"{_number(summary.median, digits)} ({_number(summary.low, digits)}–{_number(summary.high, digits)})"


def _number(value, digits):
    value = round(value, digits) or 0.0  # never "-0.00"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.{digits}f}"


def print_table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "|".join(" --- " if column == 0 else " ---: " for column in range(len(head))) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)
