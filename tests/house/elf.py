"""What readelf says about libunblock.so, in the words of the tests beside this file."""
import re
import subprocess

from places import BUILD, SOURCE

LIBRARY = BUILD / "libunblock.so"


def readelf(*options):
    return subprocess.run(["readelf", "--wide", *options, LIBRARY], capture_output=True, text=True, check=True).stdout


def dynamic_entries():
    """(tag, value) of each entry of the dynamic section."""
    return re.findall(r"0x[0-9a-f]+ \((\w+)\)\s+(.*)", readelf("--dynamic"))


def dynamic_symbols():
    """(name, version or '', is it defined) of each global dynamic symbol."""
    found = []
    for line in readelf("--dyn-syms").splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[0].rstrip(":").isdigit() and fields[4] != "LOCAL":
            name, _, version = fields[7].partition("@")
            found.append((name, version.lstrip("@"), fields[6] != "UND"))
    return found


def exported():
    return {name: version for name, version, defined in dynamic_symbols() if defined}


def imported():
    return {name for name, version, defined in dynamic_symbols() if not defined}


def interposed():
    """The names of shim/interposed.def, in its order."""
    lines = (SOURCE / "shim/interposed.def").read_text().splitlines()
    return re.findall(r"^\s*X\((\w+),", "\n".join(lines), re.MULTILINE)
