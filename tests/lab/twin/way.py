# SPDX-License-Identifier: GPL-2.0-or-later
"""How the twin's clients get to a server, and how they ask there and check what comes back."""
import collections
import socket
import ssl
import time
import zlib

from twin import common as T
from twin.server import Reader

CTX = {}  # set up by setup(): the process's TLS contexts
NOTES = collections.Counter()  # what is no failure, but worth a word


class Limit:
    seconds = 5  # without a byte: a stall


class Wrong(Exception):
    pass


def setup(config):
    Limit.seconds = config["limit"]
    for name, highest in (("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)):
        CTX[name] = ssl.create_default_context(cafile=config["ca"])
        CTX[name].maximum_version = highest
        CTX[name].check_hostname = False
    CTX["ca"] = config["ca"]


# ---- the ways there ------------------------------------------------------------------------------

NAMES = {}


def address_of(t):
    """As a program does: asked now, or kept for a while."""
    if not t.name:
        return t.address
    until, found = NAMES.get((t.name, t.family), (0, None))
    if time.monotonic() > until or t.name == T.SHORT:
        family = socket.AF_INET if t.family == 4 else socket.AF_INET6
        found = [a[4][0] for a in socket.getaddrinfo(t.name, None, family, socket.SOCK_STREAM)]
        if found != [t.address]:
            raise Wrong("the resolver says %s, not %s" % (found, t.address))
        NAMES[t.name, t.family] = (time.monotonic() + 20, found)
    return found[0]


def stream_socket(t, mapped=False):
    s = socket.socket(socket.AF_INET6 if t.family == 6 or mapped else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(Limit.seconds)
    return s


def connect(t, port, nodelay=True, r=None):
    """r: also from a socket for IPv6 to IPv4, and from an address of our choice."""
    to, mapped = address_of(t), bool(r and t.family == 4 and r.random() < 0.2)
    s = stream_socket(t, mapped)
    try:
        if r and not mapped and r.random() < 0.1:
            s.bind((source(r, t), 0))
        s.connect(("::ffff:" + to if mapped else to, t.base + port))
        if nodelay:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        s.close()
        raise
    return s


def source(r, t):
    """An address of this host that the target answers to."""
    if t.address.startswith("127."):
        return "127.0.0.%d" % r.randrange(1, 200)
    if t.address == "::1":
        return "::1"
    if t.place == "in-net":
        return T.topo.ALLOWED4 if t.family == 4 else T.topo.ALLOWED6
    return T.topo.AGENT4 if t.family == 4 else T.topo.AGENT6


def size(r, most):
    """Small ones are as likely as large ones."""
    return min(most, int(2 ** r.uniform(0, most.bit_length())))


def cut(r, data, pieces):
    """Random pieces; now and then with a pause before the next."""
    at = sorted(r.randrange(len(data) + 1) for _ in range(min(pieces, len(data)) - 1))
    return [data[a:b] for a, b in zip([0] + at, at + [len(data)]) if a < b]


def send_in(r, s, data, pieces):
    for i, piece in enumerate(cut(r, data, pieces)):
        if i and r.random() < 0.3:
            time.sleep(r.random() * 0.02)  # a slow writer
        s.sendall(piece)


def web(r, t):
    """A connection on which HTTP is spoken, and how: plain or in TLS, by a rule for a name or for whatever."""
    how = r.choice(("http", "http", "any", "tls", "tls-any"))
    nodelay = r.random() < 0.7
    s = connect(t, {"http": T.HTTP, "any": T.HTTP_ANY, "tls": T.TLS, "tls-any": T.TLS_ANY}[how], nodelay, r)
    if how.startswith("tls"):
        try:
            s = CTX[r.choice(("1.2", "1.3"))].wrap_socket(s, server_hostname=t.name)
        except BaseException:
            s.close()
            raise
    return how + ("" if nodelay else " with Nagle's delay"), s


def host(t):
    return t.name or T.bracket(t.address)


# ---- requests and what must come back ------------------------------------------------------------

class Talk:
    """One HTTP connection."""

    def __init__(self, s, t, port=T.HTTP):
        self.s, self.r, self.host = s, Reader(s), "%s:%d" % (host(t), t.base + port)

    def head(self, method, path, *more, version="1.1"):
        return "\r\n".join(("%s %s HTTP/%s" % (method, path, version), "Host: " + self.host) + more + ("", "")).encode()

    def answer(self):
        lines = self.r.until(b"\r\n\r\n").split(b"\r\n")
        if lines[0].split()[1] == b"100":
            return None
        if lines[0].split()[1] != b"200":
            raise Wrong("answer %r" % lines[0])
        head = dict(l.lower().split(b": ", 1) for l in lines[1:])
        if b"chunked" in head.get(b"transfer-encoding", b""):
            return self.r.chunks()
        return self.r.pieces(int(head[b"content-length"]))

    def expect_body(self, n, off):
        total = crc = 0
        for piece in self.answer():
            total += len(piece)
            crc = zlib.crc32(piece, crc)
        same((total, crc), (n, T.checksum(n, off)))

    def expect_report(self, n, off):
        got = b"".join(self.answer()).split()
        same(tuple(int(x) for x in got), (n, T.checksum(n, off)))


def same(got, want):
    if got != want:
        raise Wrong("(length, checksum) %s, sent was %s" % (got, want))


def down(r, most):
    n, off = size(r, most), r.randrange(T.BIG)
    return n, off, "/d/%d/%d/%s" % (n, off, r.choice("lc"))


def chunked(r, data):
    step = r.randrange(1, 20000) if len(data) > 2000 else r.randrange(1, 400)
    more, trailer = r.choice((b"", b"", b";x=y")), r.choice((b"", b"", b"X-Sum: 1\r\n"))
    return b"".join(b"%x%b\r\n%b\r\n" % (len(data[i:i + step]), more, data[i:i + step])
                    for i in range(0, len(data), step)) + b"0\r\n" + trailer + b"\r\n"
