# SPDX-License-Identifier: GPL-2.0-or-later
"""First payloads, TLS and HTTP: in pieces, broken off, stitched together, rewritten under way."""
import concurrent.futures
import ctypes
import mmap
import os
import socket
import struct
import tempfile
import time

import wire
from attacks.plain import resolve
from attempts import attempt, drain, family, hexes, make_hello, stay, tcp


def hello(a):
    """A ClientHello with the token in it. a["chunk"]: bytes a segment."""
    s, err, ms = attempt(lambda: tcp(a["to"], a["port"]))
    if s is None:
        return {"connect": err, "ms": ms}
    data, chunk = make_hello(a), a.get("chunk", 0)
    start = time.monotonic()

    def send():
        for i in range(0, len(data), chunk or len(data)):
            s.sendall(data[i:i + (chunk or len(data))])
    _, err, _ = attempt(send)
    s.settimeout(a.get("wait", 2.0))
    back, end, _ = attempt(lambda: s.recv(65536))
    return {"connect": "ok", "ms": ms, "send": err, "back": hexes(back or b""), "end": end or (
        "data" if back else "EOF"), "end_ms": (time.monotonic() - start) * 1000}


def pair(a):
    """Resolves the name, then connects to the address that was given (the two keys), hello as SNI."""
    r = resolve(a)
    if not r["addresses"]:
        return r
    return dict(hello(dict(a, to=r["addresses"][0])), addresses=r["addresses"])


def raw_bytes(a):
    """a["hex"], in which 'TOKEN' is written as the token; a["then_hex"] after an answer."""
    s, err, ms = attempt(lambda: tcp(a["to"], a["port"]))
    if s is None:
        return {"connect": err, "ms": ms}
    fill = lambda h: bytes.fromhex(h).replace(b"TOKEN", a["token"].encode())
    out = {"connect": "ok", "ms": ms}
    data = fill(a["hex"])
    chunk = a.get("chunk", 0) or len(data)
    start = time.monotonic()

    def send():
        for i in range(0, len(data), chunk):
            time.sleep(a.get("pause", 0) if i else 0)  # between the pieces
            s.sendall(data[i:i + chunk])
    _, out["send"], _ = attempt(send)
    s.settimeout(a.get("wait", 1.5))
    back, err, _ = attempt(lambda: s.recv(65536))
    out.update(back=hexes(back or b""), end=err or ("data" if back else "EOF"),
               end_ms=(time.monotonic() - start) * 1000)
    if a.get("then_hex"):
        _, out["send2"], _ = attempt(lambda: s.sendall(fill(a["then_hex"])))
        back, err, _ = attempt(lambda: s.recv(65536))
        out.update(back2=hexes(back or b""), end2=err or ("data" if back else "EOF"))
    return out


def broken_off(a):
    """A request, an answer, and the beginning of another request; then the same from the same port anew."""
    backs = []
    for last in (False, True):
        s = socket.socket(family(a["to"]), socket.SOCK_STREAM)
        s.settimeout(3)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.bind(("", 23456))
        s.connect((a["to"], a["port"]))
        s.sendall(bytes.fromhex(a["hex"]))
        backs.append(hexes(s.recv(65536)))
        if not last:
            s.sendall(b"GET /" + a["token"].encode())
            stay(0.2)
        s.close()
    return {"backs": backs}


def splits(a):
    """The hello cut in two at every offset (a["step"]); every connection of its own, some at once."""
    data = make_hello(a)
    res, slowest = {}, 0.0

    def one(at):
        s, err, _ = attempt(lambda: tcp(a["to"], a["port"]))
        if s is None:
            return at, "connect " + err, 0.0
        start = time.monotonic()

        def go():
            s.sendall(data[:at])
            time.sleep(0.001)  # two segments, not one
            s.sendall(data[at:])
            return s.recv(4096)
        back, err, _ = attempt(go)
        s.close()
        return at, "answer" if back else err or "EOF", time.monotonic() - start
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for at, what, took in pool.map(one, range(1, len(data), a.get("step", 1))):
            res.setdefault(what, []).append(at)
            slowest = max(slowest, took)
    return {"n": len(data), "results": {k: len(v) for k, v in res.items()}, "slowest_ms": slowest * 1000,
            "first": {k: v[:5] for k, v in res.items()}}


