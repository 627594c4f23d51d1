# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks below the level of a connection: odd sockets, headers and marks."""
import ctypes
import errno
import os
import random
import socket
import struct
import time

import wire
from attempts import SO_MARK, attempt, family, hexes, make_hello, stay, tcp


def proto_socket(a):
    """Raw IP packets of any protocol to a["to"], the token as payload: a["proto"] a number."""
    def go():
        s = socket.socket(family(a["to"]), socket.SOCK_RAW, a["proto"])
        body = a["token"].encode()
        if a["proto"] == 1:
            head = struct.pack("!BBHHH", a.get("type", 8), a.get("code", 0), 0, 7, 1)
            body = head[:2] + struct.pack("!H", wire.checksum(head + body)) + head[4:] + body
        elif a["proto"] == 58:
            body = struct.pack("!BBHHH", a.get("type", 128), a.get("code", 0), 0, 7, 1) + body
        elif a["proto"] == 132:
            body = struct.pack("!HHII", 1000, a.get("port", 9000), 0, 0) + body
        elif a["proto"] == 33:
            body = struct.pack("!HHBBHI", 1000, a.get("port", 9000), 6, 0, 0, 0) + b"\0" * 12 + body
        elif a["proto"] == 136:
            body = struct.pack("!HHHH", 1000, a.get("port", 9000), 8, 0) + body
        elif a["proto"] == 6:
            body = b"\x30\x39" + struct.pack("!H", a.get("port", 9000)) + b"\0" * 8 + \
                bytes([0x50, a.get("flags", 0x10)]) + b"\xff\xff" + b"\0" * 4 + body
        elif a["proto"] == 17:
            body = struct.pack("!4H", 4000, a.get("port", 9000), 8 + len(body), 0) + body
        s.sendto(body, (a["to"], 0))
    _, err, _ = attempt(go)
    stay()
    return {"error": err}


def protocols(a):
    """Every protocol number from a list, over raw sockets."""
    return {p: proto_socket(dict(a, proto=int(p)))["error"] for p in a["protos"].split(",")}


def tcp_flags(a):
    """Segments that belong to no connection, with the token as payload."""
    src = a["from"]
    s, err, _ = attempt(lambda: socket.socket(family(a["to"]), socket.SOCK_RAW, socket.IPPROTO_RAW))
    if s is None:
        return {"error": err}
    for flags in (wire.ACK, wire.FIN | wire.ACK, wire.RST, wire.RST | wire.ACK, wire.SYN | wire.ACK,
                  wire.PSH | wire.ACK, 0, wire.SYN, wire.SYN | wire.FIN, 0x3f, wire.URG | wire.ACK):
        seg = wire.tcp(src, a["to"], random.randrange(20000, 60000), a["port"], random.getrandbits(32),
                       random.getrandbits(32), flags, a["token"].encode())
        pkt = wire.ipv6(src, a["to"], 6, seg) if ":" in src else wire.ipv4(src, a["to"], 6, seg)
        attempt(lambda: s.sendto(pkt, (a["to"], 0)))
    stay()
    return {"error": None}


def hdrincl(a):
    """Whole packets of our own: options, fragments, spoofed sources."""
    s, err, _ = attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    if s is None:
        return {"error": err}
    attempt(lambda: s.setsockopt(0, 22, 1))  # IP_NODEFRAG
    tok, src, to = a["token"].encode(), a["from"], a["to"]
    how = a["how"]
    if how == "options":
        opt = bytes([0x94, 4, 0, 0]) + bytes([0x9e, len(tok) + 2]) + tok
        pkts = [wire.ipv4(src, to, 17, wire.udp(src, to, 4000, a["port"], tok), options=opt)]
    elif how == "fragments":
        body = wire.udp(src, to, 4000, a["port"], b"." * 64 + tok)
        pkts = [wire.ipv4(src, to, 17, body[:48], ident=77, more=True),
                wire.ipv4(src, to, 17, body[48:], ident=77, frag=48)]
    elif how == "tiny fragments":
        body = wire.udp(src, to, 4000, a["port"], tok)
        pkts = [wire.ipv4(src, to, 17, body[i:i + 8], ident=78, frag=i, more=i + 8 < len(body))
                for i in range(0, len(body), 8)]
    elif how == "second fragment only":
        pkts = [wire.ipv4(src, to, 17, tok.ljust(32, b"."), ident=79, frag=64, more=True)]
    elif how == "spoofed source":
        other = a["other"]
        pkts = [wire.ipv4(other, to, 17, wire.udp(other, to, 4000, a["port"], tok))]
    elif how == "dns answer":  # UDP from port 53
        pkts = [wire.ipv4(src, to, 17, wire.udp(src, to, 53, a["port"], tok))]
    else:
        raise SystemExit("no such way: " + how)
    for p in pkts:
        _, err, _ = attempt(lambda: s.sendto(p, (to, 0)))
    stay()
    return {"error": err}


