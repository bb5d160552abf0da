"""Green threads in gdb: `info greens`, `green ID`, `green apply [ID… | all] COMMAND`; live and in core files, which `gcore`
then writes with their stacks.

gdb loads this file by itself when it meets libunblock.so and trusts the folder; otherwise `source unblock-gdb.py`.
Nothing in the program is changed, not even its registers: a green thread that has no OS thread is shown by telling gdb
that the innermost function of the current OS thread was called from where the green thread has stopped. So `bt`, `up`,
`frame`, `info locals` and `print` work; only the numbers of its frames begin above #0, behind that function. Thread-local
variables are those of the OS thread. The current green thread is forgotten when the program runs on and when another OS
thread is chosen.

The records of the library are read by the table that it publishes (`unblock_layout`), and so by no headers of ours.
"""
import os
import re
import struct

import gdb
import gdb.FrameDecorator
import gdb.unwinder

MAGIC = b"unblock layout\n\0"
KNOWN_VERSION = 1
MOST_CHUNKS = 1 << 20  # a pool whose list is longer leads in circles
INNER_FRAMES = 24  # that many at most are looked at for the program's own innermost one


def text_of(raw):
    return raw.split(b"\0", 1)[0].decode(errors="replace")


class Layout:
    """What the library says about its records: names, offsets, sizes."""

    HEADER = struct.Struct("<16sQII16sQIIIIII")
    ROOT = struct.Struct("<24sQ")
    FIELD = struct.Struct("<24s24sII")
    VALUE = struct.Struct("<24s24sQ")

    def __init__(self, memory):
        self.memory = memory
        address = self.address()
        head = self.HEADER.unpack(memory.read(address, self.HEADER.size))
        if head[0] != MAGIC or head[1] != address:
            raise gdb.GdbError("unblock: the table of its records is damaged")
        if head[2] != KNOWN_VERSION:
            raise gdb.GdbError(f"unblock: its records are of version {head[2]}; this file knows {KNOWN_VERSION}")
        block = memory.read(address, head[3])
        self.roots = {text_of(name): at for name, at in self.table(self.ROOT, block, head[6], head[7])}
        self.fields = {(text_of(record), text_of(name)): (offset, size)
                       for record, name, offset, size in self.table(self.FIELD, block, head[8], head[9])}
        self.values = {(text_of(record), text_of(name)): value
                       for record, name, value in self.table(self.VALUE, block, head[10], head[11])}

    @staticmethod
    def address():
        try:
            return int(gdb.parse_and_eval("(unsigned long) &unblock_layout"))
        except gdb.error:
            raise gdb.GdbError("unblock: this program has no libunblock.so that can be seen from outside") from None

    @staticmethod
    def table(form, block, begin, count):
        return form.iter_unpack(block[begin:begin + count * form.size])

    def value(self, record, name):
        return self.found(self.values, record, name)

    def field(self, record, name):
        return self.found(self.fields, record, name)

    def size(self, record):
        return self.field(record, "")[1]

    @staticmethod
    def found(table, record, name):
        if (record, name) not in table:
            raise gdb.GdbError(f"unblock: its table of records does not have {record}.{name}")
        return table[record, name]

    def name_of(self, record, value):
        return next((name for (of, name), number in self.values.items() if of == record and number == value), "?")


class Memory:
    def __init__(self):
        self.inferior = gdb.selected_inferior()

    def read(self, address, size):
        return self.inferior.read_memory(address, size).tobytes()

    def number(self, address, size=8):
        return int.from_bytes(self.read(address, size), "little")


class Record:
    """A copy of one of the library's records."""

    def __init__(self, layout, kind, address, raw):
        self.layout, self.kind, self.address, self.raw = layout, kind, address, raw

    def part(self, name):
        offset, size = self.layout.field(self.kind, name)
        return self.raw[offset:offset + size]

    def number(self, name):
        return int.from_bytes(self.part(name), "little")

    def inner(self, name, kind):
        return Record(self.layout, kind, self.address + self.layout.field(self.kind, name)[0], self.part(name))


