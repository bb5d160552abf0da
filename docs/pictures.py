#!/usr/bin/env python3
"""Makes the pictures of docs/looking.md, which are SVG, from what the commands say of MariaDB with five hundred sessions
(tests/programs/mariadb_sessions.py) and of the chat sample with a few clients."""
import argparse
import collections
import html
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import zlib

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "tests/programs"))
import mariadb_sessions  # noqa: E402
import unblocked  # noqa: E402

WIDTH = 1000  # of a picture
ROW = 18  # pixels from one line to the next
LETTER = 7.3  # pixels that a letter takes
PATIENCE_SECONDS = 60
STYLE = 'font-family="ui-monospace,Menlo,Consolas,monospace" font-size="12"'
COLOURS = {"run": "#3b9c5a", "ready": "#e6a23c", "wait": "#c9d1d9"}


class Picture:
    """An SVG of a given size, to which shapes are added."""

    def __init__(self, width, height, background="#ffffff"):
        self.width, self.height = width, height
        self.shapes = [f'<rect width="{width}" height="{height}" rx="6" fill="{background}"/>']

    def rectangle(self, x, y, width, height, colour, title=""):
        inside = f"<title>{html.escape(title)}</title>" if title else ""
        self.shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.3):.1f}" height="{height}" '
                           f'fill="{colour}">{inside}</rect>')

    def line(self, x1, y1, x2, y2, colour):
        self.shapes.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="0.8"/>')

    def text(self, x, y, text, colour="#24292f"):
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" xml:space="preserve">{html.escape(text)}</text>')

    def write(self, path):
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                        f'width="{self.width}" height="{self.height}" {STYLE}>\n' + "\n".join(self.shapes) + "\n</svg>\n")


def terminal(title, text):
    """What a command has printed, in a window."""
    lines = text.splitlines()
    width = int(max(map(len, [title, *lines])) * LETTER) + 30
    picture = Picture(width, (len(lines) + 2) * ROW + 8, "#1f2430")
    picture.text(14, ROW, "$ " + title, "#8ec07c")
    for number, line in enumerate(lines):
        picture.text(14, (number + 2) * ROW, line, "#e6e6e6")
    return picture


def flames(collapsed):
    """A flame graph: as wide as there are threads, callers below, what they called above."""
    root = {"count": 0, "below": {}}
    for line in collapsed.splitlines():
        stack, count = line.rsplit(" ", 1)
        node = root
        node["count"] += int(count)
        for name in stack.split(";"):
            node = node["below"].setdefault(name, {"count": 0, "below": {}})
            node["count"] += int(count)

    def depth(node):
        return 1 + max(map(depth, node["below"].values()), default=0)
    picture = Picture(WIDTH, depth(root) * ROW + 10)

    def draw(name, node, x, level):
        width = node["count"] * WIDTH / root["count"]
        if width < 1:
            return
        y = picture.height - (level + 1) * ROW - 5
        colour = f"hsl({20 + zlib.crc32(name.encode()) % 35},80%,{62 + zlib.crc32(name[::-1].encode()) % 12}%)"
        picture.rectangle(x, y, width - 0.5, ROW - 1, colour, f"{name}: {node['count']} green threads")
        if width > 6 * LETTER:
            picture.text(x + 3, y + 13, name[:int(width / LETTER) - 1])
        for below, child in node["below"].items():
            draw(below, child, x, level + 1)
            x += child["count"] * WIDTH / root["count"]
    draw(f"{root['count']} green threads", root, 0, 0)
    return picture


