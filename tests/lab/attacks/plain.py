# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks over plain connections, and what goes on for as long as it may."""
import asyncio
import json
import os
import socket
import struct
import sys
import time

import wire
from attempts import attempt, drain, family, hexes, make_hello, stay, tcp


def connect(a):
    """Connects, sends the token, reads an answer."""
    s, err, ms = attempt(lambda: tcp(a["to"], a["port"]))
    if s is None:
        return {"connect": err, "ms": ms}
    _, err, _ = attempt(lambda: s.sendall(a["token"].encode() + b"\n"))
    start = time.monotonic()
    back, end = drain(s, a.get("wait", 1.0))
    return {"connect": "ok", "ms": ms, "send": err, "back": hexes(back), "end": end,
            "end_ms": (time.monotonic() - start) * 1000}


def connect_mapped(a):
    """IPv4 in an IPv6 socket."""
    def go():
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        s.settimeout(3)
        s.connect(("::ffff:" + a["to"], a["port"]))
        s.sendall(a["token"].encode())
        return s
    s, err, ms = attempt(go)
    stay(0.1)
    return {"connect": err or "ok", "ms": ms}


def resolve(a):
    r, err, ms = attempt(lambda: [x[4][0] for x in socket.getaddrinfo(a["name"], 443, type=socket.SOCK_STREAM)])
    return {"addresses": r or [], "error": err, "ms": ms}


def urllib_get(a):
    import urllib.request
    start = time.monotonic()
    try:
        with urllib.request.urlopen(a["url"], timeout=5) as f:
            return {"status": f.status, "body": f.read().decode(), "ms": (time.monotonic() - start) * 1000}
    except OSError as e:
        return {"status": 0, "error": str(e), "ms": (time.monotonic() - start) * 1000}


def asyncio_get(a):
    async def go():
        r, w = await asyncio.open_connection(a["name"], a["port"], ssl=True)
        w.write(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % a["name"].encode())
        out = await r.read()
        w.close()
        return out
    start = time.monotonic()
    try:
        return {"body": asyncio.run(go()).decode(), "ms": (time.monotonic() - start) * 1000}
    except OSError as e:
        return {"body": "", "error": str(e), "ms": (time.monotonic() - start) * 1000}


def pg(a):
    """The startup message of PostgreSQL and one query, over a plain connection."""
    def go():
        s = tcp(a["to"], a["port"])
        body = struct.pack("!I", 196608) + b"user\0agent\0database\0" + a["token"].encode() + b"\0\0"
        s.sendall(struct.pack("!I", 4 + len(body)) + body)
        first = s.recv(4096)
        s.sendall(b"Q" + struct.pack("!I", 13) + b"select 1\0")
        return first + s.recv(4096)
    r, err, ms = attempt(go)
    return {"back": (r or b"").decode("latin1"), "error": err, "ms": ms}


def silence(a):
    """Connects and says nothing for a while."""
    s, err, ms = attempt(lambda: tcp(a["to"], a["port"]))
    if s is None:
        return {"connect": err, "ms": ms}
    back, end = drain(s, a.get("wait", 1.0))
    return {"connect": "ok", "ms": ms, "back": hexes(back), "end": end}


def stream(a):
    """Sends the token to a["to"] by new connections and datagrams until killed; READY at the start."""
    print("READY", flush=True)
    end = time.monotonic() + a.get("seconds", 30)
    n, last = 0, 0.0
    u = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
    u.setblocking(False)
    while time.monotonic() < end:
        def go():
            s = tcp(a["to"], a["port"], 0.3)
            s.sendall(make_hello(a) if "sni" in a else a["token"].encode())
            s.close()
        attempt(go)
        attempt(lambda: u.sendto(a["token"].encode(), (a["to"], 9999)))
        n += 1
        if time.monotonic() - last > 0.2:
            last = time.monotonic()
            print("TRIED %d" % n, flush=True)
    return {"n": n}


def queued(a):
    """Leaves data in a socket buffer of a connection that is not verified, and goes."""
    s, err, _ = attempt(lambda: tcp(a["to"], a["port"], 1.0))
    if s is None:
        return {"connect": err}
    data = wire.client_hello(a["sni"])[:100] if a.get("half") else b""
    bad = wire.client_hello(a["evil"], a["token"].encode())
    s.setblocking(False)
    attempt(lambda: s.send(data or bad[:120]))
    attempt(lambda: s.send((a["token"].encode() + b"\n") * 2000))
    print(json.dumps({"connect": "ok"}), flush=True)
    os._exit(0)


def joined_socket(a):
    """Does a flow that was verified go on? Sends lines until told to stop by EOF of stdin."""
    s, err, _ = attempt(lambda: tcp(a["to"], a["port"]))
    if s is None:
        return {"connect": err}
    s.sendall(make_hello(a) if "sni" in a else b"start\n")
    attempt(lambda: s.recv(4096))
    print("READY", flush=True)
    for line in sys.stdin:
        _, err, _ = attempt(lambda: s.sendall(line.encode()))
        print("SENT %s %s" % (line.strip(), err), flush=True)
    return {"connect": "ok"}