class GreenThread:
    def __init__(self, record, lwps):
        green = record.inner("green", "GreenThread")
        layout = record.layout
        self.record = record
        self.id = record.number("id")
        self.name = text_of(record.part("name"))
        self.creator = record.number("creator")
        self.pthread = green.number("thread_pointer")
        self.context = green.number("context")
        self.has_run = green.number("resumptions") != 0 or record.number("is_main") != 0
        self.is_finished = bool(record.number("life") & layout.value("Life", "finished"))
        carrier = green.number("carrier")
        self.is_on_carrier = carrier != 0
        self.lwp = lwps.get(carrier, 0)
        self.start = record.number("c11_start") or record.number("start")
        phase = green.number("wait_word") & layout.value("WaitWord", "phase_mask")
        self.is_parked = phase in (layout.value("WaitWord", "parked"), layout.value("WaitWord", "armed"))
        self.wait = layout.name_of("WaitKind", green.number("wait_kind"))
        self.waiting_for = green.number("waiting_for")

    def what_it_waits_for(self):
        if self.wait == "descriptor":
            return f"descriptor {self.waiting_for & 0xffffffff}"
        if self.wait == "poll":
            return f"{self.waiting_for >> 48 or 'several'} descriptors"
        is_object = self.waiting_for and self.wait not in ("sleep", "join")
        return self.wait + (f" {self.waiting_for:#x}" if is_object else "")

    def state(self):
        if self.is_finished:
            return "ended, not joined"
        if self.is_on_carrier:
            place = f"on LWP {self.lwp}"
            return f"runs {place}" if self.wait == "none" else f"waits {place}: {self.what_it_waits_for()}"
        if not self.has_run:
            return "has not run yet"
        return f"waits: {self.what_it_waits_for()}" if self.is_parked else "ready to run"

    def title(self):
        name = f' "{self.name}"' if self.name else ""
        return f"Green thread {self.id}{name} ({self.state()})"


