# SPDX-License-Identifier: GPL-2.0-or-later
"""wall_calls.py CGROUP|- UID FUNCTION [JSON]: joins the cgroup from outside, without any system call filter, becomes
that user, and reports what a function of this file found, as JSON."""
import ctypes
import errno
import json
import os
import socket
import struct
import sys
import time


SO_BINDTOIFINDEX = 62
libc = ctypes.CDLL(None, use_errno=True)
KINDS = {"tcp4": (socket.AF_INET, socket.SOCK_STREAM), "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
         "udp4": (socket.AF_INET, socket.SOCK_DGRAM), "udp6": (socket.AF_INET6, socket.SOCK_DGRAM),
         "unix": (socket.AF_UNIX, socket.SOCK_STREAM), "netlink": (socket.AF_NETLINK, socket.SOCK_RAW)}


def name(e):
    return errno.errorcode.get(e, str(e)) if e else None


def attempt(fn):
    try:
        fn()
        return None
    except OSError as e:
        return name(e.errno) or str(e)


def setsockopt(fd, level, option, value=b"\0\0\0\0"):
    """As the kernel takes it: 0 or errno."""
    return ctypes.get_errno() if libc.setsockopt(fd, level, option, value, len(value)) < 0 else 0


def options(a):
    """{kind: [[level, option], ...]}: which pairs are not answered with EPERM."""
    found = {}
    for kind in a["kinds"]:
        passed = found[kind] = []
        for level in a["levels"]:
            s = socket.socket(*KINDS[kind])
            for option in list(range(a["most"] + 1)) + [-1, 512, 1152, 65536 + 15, 1 << 30, -(1 << 31)]:
                if setsockopt(s.fileno(), level, option) != errno.EPERM:
                    passed.append([level, option])
                    s.close()  # it may be another socket now
                    s = socket.socket(*KINDS[kind])
            s.close()
    return found


def sockets(a):
    """[[family, type, protocol], ...] that can be made."""
    made = []
    for family in a["families"]:
        for kind in (k for k in range(0, 16) if k != 10):
            for protocol in range(0, 300):
                fd = libc.socket(family, kind, protocol)
                if fd >= 0:
                    made.append([family, kind, protocol])
                    os.close(fd)
    return made


def addresses(a):
    """For each [call, kind, address, device]: the error, and the device that the socket is bound to after."""
    out = []
    for call, kind, address, device in a["calls"]:
        s = socket.socket(*KINDS[kind])
        to = (address, a["port"])
        if s.family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            to = (address, a["port"], 0, socket.if_nametoindex(device) if device else 0)
        s.setblocking(False)
        if address.endswith("255"):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        err = attempt({"bind": lambda: s.bind(to), "connect": lambda: s.connect(to),
                       "sendto": lambda: s.sendto(a.get("token", "x").encode(), to)}[call])
        out.append([err, s.getsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX)])
        s.close()
    return out


def source(a):
    """A control message names where a datagram comes from: errors with the device's own link-local address, and with
    another one of its own."""
    rows = [l.split() for l in open("/proc/net/if_inet6")]
    own = [bytes.fromhex(r[0]) for r in rows if r[5] == a["device"]]
    out = []
    for local in (True, False):
        address = [x for x in own if (x[0] == 0xfe) == local][0]
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        info = address + struct.pack("i", socket.if_nametoindex(a["device"]))
        out.append(attempt(lambda: s.sendmsg([b"x"], [(socket.IPPROTO_IPV6, 50, info)], 0, (a["to"], a["port"]))))
    return out


