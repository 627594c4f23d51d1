# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on what was judged: a packet that leaves otherwise than it was looked at, a connection taken for another.
"""
import socket
import struct

from attempts import attempt, family, stay, tcp
from checks import comes

MSG_FASTOPEN = 0x20000000
SEGMENT = 1448  # of a connection with timestamps over Ethernet


def _any(v6):
    return "::" if v6 else "0.0.0.0"


def by_lo(a):
    """A datagram that names lo, to somebody else, at a port that the sender itself listens on. a["how"]: a message,
    or an option of the socket."""
    v6 = ":" in a["to"]
    lo = socket.if_nametoindex("lo")
    own = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.bind((_any(v6), a["port"]))
    errors = []
    for _ in range(10):
        s = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

        def go():
            if a["how"] == "option":
                s.setsockopt(*((41, 76) if v6 else (0, 50)), struct.pack("!I", lo))  # IP_UNICAST_IF
            if a["how"] == "group option":
                s.setsockopt(*((41, 17) if v6 else (0, 32)),
                             struct.pack("@I", lo) if v6 else struct.pack("@4s4si", b"", b"", lo))
            info = (41, 50, b"\0" * 16 + struct.pack("@I", lo)) if v6 else (0, 8, struct.pack("@i8x", lo))
            s.sendmsg([a["token"].encode()], [info] if a["how"] == "message" else [], 0, (a["to"], a["port"]))
        errors.append(attempt(go)[1])
    stay(0.2)
    return {"errors": errors}


def failing_bind(a):
    """A bind that fails and leaves the socket bound to a device, with data in the SYN or a datagram."""
    out = []
    for dev in ("lo", "a0"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            own = socket.socket(socket.AF_INET6, kind)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.bind(("::", a["port"]))
            if kind == socket.SOCK_STREAM:
                own.listen(5)
            for _ in range(5):
                s = socket.socket(socket.AF_INET6, kind)
                s.settimeout(0.3)
                e = attempt(lambda: s.bind(("fe80::77", 0, 0, socket.if_nametoindex(dev))))[1]
                to = (a["to"] if ":" in a["to"] else "::ffff:" + a["to"], a["port"])
                flags = MSG_FASTOPEN if kind == socket.SOCK_STREAM else 0
                out.append([dev, e, attempt(lambda: s.sendto(a["token"].encode(), flags, to))[1]])
                attempt(lambda: s.setsockopt(41, 26, 1))
                out.append(attempt(lambda: s.sendto(a["token"].encode(), flags, to))[1])
                s.close()
            own.close()
    return {"results": out}


def hidden_request(a):
    """One stream of requests, cut by the kernel into packets: the body of the first ends in the middle of what looks
    like a second one with a body of its own, and holds a request with another Host."""
    out = []
    for packets in range(1, 10):
        s = tcp(a["to"], a["port"], 2)
        inner = b"POST /x HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\n" % a["name"].encode()
        head = b"POST /y HTTP/1.1\r\nHost: %s\r\nContent-Length: %%d\r\n\r\n" % a["name"].encode()
        at = packets * SEGMENT
        n = at - len(head % 10000) + len(inner)
        data = head % n
        data += b"." * (at - len(data)) + inner
        data += b"GET /%s HTTP/1.1\r\nHost: evil.test\r\n\r\n" % a["token"].encode()
        data += b"." * 20000
        out.append(attempt(lambda: s.sendall(data))[1])
        stay()
        s.close()
    return {"errors": out}


def post(a):
    """Ordinary requests with a body, as programs send them; each must have its answer."""
    import http.client
    done, errors = 0, []
    for _ in range(a.get("n", 20)):
        def go():
            c = http.client.HTTPConnection(a["name"], a["port"], timeout=8)
            c.request("POST", "/", body=b"x" * a["size"])
            r = c.getresponse()
            r.read()
            c.close()
        e = attempt(go)[1]
        done += e is None
        errors.append(e)
    return {"done": done, "errors": errors}


def after_flush(a):
    """A request, then another with any Host. In between the caller, told by a file, changes conntrack."""
    import os
    s = tcp(a["to"], a["port"], 3)
    s.sendall(b"GET /first HTTP/1.1\r\nHost: %s\r\n\r\n" % a["name"].encode())
    first = attempt(lambda: s.recv(4096))
    print("READY", flush=True)
    comes(lambda: os.path.exists(a["file"]), 8)
    host = a["host"].encode()
    e = attempt(lambda: s.sendall(b"GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (a["token"].encode(), host)))[1]
    back = attempt(lambda: s.recv(4096))
    return {"first": len(first[0] or b""), "error": e or back[1], "back": len(back[0] or b"")}