class Process:
    """The green threads of the current inferior, read anew for each command."""

    def __init__(self):
        self.memory = Memory()
        self.layout = Layout(self.memory)
        phase = self.memory.number(self.layout.roots["phase"], 4)
        if phase != self.layout.value("Phase", "active"):
            raise gdb.GdbError(f"unblock: threads are not green here, it is {self.layout.name_of('Phase', phase)}")
        lwps = {each.address: each.number("kernel_tid") for each in self.records("carriers", "Carrier")}
        greens = [GreenThread(each, lwps) for each in self.records("threads", "Thread")
                  if each.number("id") and each.inner("green", "GreenThread").number("thread_pointer")]
        self.greens = {each.id: each for each in sorted(greens, key=lambda green: green.id)}

    def records(self, root, kind):
        """The records in use of a pool."""
        layout, chunk_kind, slot_kind = self.layout, kind + "Chunk", kind + "Slot"
        slots, slots_size = layout.field(chunk_kind, "slots")
        slot_size = layout.size(slot_kind)
        object_at, taken_at = layout.field(slot_kind, "object")[0], layout.field(slot_kind, "taken")[0]
        chunk = self.memory.number(layout.roots[root] + layout.field("Pool", "chunks")[0])
        for _ in range(MOST_CHUNKS):
            if chunk == 0:
                return
            used = min(self.memory.number(chunk + layout.field(chunk_kind, "used")[0]), slots_size // slot_size)
            raw = self.memory.read(chunk + slots, used * slot_size)
            for at in range(0, used * slot_size, slot_size):
                if raw[at + taken_at]:
                    begin = at + object_at
                    yield Record(layout, kind, chunk + slots + begin, raw[begin:begin + layout.size(kind)])
            chunk = self.memory.number(chunk + layout.field(chunk_kind, "next")[0])

    def green(self, number):
        if number not in self.greens:
            raise gdb.GdbError(f"There is no green thread {number}.")
        return self.greens[number]


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Unwinder(gdb.unwinder.Unwinder):
    """While a green thread is shown, the innermost function of one OS thread is called from the thread's saved frame."""

    SAVED = ("r12", "r13", "r14", "r15", "rbx", "rbp", "rip")

    def __init__(self):
        super().__init__("unblock")
        self.thread = None  # the gdb thread in whose place a green one is shown
        self.green = None
        self.saved = {}
        self.own = None  # that thread's own rsp and rip

    def show(self, process, green):
        layout = process.layout
        self.saved = {name: process.memory.number(green.context + layout.value("SavedFrame", name)) for name in self.SAVED}
        self.saved["rsp"] = green.context + layout.value("SavedFrame", "rsp")
        self.forget()
        newest = gdb.newest_frame()
        self.own = tuple(int(newest.read_register(name)) for name in ("rsp", "rip"))
        self.thread, self.green = gdb.selected_thread(), green
        gdb.invalidate_cached_frames()

    def forget(self):
        if self.thread is not None:
            self.thread, self.green = None, None
            gdb.invalidate_cached_frames()

    def shows(self, thread):
        return self.thread is not None and thread is not None and self.thread.ptid == thread.ptid

    def is_own(self, frame):
        """Is this a frame of the OS thread, one of inlined functions perhaps, and none of the green thread?"""
        return self.shows(gdb.selected_thread()) and int(frame.read_register("rsp")) == self.own[0]

    def __call__(self, frame):
        if not self.shows(gdb.selected_thread()):
            return None
        sp, pc = frame.read_register("rsp"), frame.read_register("rip")
        if (int(sp), int(pc)) != self.own:
            return None
        # gdb takes a caller whose stack lies below its callee's for a damaged one, so the callee claims to be there, too.
        claimed = gdb.Value(self.saved["rsp"] - 16).cast(sp.type)
        unwound = frame.create_unwind_info(FrameId(claimed, pc))
        whole = gdb.lookup_type("unsigned long")
        for name, value in self.saved.items():
            unwound.add_saved_register(name, gdb.Value(value).cast(whole))
        return unwound


class Nameless(gdb.FrameDecorator.FrameDecorator):
    """A frame of which nothing is known but its address; once there are filters, gdb would print nothing for it."""

    def function(self):
        return super().function() or "??"


class WithoutOuterThread:
    """The frame filter that leaves out the OS thread's own frames while a green thread is shown in its place."""

    def __init__(self):
        self.name, self.enabled, self.priority = "unblock", True, 100
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        return (Nameless(each) for each in frames if not unwinder.is_own(each.inferior_frame()))


def thread_of_lwp(lwp):
    return next((each for each in gdb.selected_inferior().threads() if each.ptid[1] == lwp or each.ptid[2] == lwp), None)


def show(process, green):
    """Makes `green` the thread whose frames gdb shows."""
    if green.is_on_carrier:
        thread = thread_of_lwp(green.lwp)
        if thread is None:
            raise gdb.GdbError(f"Green thread {green.id} runs on LWP {green.lwp}, which gdb does not know.")
        unwinder.forget()
        thread.switch()
        gdb.newest_frame().select()
    elif green.is_finished or not green.has_run:
        raise gdb.GdbError(f"{green.title()} has no frames.")
    else:
        unwinder.show(process, green)
        frame = gdb.newest_frame()
        while frame is not None and unwinder.is_own(frame):
            frame = frame.older()
        if frame is None:
            raise gdb.GdbError(f"The stack of green thread {green.id} cannot be read.")
        frame.select()


def is_shown(green):
    thread = gdb.selected_thread()
    if unwinder.shows(thread):
        return unwinder.green.id == green.id
    return green.is_on_carrier and thread is not None and green.lwp in thread.ptid[1:]


class Selection:
    """Comes back to what was shown before."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.shown = unwinder.green, unwinder.thread, unwinder.saved, unwinder.own
        try:
            self.level = gdb.selected_frame().level()
        except gdb.error:
            self.level = None

    def __exit__(self, *_):
        unwinder.green, unwinder.thread, unwinder.saved, unwinder.own = self.shown
        if self.thread is not None and self.thread.is_valid():
            self.thread.switch()
        gdb.invalidate_cached_frames()
        if self.level is not None:
            gdb.execute(f"frame level {self.level}", to_string=True)


def programs_frame(frame):
    """The innermost frame that is neither ours nor libc's."""
    first = frame
    for _ in range(INNER_FRAMES):
        if frame is None:
            break
        library = gdb.solib_name(frame.pc()) or ""
        if not re.search(r"/(libunblock|libc|libpthread|ld-linux[^/]*)\.so", library):
            return frame
        frame = frame.older()
    return first


def place_of(frame):
    name = frame.name() or f"{frame.pc():#x}"
    line = frame.find_sal()
    return f"{name} ()" + (f" at {line.symtab.filename}:{line.line}" if line.symtab else "")


def name_at(address):
    words = gdb.execute(f"info symbol {address:#x}", to_string=True).split(" ")
    return f"{address:#x}" if words[0] == "No" else words[0]


def where(process, green):
    try:
        show(process, green)
        return place_of(programs_frame(gdb.selected_frame()))
    except gdb.error:
        return f"start routine {name_at(green.start)}" if green.start else ""


class InfoGreens(gdb.Command):
    """List the green threads of a program that runs under unblock.
Usage: info greens [ID…]
Each line tells the number, the name, what the thread does or waits for, and the innermost frame of the program's own
code. The one whose frames gdb shows has a star; `green ID` shows another."""

    def __init__(self):
        super().__init__("info greens", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        process = Process()
        chosen = numbers_of(argument.split(), process) if argument else list(process.greens)
        greens = [process.green(each) for each in chosen]
        stars = {each.id: "*" if is_shown(each) else " " for each in greens}
        rows = [("Id", "Name", "State", "Frame")]
        with Selection():
            rows += [(str(each.id), each.name, each.state(), where(process, each)) for each in greens]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            star = stars.get(int(row[0]), " ") if row[0].isdigit() else " "
            cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths))
            gdb.write(f"{star} {cells}  {row[3]}".rstrip() + "\n")


