# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds that look at TLS handshakes, and at first payloads in pieces."""
import contextlib
import socket
import ssl
import struct

from twin import common as T
from twin.server import Reader
from twin.way import CTX, Talk, Wrong, connect, down, send_in


def tls_by_hand(r, s, name):
    """A handshake whose first flight goes out in pieces, of any size: real TLS 1.2 or 1.3."""
    ctx = ssl.create_default_context(cafile=CTX["ca"])
    ctx.check_hostname = False
    if r.random() < 0.3:
        ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    if r.random() < 0.6:  # up to what post-quantum keys and long lists need: several segments
        ctx.set_alpn_protocols(["p%03d" % i + "x" * r.choice((3, 60)) for i in range(r.randrange(1, 60))])
    got, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(got, out, server_hostname=name)
    first = True
    while True:
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        data = out.read()
        if data and first:
            send_in(r, s, data, r.randrange(1, 10))
        elif data:
            s.sendall(data)
        first = False
        if done:
            return ByHand(s, tls, got, out)
        got.write(some(s))


def some(s):
    data = s.recv(65536)
    if not data:
        raise Wrong("the stream ended")
    return data


class ByHand:
    """The part of a socket that the kinds use."""

    def __init__(self, s, tls, got, out):
        self.s, self.tls, self.got, self.out = s, tls, got, out

    def sendall(self, data):
        self.tls.write(data)
        self.s.sendall(self.out.read())

    def recv(self, n):
        while True:
            try:
                return self.tls.read(n)
            except ssl.SSLWantReadError:
                self.got.write(some(self.s))

    def close(self):
        self.s.close()


def slow_link(r, t):
    """A head or hello in a few writes, where the kernel sends at the rate of a slow line: it then keeps back
    more than a few packets that nobody has acknowledged."""
    rate, port, pieces = int(10 ** r.uniform(5, 6.5)), r.choice((T.HTTP, T.TLS)), r.randrange(1, 9)
    with connect(t, port) as s:
        with contextlib.suppress(OSError):
            s.setsockopt(socket.SOL_SOCKET, 47, rate)  # SO_MAX_PACING_RATE
        n, off, path = down(r, 10000)
        k = Talk(s, t)
        data = k.head("GET", path) if port == T.HTTP else big_hello(r, t.name)
        yield "%d bytes a second, %d bytes to port %d in %d pieces" % (rate, len(data), t.base + port, pieces)
        send_in(r, s, data, pieces)
        if port == T.HTTP:
            k.expect_body(n, off)
        elif k.r.exactly(1) != b"\x16":
            raise Wrong("no handshake")


def tls_cut(r, t):
    port = r.choice((T.TLS, T.TLS, T.TLS_ANY))
    s = connect(t, port)
    yield "first flight in pieces, port %d" % (t.base + port)
    with contextlib.closing(s):
        k = Talk(tls_by_hand(r, s, t.name), t)
        n, off, path = down(r, 1 << 16)
        k.s.sendall(k.head("GET", path))
        k.expect_body(n, off)


def tls_resume(r, t):
    """The second connection goes on with the first one's session: a hello of another shape."""
    ctx = CTX[r.choice(("1.2", "1.3"))]
    session = None
    for i in range(r.randrange(2, 5)):
        yield "connection %d" % i
        s = connect(t, T.TLS)
        with contextlib.closing(ctx.wrap_socket(s, server_hostname=t.name, session=session)) as tls:
            k = Talk(tls, t)
            n, off, path = down(r, 1 << 14)
            tls.sendall(k.head("GET", path))
            k.expect_body(n, off)
            session = tls.session


def ext(number, data):
    return struct.pack("!HH", number, len(data)) + data


def big_hello(r, name):
    """As browsers of today send it: X25519MLKEM768 beside X25519, GREASE, an ECH-sized pad; 0.5 to 3 KB."""
    shares = struct.pack("!HH", 0x11ec, 1216) + r.randbytes(1216) + struct.pack("!HH", 29, 32) + r.randbytes(32)
    extensions = [ext(43, b"\4\3\4\3\3"), ext(10, struct.pack("!HHHH", 6, 0x11ec, 29, 23)), ext(11, b"\1\0"),
                  ext(13, struct.pack("!HHHHH", 8, 0x403, 0x804, 0x401, 0x807)), ext(45, b"\1\1"), ext(0x0a0a, b""),
                  ext(51, struct.pack("!H", len(shares)) + shares), ext(16, b"\0\x0c\x02h2\x08http/1.1")]
    if name:
        sni = name.encode()
        extensions.append(ext(0, struct.pack("!HBH", len(sni) + 3, 0, len(sni)) + sni))
    r.shuffle(extensions)
    if r.random() < 0.5:
        extensions.append(ext(21, bytes(r.randrange(1500))))
    body = b"\3\3" + r.randbytes(32) + b"\x20" + r.randbytes(32) + struct.pack("!HHHH", 6, 0x1301, 0x1302, 0x1303)
    body += b"\1\0" + struct.pack("!H", sum(map(len, extensions))) + b"".join(extensions)
    body = b"\1" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\3\1" + struct.pack("!H", len(body)) + body


def hello(r, t):
    data, pieces = big_hello(r, t.name), r.choice((1, 1, 2, 3, 9))
    yield "hello of %d bytes in %d pieces" % (len(data), pieces)
    with connect(t, T.TLS) as s:
        send_in(r, s, data, pieces)
        got = Reader(s).exactly(6)
        if got[0] != 0x16 or got[5] != 2:
            raise Wrong("no ServerHello but %s" % got.hex())
