"""Looks names up in many threads: name_lookups.py PORT COUNT. The name server is at that port of the loopback."""
import ctypes
import socket
import struct
import sys
import threading

libc = ctypes.CDLL(None)
libc.__res_state.restype = ctypes.c_void_p
PORT, COUNT = map(int, sys.argv[1:])


def ask_here():
    """libc keeps the addresses of name servers for each thread, at the beginning of its state: two ints, the options,
    the number of servers, and their addresses."""
    libc.__res_init()
    state = libc.__res_state()
    ctypes.memmove(state, struct.pack("ii", 25, 1), 8)
    server = struct.pack("=H", socket.AF_INET) + struct.pack(">H", PORT) + bytes((127, 0, 0, 1)) + bytes(8)
    ctypes.memmove(state + 16, struct.pack("i", 1) + server, 20)


def look_up(number):
    ask_here()
    found = socket.getaddrinfo(f"host{number}.test.", 80, socket.AF_INET, socket.SOCK_STREAM)
    sys.stdout.write(found[0][4][0] + "\n")


threads = [threading.Thread(target=look_up, args=(number,)) for number in range(COUNT)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