class Green(gdb.Command):
    """Show the frames of a green thread.
Usage: green ID
       green
       green apply [ID… | all] COMMAND
ID is its number in `info greens`. Without one, tell which is shown. Where the thread is on an OS thread, that becomes
the current thread; otherwise its frames are shown in the place of the current OS thread's, which are back after
`thread N` or when the program runs on."""

    def __init__(self):
        super().__init__("green", gdb.COMMAND_STACK, prefix=True)

    def invoke(self, argument, from_tty):
        process = Process()
        words = argument.split()
        if len(words) > 1 or words and not words[0].isdigit():
            raise gdb.GdbError("Usage: green ID, or green apply [ID… | all] COMMAND")
        if words:
            green = process.green(int(words[0]))
            show(process, green)
            gdb.write(f"[Switching to {green.title()}]\n")
            gdb.execute("frame")
            return
        shown = [each for each in process.greens.values() if is_shown(each)]
        gdb.write(f"[Current is {shown[0].title()}]\n" if shown else "[No green thread is shown]\n")


class GreenApply(gdb.Command):
    """Apply a command to green threads.
Usage: green apply [ID… | all] COMMAND
An ID may be a range, such as 2-5. What is shown before is shown afterwards."""

    def __init__(self):
        super().__init__("green apply", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        process = Process()
        words = argument.split()
        count = 0
        while count < len(words) and re.fullmatch(r"\d+(-\d+)?", words[count]):
            count += 1
        if words[:1] == ["all"]:
            count, chosen = 1, list(process.greens)
        else:
            chosen = numbers_of(words[:count], process)
        if count == 0 or count == len(words):
            raise gdb.GdbError("Usage: green apply [ID… | all] COMMAND")
        command = " ".join(words[count:])
        with Selection():
            for each in chosen:
                self.apply(process, process.green(each), command)

    @staticmethod
    def apply(process, green, command):
        gdb.write(f"\n{green.title()}:\n")
        try:
            show(process, green)
            gdb.execute(command)
        except gdb.error as error:
            gdb.write(f"{error}\n")


def numbers_of(words, process):
    numbers = []
    for word in words:
        if not re.fullmatch(r"\d+(-\d+)?", word):
            raise gdb.GdbError(f"'{word}' is no number of a green thread.")
        first, _, last = word.partition("-")
        if last:
            numbers += [each for each in process.greens if int(first) <= each <= int(last)]
        else:
            numbers.append(process.green(int(first)).id)
    return numbers


class SavedCore:
    """A core file that gdb has written, into which memory is put that it has left out."""

    HEADER = struct.Struct("<16sHHIQQQIHHH")
    SEGMENT = struct.Struct("<IIQQQQQQ")
    LOAD = 1
    PAGE = 4096
    IS_THERE = 3 << 62  # in an entry of /proc/PID/pagemap: in memory, or swapped out

    def __init__(self, path, pid):
        self.file = open(path, "r+b", buffering=0)
        self.memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
        self.pages = open(f"/proc/{pid}/pagemap", "rb", buffering=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in (self.file, self.memory, self.pages):
            each.close()

    def segment_of(self, address):
        """Begin, end and place in the file of the memory around `address`."""
        head = self.HEADER.unpack(os.pread(self.file.fileno(), self.HEADER.size, 0))
        for number in range(head[10]):
            at = head[5] + number * head[9]
            kind, _, place, begin, _, size, _, _ = self.SEGMENT.unpack(os.pread(self.file.fileno(), self.SEGMENT.size, at))
            if kind == self.LOAD and begin <= address < begin + size:
                return begin, begin + size, place
        return None

    def put(self, address):
        """Copies what there is of the mapping around `address`, page by page; False: it is not the kind that can be read."""
        segment = self.segment_of(address)
        if segment is None:
            return False
        begin, end, place = segment
        entries = os.pread(self.pages.fileno(), (end - begin) // self.PAGE * 8, begin // self.PAGE * 8)
        there = [bool(entry & self.IS_THERE) for entry, in struct.iter_unpack("<Q", entries)]
        copied = 0
        for page in (number for number, is_there in enumerate(there) if is_there):
            try:
                data = os.pread(self.memory.fileno(), self.PAGE, begin + page * self.PAGE)
            except OSError:
                continue  # a guard
            copied += os.pwrite(self.file.fileno(), data, place + page * self.PAGE)
        return copied > 0


class Gcore(gdb.Command):
    """Save a core file of the program, with the stacks of green threads.
Usage: gcore [FILE]
As generate-core-file, which at the first page that cannot be read leaves out all that follows in the mapping. Since
Linux 6.13 the guards of stacks are such pages, in one mapping with the stacks."""

    LEFT_OUT = r"warning: Memory read failed for corefile section, \d+ bytes at (0x[0-9a-f]+)\.\n"

    def __init__(self):
        super().__init__("gcore", gdb.COMMAND_DATA, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        pid = gdb.selected_inferior().pid
        path = argument or f"core.{pid}"
        said = gdb.execute(f"generate-core-file {path}", to_string=True)
        gdb.write(re.sub(self.LEFT_OUT, "", said))
        with SavedCore(os.path.expanduser(path), pid) as core:
            for address in re.findall(self.LEFT_OUT, said):
                is_kernels = int(address, 16) >> 47 != 0  # the page of old system calls
                if not core.put(int(address, 16)) and not is_kernels:
                    gdb.write(f"The memory around {address} is not in it.\n")


def forget_when_it_runs(event):
    unwinder.forget()


unwinder = Unwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)
WithoutOuterThread()
gdb.events.cont.connect(forget_when_it_runs)
gdb.events.exited.connect(forget_when_it_runs)
InfoGreens()
Green()
GreenApply()
Gcore()