def fastopen(a):
    """The hello in the SYN."""
    def go():
        s = socket.socket(family(a["to"]), socket.SOCK_STREAM)
        s.settimeout(2)
        s.sendto(make_hello(a) if a.get("sni") is not None else a["token"].encode(), 0x20000000,
                 (a["to"], a["port"]))  # MSG_FASTOPEN
        return s.recv(4096)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}


def stitched(a):
    """Half an allowed hello, broken off; at once from the same port another connection with a refused one, for
    a["seconds"]. The numbers of its bytes may go on just where the half ended: together they read as the allowed
    hello, with the refused one in its padding."""
    evil, whole = wire.client_hello(a["evil"], a["token"].encode()), wire.client_hello(a["sni"], pad=14000)
    linger, begin = struct.pack("ii", 1, 0), whole.index(b"\0" * 200)
    half, gaps, open_, tries = 4000, [], [], 0
    end = time.monotonic() + a.get("seconds", 8)
    while time.monotonic() < end:
        tries += 1

        def go():
            two = [socket.socket(family(a["to"]), socket.SOCK_STREAM) for _ in range(2)]
            for s in two:
                s.settimeout(1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                s.bind(("", 20000 + tries % 12000))
            first = time.monotonic_ns()
            two[0].connect((a["to"], a["port"]))
            two[0].send(whole[:half])
            two[0].close()
            gaps.append((time.monotonic_ns() - first) // 64)  # as Linux counts: 64 ns a byte
            two[1].connect((a["to"], a["port"]))
            two[1].send(evil + b"\0" * (len(whole) - half - len(evil)))
            open_.append(two[1])
            if len(open_) > 600:
                open_.pop(0).close()
        attempt(go)
        if tries % 100 == 0 and gaps:
            half = max(begin + 1, min(13000, sorted(gaps[-100:])[len(gaps[-100:]) // 2]))
    return {"tries": tries, "half": half}


def urgent(a):
    """Bytes of the hello as urgent data in the middle."""
    def go():
        s = tcp(a["to"], a["port"], 1.5)
        data = make_hello(a)
        s.sendall(data[:30])
        s.send(b"!", socket.MSG_OOB)
        s.sendall(data[30:])
        return s.recv(4096)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}


def by_reference(s, how, f, page, n):
    """Sends the first n bytes of a file's page, to which the kernel only keeps a reference."""
    if how == "sendfile":
        return os.sendfile(s.fileno(), f.fileno(), 0, n)
    if how == "zerocopy":
        s.setsockopt(socket.SOL_SOCKET, 60, 1)  # SO_ZEROCOPY
        return s.send(memoryview(page)[:n], 0x4000000)  # MSG_ZEROCOPY
    r, w = os.pipe()
    libc, start = ctypes.CDLL(None, use_errno=True), ctypes.c_longlong(0)
    for src, off, dst in ((f.fileno(), ctypes.byref(start), w), (r, None, s.fileno())):
        if libc.splice(src, off, dst, None, n, 0) < 0:
            raise OSError(ctypes.get_errno(), "splice")
    return n


def changed(a):
    """A hello for a["sni"] in pages that are rewritten to one for a["evil"], a name as long, after it was looked
    at: before it is sent again when its first segment expired on the way, or (a["race"]) at any moment."""
    good, evil = (wire.client_hello(a[k], a["token"].encode() if k == "evil" else b".") for k in ("sni", "evil"))
    assert len(good) == len(evil)
    f = tempfile.TemporaryFile()
    f.write(good.ljust(4096, b"\0"))
    f.flush()
    page = mmap.mmap(f.fileno(), 4096)
    v6 = ":" in a["to"]
    hops = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if v6 else (socket.IPPROTO_IP, socket.IP_TTL)

    def expired():
        with tcp(a["to"], a["port"]) as s:
            s.setsockopt(*hops, 1)
            by_reference(s, a["how"], f, page, len(good))
            time.sleep(0.05)  # before TCP sends it again
            page[:len(evil)] = evil
            s.setsockopt(*hops, 64)
            return hexes(drain(s, 0.7)[0])

    def race():
        pid = os.fork()
        if pid == 0:
            while True:
                page[:len(evil)] = evil
                page[:len(good)] = good
        try:
            for _ in range(200):
                with tcp(a["to"], a["port"]) as s:
                    by_reference(s, a["how"], f, page, len(good))
                    s.settimeout(0.02)
                    attempt(lambda: s.recv(100))
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    v, err, _ = attempt(race if a.get("race") else expired)
    return {"back": v, "error": err}