def timeline(trace, milliseconds=2.0, rows=16, left=130):
    """The liveliest part of a trace and the threads that changed most in it, each with what it did when."""
    events = [event for event in trace["traceEvents"] if event["pid"] == 2]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    parts = collections.Counter(event["ts"] // (1000 * milliseconds) for event in events if event["name"] == "run")
    begin = parts.most_common(1)[0][0] * 1000 * milliseconds
    end = begin + 1000 * milliseconds
    seen = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "X" and event["ts"] < end and event["ts"] + event["dur"] > begin:
            seen[event["tid"]].append(event)
    chosen = sorted(sorted(seen, key=lambda thread: -len(seen[thread]))[:rows])
    picture = Picture(WIDTH, (len(chosen) + 2) * ROW + 10)

    def x(time):
        return left + (min(max(time, begin), end) - begin) * (WIDTH - left - 10) / (end - begin)
    y = {thread: 8 + number * ROW for number, thread in enumerate(chosen)}
    for thread in chosen:
        picture.text(8, y[thread] + 12, names[thread])
        for event in seen[thread]:
            picture.rectangle(x(event["ts"]), y[thread], x(event["ts"] + event["dur"]) - x(event["ts"]), ROW - 4,
                              COLOURS[event["name"].split(":")[0]], f"{event['name']}, {event['dur']:.1f} us")
    starts = {event["id"]: event for event in events if event["ph"] == "s"}
    wakes = 0
    for event in events:
        start = starts.get(event.get("id")) if event["ph"] == "f" else None
        if start and begin < start["ts"] and event["ts"] < end and {start["tid"], event["tid"]} <= set(chosen):
            picture.line(x(start["ts"]), y[start["tid"]] + 7, x(event["ts"]), y[event["tid"]] + 7, "#0969da")
            wakes += 1
    foot = (len(chosen) + 1) * ROW + 4
    for number, (word, colour) in enumerate(COLOURS.items()):
        picture.rectangle(left + number * 90, foot - 11, 12, 12, colour)
        picture.text(left + number * 90 + 17, foot, word)
    if wakes:
        picture.line(left + 275, foot - 5, left + 290, foot - 5, "#0969da")
        picture.text(left + 297, foot, "wakes another")
    picture.text(left + 450, foot, f"{milliseconds:g} ms of {len(names)} green threads")
    return picture


def said_by(command, *words):
    return subprocess.run([command, *map(str, words)], capture_output=True, text=True, timeout=PATIENCE_SECONDS,
                          check=True, stdin=subprocess.DEVNULL).stdout


def of_mariadb(command, library, folder, pictures):
    with mariadb_sessions.at_work(folder, library, unblocked.environment()) as (server, sessions):
        page = said_by(command, "top", server.pid, "--batch", 2, "--interval", 1).split("\n\nunblock top")[-1]
        page = "\n".join(("unblock top" + page).splitlines()[:24])
        terminal("unblock top $(pidof mariadbd)", page).write(pictures / "top.svg")
        flames(said_by(command, "stack", server.pid, "--collapsed")).write(pictures / "flames.svg")
        said_by(command, "trace", server.pid, "-o", folder / "trace", "--seconds", 0.2)
        timeline(json.loads((folder / "trace").read_text())).write(pictures / "timeline.svg")
        sessions.let_go()


def of_chat(command, server, pictures, clients=4):
    """Each client's thread starts another one, which sends."""
    program = subprocess.Popen([command, "--", server, "0"], stdout=subprocess.PIPE, text=True, env=unblocked.environment())
    open_ends = []
    try:
        port = int(re.search(r"(\d+)$", program.stdout.readline())[1])
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            client.recv(4096)
            open_ends.append(client)
        tree = said_by(command, "ps", "--tree", program.pid)
        terminal("unblock ps --tree $(pidof chat-server)", tree).write(pictures / "tree.svg")
    finally:
        program.send_signal(signal.SIGKILL)
        program.communicate()
        for client in open_ends:
            client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build/release")
    parser.add_argument("--to", type=pathlib.Path, default=SOURCE / "docs/pictures", help="the folder for the pictures")
    options = parser.parse_args()
    build = options.build.resolve()
    options.to.mkdir(exist_ok=True)
    of_chat(build / "unblock", build / "samples/chat-server", options.to)
    with tempfile.TemporaryDirectory(prefix="unblock-pictures-") as folder:
        of_mariadb(build / "unblock", build / "libunblock.so", pathlib.Path(folder), options.to)


if __name__ == "__main__":
    main()