def v6_headers(a):
    """UDP behind IPv6 extension headers and in fragments, as whole packets."""
    s, err, _ = attempt(lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW))
    if s is None:
        return {"error": err}
    src, to, tok = a["from"], a["to"], a["token"].encode()
    body = wire.udp(src, to, 4000, a["port"], tok)
    pad = bytes([1, 4, 0, 0, 0, 0])
    opt = bytes([0x1e, len(tok)]) + tok
    size = -(-(2 + len(opt)) // 8) * 8
    fill = size - 2 - len(opt)
    dst = bytes([17, size // 8 - 1]) + opt + (b"\0" if fill == 1 else bytes([1, fill - 2]) +
                                              b"\0" * (fill - 2) if fill else b"")
    chain = bytes([60, 0]) + pad + bytes([17, 0]) + pad
    frag = lambda off, more, part: bytes([17, 0]) + struct.pack("!HI", off | more, 99) + part
    pkts = {"hop-by-hop": wire.ipv6(src, to, 0, bytes([17, 0]) + pad + body),
            "destination": wire.ipv6(src, to, 60, dst + body),
            "both": wire.ipv6(src, to, 0, chain + body),
            "routing": wire.ipv6(src, to, 43, bytes([17, 0, 253, 0, 0, 0, 0, 0]) + body),
            "atomic fragment": wire.ipv6(src, to, 44, frag(0, 0, body)),
            "fragments": [wire.ipv6(src, to, 44, frag(0, 1, body[:16])),
                          wire.ipv6(src, to, 44, frag(16, 0, body[16:]))],
            "second fragment": wire.ipv6(src, to, 44, frag(64, 0, tok.ljust(32, b"."))),
            "no next header": wire.ipv6(src, to, 59, tok)}
    out = {}
    for what, p in pkts.items():
        if "how" not in a or a["how"] == what:
            for one in p if isinstance(p, list) else [p]:
                _, out[what], _ = attempt(lambda: s.sendto(one, (to, 0)))
    stay()
    return out


def ping(a):
    """A ping socket: no rights needed. The token is the echo's payload."""
    def go():
        s = socket.socket(family(a["to"]), socket.SOCK_DGRAM, 58 if ":" in a["to"] else 1)
        s.settimeout(0.5)
        s.connect((a["to"], 0))
        s.send(struct.pack("!BBHHH", 128 if ":" in a["to"] else 8, 0, 0, 0, 1) + a["token"].encode())
        return s.recv(2048)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}


def packet_socket(a):
    """AF_PACKET: whole frames past netfilter, to the router's address."""
    def go():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(("a0", 0x0800))
        body = wire.ipv4(a["from"], a["to"], 17, wire.udp(a["from"], a["to"], 4000, a["port"],
                                                          a["token"].encode()))
        s.send(bytes.fromhex(a["mac"].replace(":", "")) + b"\2\0\0\0\0\1\x08\0" + body)
    _, err, _ = attempt(go)
    return {"error": err}


def families(a):
    """Which sockets can be made at all."""
    libc = ctypes.CDLL(None, use_errno=True)
    want = {"raw4": (2, 3, 255), "raw4 icmp": (2, 3, 1), "raw4 udp": (2, 3, 17), "raw6": (10, 3, 255),
            "raw6 icmp": (10, 3, 58), "packet": (17, 3, 0x300), "packet dgram": (17, 2, 0x300),
            "packet none": (17, 3, 0), "xdp": (44, 3, 0), "vsock": (40, 1, 0), "alg": (38, 5, 0),
            "netfilter": (16, 3, 12), "netlink audit": (16, 3, 9), "sctp": (2, 1, 132), "udplite": (2, 2, 136), "dccp": (2, 6, 33),
            "can": (29, 3, 1), "bluetooth": (31, 3, 1), "rds": (21, 5, 0), "tipc": (30, 2, 0),
            "kcm": (41, 2, 0), "smc": (43, 1, 0), "key": (15, 3, 2)}
    ok = {"tcp4": (2, 1, 0), "tcp6": (10, 1, 0), "udp4": (2, 2, 0), "unix": (1, 1, 0), "route": (16, 3, 0)}
    out = {}
    for what, (f, t, p) in {**want, **ok}.items():
        fd = libc.socket(f, t, p)
        out[what] = "open" if fd >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")
        if fd >= 0:
            os.close(fd)
    params = ctypes.create_string_buffer(120)
    fd = libc.syscall(425, 4, params)  # io_uring_setup
    out["io_uring"] = "open" if fd >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")
    return {"sockets": out, "must_fail": list(want) + ["io_uring"], "must_work": list(ok)}


def marks(a):
    """SO_MARK in every bit pattern that matters, per socket and per message, over UDP."""
    patterns = [1 << i for i in range(32)] + [0xffffffff ^ (1 << i) for i in range(32)] + [0xffffffff]
    patterns += [b << s for s in (0, 8, 16, 24) for b in range(1, 256)]
    rnd = random.Random(5)
    patterns += [rnd.getrandbits(32) for _ in range(300)]
    sent, err = 0, None
    for how in ("option", "cmsg"):
        for m in patterns:
            s = socket.socket(family(a["to"]), socket.SOCK_DGRAM)

            def go():
                if how == "option":
                    s.setsockopt(socket.SOL_SOCKET, SO_MARK, struct.pack("I", m))
                    s.sendto(a["token"].encode(), (a["to"], a["port"]))
                else:
                    s.sendmsg([a["token"].encode()], [(socket.SOL_SOCKET, SO_MARK, struct.pack("I", m))], 0,
                              (a["to"], a["port"]))
            _, e, _ = attempt(go)
            sent, err = (sent + 1, err) if e is None else (sent, e)
            s.close()
    return {"sent": sent, "error": err}


def marks_tcp(a):
    """The same by TCP: mark set before connect, and after it."""
    err = {}
    for m in [1 << i for i in range(32)] + [0xffffffff, 0xffff0000, 0x0000ffff]:
        def go():
            s = socket.socket(family(a["to"]), socket.SOCK_STREAM)
            s.settimeout(1)
            s.setsockopt(socket.SOL_SOCKET, SO_MARK, struct.pack("I", m))
            s.connect((a["to"], a["port"]))
            s.sendall(make_hello(a) if "sni" in a else a["token"].encode())
            s.settimeout(0.3)
            s.recv(1000)
        _, e, _ = attempt(go)
        err[str(e)] = err.get(str(e), 0) + 1
    return err


def listen(a):
    """Serves the token to whoever connects, on every address; READY when it listens."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", a["port"]))
    s.listen(16)
    print("READY", flush=True)
    got = 0
    end = time.monotonic() + a.get("seconds", 30)
    s.settimeout(0.2)
    while time.monotonic() < end:
        try:
            c, _ = s.accept()
        except socket.timeout:
            continue
        got += 1
        print("ACCEPTED", flush=True)
        attempt(lambda: c.sendall(a["token"].encode() + b"\n"))
        c.close()
    return {"accepted": got}


def own_listener(a):
    """A listener and its client in one fence: does a program reach itself?"""
    l = socket.socket(family(a["to"]), socket.SOCK_STREAM)
    l.bind((a["to"], a["port"]))
    l.listen(1)
    l.settimeout(2)
    c, err, ms = attempt(lambda: tcp(a["to"], a["port"]))
    if c is None:
        return {"connect": err, "ms": ms}
    d, err, _ = attempt(lambda: l.accept()[0])
    d.sendall(b"hello")
    return {"connect": "ok", "ms": ms, "back": attempt(lambda: c.recv(10))[0].decode()}


def quic(a):
    """Datagrams to UDP 443 that look like QUIC Initials, the token as connection id and payload."""
    tok = a["token"].encode()
    first = {"v1": 1, "v2": 0x6b3343cf, "negotiation": 0, "unknown": 0x0a0a0a0a}[a["how"]]
    pkt = bytes([0xc3]) + struct.pack("!I", first) + bytes([len(tok)]) + tok[:20].ljust(len(tok)) + b"\0\0"
    pkt += b"\x44\xa0" + tok.ljust(1200, b"q")
    return udp_bytes(a, pkt)


def udp_bytes(a, data):
    def go():
        s = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
        s.settimeout(a.get("wait", 0.5))
        s.connect((a["to"], a["port"]))
        s.send(data)
        return s.recv(2048)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}


def mptcp(a):
    def go():
        s = socket.socket(family(a["to"]), socket.SOCK_STREAM, 262)
        s.settimeout(2)
        s.connect((a["to"], a["port"]))
        s.sendall(a["token"].encode())
        return s.recv(100)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}
