# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to send something: sockets of all kinds, and descriptors that were held before."""
import ctypes
import os
import socket
import struct

from common import Iovec, sys_call


def make_socket(a):
    sys_call("socket", a["family"], a["type"], a["protocol"])
    return True


def raw_packet(a):
    """An IP header by hand."""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    data = a["token"].encode()
    udp = struct.pack("!HHHH", 7, a["port"], 8 + len(data), 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton("127.0.0.1"),
                     socket.inet_aton("127.0.0.1"))
    s.sendto(ip + udp, ("127.0.0.1", 0))
    return True


def tcp_send(a):
    s = socket.create_connection(("127.0.0.1", a["port"]), 2)
    s.sendall(a["token"].encode())
    return True


def udp_send(a):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(a["token"].encode(), ("127.0.0.1", a["port"]))
    return True


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.c_void_p),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("len", ctypes.c_uint32)]


def sendmmsg(a):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    data = ctypes.create_string_buffer(a["token"].encode())
    name = ctypes.create_string_buffer(struct.pack("=H", 2) + struct.pack("!H", a["port"]) +
                                       socket.inet_aton("127.0.0.1") + b"\0" * 8, 16)
    iov = Iovec(ctypes.addressof(data), len(a["token"]))
    msg = Msghdr(ctypes.addressof(name), 16, ctypes.addressof(iov), 1)
    return sys_call("sendmmsg", s.fileno(), ctypes.byref(msg), 1, 0) == 1


def uring(a):
    params = ctypes.create_string_buffer(120)
    sys_call("io_uring_setup", 4, params)
    return True


def unix_connect(a):
    """path, or an abstract name"""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(2)
    s.connect("\0" + a["abstract"] if "abstract" in a else a["path"])
    s.sendall(a["token"].encode())
    return True


def fd_send(a):
    """By a descriptor that was held before."""
    os.write(a["fd"], a["token"].encode())
    return True


def fd_read(a):
    return {"done": a["want"] in os.pread(a["fd"], 4096, 0).decode()}


def fds(a):
    """Every descriptor there is."""
    found = []
    for n in map(int, os.listdir("/proc/self/fd")):
        try:
            os.fstat(n)
            found.append(n)
        except OSError:
            pass  # that of the listing
    return {"done": any(fd > 2 for fd in found), "fds": sorted(found), "error": "none over 2"}
