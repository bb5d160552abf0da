"""What readelf says about libunblock.so, in the words of the tests beside this file."""
import re
import subprocess

from places import BUILD, SOURCE

LIBRARY = BUILD / "libunblock.so"


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def readelf(*options, library=LIBRARY):
    return output_of("readelf", "--wide", *options, library)


def dynamic_entries():
    """(tag, value) of each entry of the dynamic section."""
    return re.findall(r"0x[0-9a-f]+ \((\w+)\)\s+(.*)", readelf("--dynamic"))


def dynamic_symbols(library=LIBRARY):
    """(name, version or '', is it defined) of each global dynamic symbol."""
    found = []
    for line in readelf("--dyn-syms", library=library).splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[0].rstrip(":").isdigit() and fields[4] != "LOCAL":
            name, _, version = fields[7].partition("@")
            found.append((name, version.lstrip("@"), fields[6] != "UND"))
    return found


def exported():
    """The versions under which each name is exported; '' is none."""
    versions = {}
    for name, version, defined in dynamic_symbols():
        if defined:
            versions.setdefault(name, set()).add(version)
    return versions


def imported():
    return {name for name, version, defined in dynamic_symbols() if not defined}


def path_of_runtime(name):
    """Where the compiler has a sanitizer's runtime."""
    return output_of("gcc", f"-print-file-name={name}").strip()


def functions_of(library):
    return {name for name, _, defined in dynamic_symbols(library) if defined}


def interposed():
    """The names of shim/interposed.def, in its order."""
    lines = (SOURCE / "shim/interposed.def").read_text().splitlines()
    return re.findall(r"^\s*X\((\w+),", "\n".join(lines), re.MULTILINE)