def one_of_each(a):
    """A refused call of each kind; who it was."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    there = socket.if_nametoindex(a["device"])
    errors = {
        "socket": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)),
        "bind": attempt(lambda: s.bind(("fe80::77", 7001, 0, there))),
        "connect": attempt(lambda: s.connect(("fe80::78", 7002, 0, there))),
        "sendmsg": attempt(lambda: s.sendto(b"x", ("ff02::79", 7003, 0, there))),
        "option": name(setsockopt(s.fileno(), socket.SOL_SOCKET, 36)),
        "unknown": name(setsockopt(s.fileno(), 41, 299)),
    }
    return {"pid": os.getpid(), "errors": errors}


def compat(number, *args):
    """A system call as a 32-bit program makes it; the kernel does not ask programs of a cgroup about its options."""
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, 8192, 7, 0x62, -1, 0)  # private, anonymous, below 4 GB
    code = bytes.fromhex("538b078b5f048b4f088b570c8b77108b7f14cd805bc3")
    ctypes.memmove(at, code, len(code))
    words = [number] + [at + 2048 if isinstance(x, bytes) else x for x in args] + [0] * (5 - len(args))
    for x in args:
        if isinstance(x, bytes):
            ctypes.memmove(at + 2048, x, len(x))
    ctypes.memmove(at + 1024, struct.pack("6I", *words), 24)
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(at)(at + 1024)


def bound_by_compat(a):
    """[what the kernel said, the error of sending]"""
    out = []
    for to in a["to"]:
        s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
        name_ = a["device"].encode() + b"\0"
        r = compat(366, s.fileno(), socket.SOL_SOCKET, 25, name_, len(name_))
        out.append([r, attempt(lambda: s.sendto(a["token"].encode(), (to, a["port"])))])
    return out


def flood(a):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(a["n"]):
        setsockopt(s.fileno(), socket.SOL_SOCKET, 36)
    return None


def send_all(a):
    """TCP, UDP and ping to each address, with a token: the errors."""
    out = {}
    for to in a["to"]:
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        token = a["token"].encode()

        def tcp():
            s = socket.socket(family, socket.SOCK_STREAM)
            s.settimeout(a.get("timeout", 0.4))
            s.connect((to, a["port"]))
            s.sendall(token)

        def udp():
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.connect((to, a["port"]))
            s.send(token)

        def ping():
            s = socket.socket(family, socket.SOCK_DGRAM, 58 if family == socket.AF_INET6 else 1)
            s.sendto(struct.pack(">BBHHH", 128 if family == socket.AF_INET6 else 8, 0, 0, 1, 1) + token, (to, 0))
        for fn in (tcp, udp, ping):
            out["%s %s" % (fn.__name__, to)] = attempt(fn)
    time.sleep(0.1)  # they are there when it is judged
    return out


def hold(a):
    """Connects; sends the token when it is told to, and goes when it is told to."""
    found = [socket.create_connection((to, a["port"]), 5) for to in a["to"]]
    print("READY", flush=True)
    sys.stdin.readline()
    for s in found:
        s.sendall(a["token"].encode())
    print("SENT", flush=True)
    sys.stdin.readline()


def speed(a):
    """Microseconds of processor time for each call that a program makes often."""
    out = {}
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", a["port"]))
    server.listen(512)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", a["port"]))

    def connect():
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.connect(("127.0.0.1", a["port"]))
        server.accept()[0].close()
        s.close()

    def make():
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    calls = {"socket": make, "setsockopt": lambda: t.setsockopt(socket.IPPROTO_TCP, 1, 1), "connect": connect,
             "sendto": lambda: u.sendto(b"x", ("127.0.0.1", a["port"]))}
    for key, fn in calls.items():
        best = 1e9
        for _ in range(5):
            start = time.process_time()
            for _ in range(a["n"]):
                fn()
            best = min(best, time.process_time() - start)
        out[key] = best / a["n"] * 1e6
    return out


def main(argv):
    if argv[0] != "-":
        with open(argv[0] + "/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))
    if int(argv[1]):
        os.setgroups([])
        os.setgid(int(argv[1]))
        os.setuid(int(argv[1]))
    print(json.dumps(globals()[argv[2]](json.loads(argv[3]) if len(argv) > 3 else {})), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
