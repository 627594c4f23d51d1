# SPDX-License-Identifier: GPL-2.0-or-later
"""What a well-behaved client may do: one function a kind. All that is random comes from the request's own
random.Random; each raises Wrong, or OSError, when something was refused, lost, late or not what was sent.
What a kind yields says how far it is."""
import contextlib
import errno
import http.client
import os
import socket
import struct
import tempfile
import time
import urllib.request
import zlib

from twin import common as T, tls
from twin.server import Reader
from twin.way import (CTX, NOTES, Limit, Talk, Wrong, address_of, chunked, connect, down, host, same, send_in, size,
                      source, stream_socket, web)


def get(r, t, most=1 << 18):
    how, s = web(r, t)
    with contextlib.closing(s):
        k = Talk(s, t)
        n, off, path = down(r, most)
        pad = ["X-Pad: " + "p" * size(r, 3000)] if r.random() < 0.3 else []
        if r.random() < 0.1:
            k.host = k.host.upper()
        request = k.head("GET", path, *pad, version=r.choice(("1.1", "1.1", "1.1", "1.0")))
        pieces = r.randrange(2, 9) if r.random() < 0.3 else 1
        yield "%s, %d bytes, request in %d pieces" % (how, n, pieces)
        send_in(r, s, request, pieces)
        k.expect_body(n, off)


def post(r, t, most=1 << 18):
    how, s = web(r, t)
    with contextlib.closing(s):
        k = Talk(s, t)
        n, off = size(r, most), r.randrange(T.BIG)
        data, length = T.body(n, off), "Content-Length: %d" % n
        if r.random() < 0.25:
            data, length = chunked(r, data), "Transfer-Encoding: chunked"
        head = k.head(r.choice(("POST", "PUT")), "/u", length)
        style = r.choice(("together", "apart", "apart", "pieces", "apart late", "from a file", "corked"))
        yield "%s, %d bytes, %s, head and body %s" % (how, n, length.split(":")[0], style)
        if style == "together":
            s.sendall(head + data)
        elif style == "pieces":
            send_in(r, s, head + data, r.randrange(2, 9))
        elif style == "from a file":
            s.sendall(head)
            with tempfile.TemporaryFile() as f:
                f.write(data)
                f.seek(0)
                s.sendfile(f)
        elif style == "corked":
            raw_socket = s.fileno()
            with socket.socket(fileno=os.dup(raw_socket)) as same_one:
                same_one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                s.sendall(head)
                s.sendall(data)
                same_one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        else:
            s.sendall(head)
            time.sleep(r.random() * 0.05 if "late" in style else 0)  # a slow writer
            s.sendall(data)
        k.expect_report(n, off)


def httpclient(r, t):
    """Python's own client: it writes head and body in two."""
    how = r.choice(("http", "http", "any", "tls"))
    port = t.base + {"http": T.HTTP, "any": T.HTTP_ANY, "tls": T.TLS}[how]
    to = t.name or t.address
    c = (http.client.HTTPSConnection(to, port, timeout=Limit.seconds, context=CTX["1.3"]) if how == "tls" else
         http.client.HTTPConnection(to, port, timeout=Limit.seconds))
    with contextlib.closing(c):
        for _ in range(r.choice((1, 1, 1, 4))):
            n, off = size(r, 1 << 17), r.randrange(T.BIG)
            data = T.body(n, off)
            yield "%s, POST of %d bytes" % (how, n)
            c.request("POST", "/u", body=data if r.random() < 0.7 else iter([data[:n // 2], data[n // 2:]]),
                      encode_chunked=False)
            same(tuple(int(x) for x in c.getresponse().read().split()), (n, T.checksum(n, off)))


def urllib_get(r, t):
    how = r.choice(("http", "https"))
    n, off, path = down(r, 1 << 17)
    url = "%s://%s:%d%s" % (how, host(t), t.base + (T.HTTP if how == "http" else T.TLS), path)
    yield "%s, %d bytes" % (how, n)
    with urllib.request.urlopen(url, timeout=Limit.seconds, context=CTX["1.3"]) as f:
        data = f.read()
    same((len(data), zlib.crc32(data)), (n, T.checksum(n, off)))


def expect100(r, t):
    how, s = web(r, t)
    with contextlib.closing(s):
        k = Talk(s, t)
        for _ in range(r.randrange(1, 4)):
            n, off = size(r, 1 << 18), r.randrange(T.BIG)
            yield "%s, %d bytes" % (how, n)
            s.sendall(k.head("PUT", "/u", "Content-Length: %d" % n, "Expect: 100-continue"))
            if k.answer() is not None:
                raise Wrong("no 100 Continue")
            s.sendall(T.body(n, off))
            k.expect_report(n, off)


def keepalive(r, t):
    how, s = web(r, t)
    with contextlib.closing(s):
        k = Talk(s, t)
        for i in range(r.randrange(2, 30)):
            n, off, path = down(r, 1 << 14)
            if r.random() < 0.5:
                yield "%s, request %d, GET of %d bytes" % (how, i, n)
                s.sendall(k.head("GET", path))
                k.expect_body(n, off)
            else:
                yield "%s, request %d, POST of %d bytes" % (how, i, n)
                s.sendall(k.head("POST", "/u", "Content-Length: %d" % n))
                s.sendall(T.body(n, off))
                k.expect_report(n, off)


def pipeline(r, t):
    how, s = web(r, t)
    with contextlib.closing(s):
        k = Talk(s, t)
        out, wanted = b"", []
        for _ in range(r.randrange(2, 20)):
            n, off, path = down(r, 2000)
            if r.random() < 0.6:
                out += k.head("GET", path)
                wanted.append((k.expect_body, n, off))
            else:
                out += k.head("POST", "/u", "Content-Length: %d" % n) + T.body(n, off)
                wanted.append((k.expect_report, n, off))
        pieces = r.randrange(1, 9)
        yield "%s, %d requests, %d bytes in %d pieces" % (how, len(wanted), len(out), pieces)
        send_in(r, s, out, pieces)
        for expect, n, off in wanted:
            expect(n, off)


def big(r, t):
    """Up to 100 MB, up or down."""
    how, s = web(r, t)
    with contextlib.closing(s):
        k = Talk(s, t)
        n, off = int(10 ** r.uniform(6, 8)), r.randrange(T.BIG)
        if r.random() < 0.5:
            yield "%s, down %d bytes" % (how, n)
            s.sendall(k.head("GET", "/d/%d/%d/l" % (n, off)))
            k.expect_body(n, off)
        else:
            yield "%s, up %d bytes" % (how, n)
            s.sendall(k.head("POST", "/u", "Content-Length: %d" % n))
            for piece in T.pattern(n, off):
                s.sendall(piece)
            k.expect_report(n, off)


def parallel(r, t):
    """Many connections at once, and many requests, before the first answer is read."""
    n = r.randrange(5, 50)
    yield "%d connections" % n
    with contextlib.ExitStack() as stack:
        talks = []
        for _ in range(n):
            s = connect(t, r.choice((T.HTTP, T.HTTP_ANY)))
            stack.enter_context(s)
            talks.append((Talk(s, t), *down(r, 5000)))
        for k, _, _, path in talks:
            k.s.sendall(k.head("GET", path))
        r.shuffle(talks)
        for k, size_, off, _ in talks:
            k.expect_body(size_, off)


# ---- other protocols -----------------------------------------------------------------------------

def echo(r, rd, s, most=1 << 16):
    n, off = size(r, most), r.randrange(T.BIG)
    data = T.body(n, off)
    send_in(r, s, b"echo %d\n" % n + data, r.choice((1, 1, 2, 9)))
    if rd.exactly(n) != data:
        raise Wrong("another echo of %d bytes" % n)


def raw(r, t):
    with connect(t, T.RAW) as s:
        rd = Reader(s)
        for i in range(r.randrange(1, 8)):
            yield "exchange %d" % i
            echo(r, rd, s)


def banner(r, t):
    with connect(t, T.BANNER) as s:
        yield "the server speaks first"
        rd = Reader(s)
        if not rd.until(b"\n").startswith(b"220 "):
            raise Wrong("no banner")
        echo(r, rd, s)


def half_close(r, t):
    n, off = size(r, 1 << 18), r.randrange(T.BIG)
    yield "%d bytes, then the end" % n
    with connect(t, T.RAW) as s:
        s.sendall(b"count\n" + T.body(n, off))
        s.shutdown(socket.SHUT_WR)
        same(tuple(int(x) for x in Reader(s).until(b"\n").split()), (n, T.checksum(n, off)))


def idle(r, t):
    """Nothing is said for a while: before the first byte, or between two requests."""
    how, s = web(r, t)
    with contextlib.closing(s):
        k = Talk(s, t)
        for i in range(3):
            pause = r.random() * r.choice((1, 4))
            yield "%s, silent for %.1f s before request %d" % (how, pause, i)
            time.sleep(pause)  # the silence
            n, off, path = down(r, 1 << 15)
            s.sendall(k.head("GET", path))
            k.expect_body(n, off)


def open_and_close(r, t):
    """Connected, and not a byte."""
    port = r.choice((T.HTTP, T.TLS, T.RAW))
    yield "port %d" % (t.base + port)
    for _ in range(r.randrange(1, 10)):
        connect(t, port).close()


def any_address(t):
    return "::" if t.family == 6 else "0.0.0.0"


def bind_unused(r, s, t):
    """A port that connect() never picks: bind() to port 0 fails when a minute's TIME_WAITs have all of these."""
    while True:
        port = r.randrange(10000, 32000)
        try:
            s.bind((any_address(t), port))
            return port
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise


def connect_again(s, to):
    """The socket before, with the same four-tuple, may still wait for the acknowledgement of its FIN."""
    end = time.monotonic() + 2
    while True:
        try:
            return s.connect(to)
        except OSError as e:
            if e.errno != errno.EADDRNOTAVAIL or time.monotonic() > end:
                raise
            time.sleep(0.01)


def reuse(r, t):
    """One local port, again at once: the client ends with a reset, or the server closes first."""
    port = r.choice((T.HTTP, T.HTTP_ANY, T.RAW))
    to, local = address_of(t), 0
    for i in range(r.randrange(2, 8)):
        reset = r.random() < 0.6
        with stream_socket(t) as s:
            if i == 0:
                local = bind_unused(r, s, t)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if i > 0:
                s.bind((any_address(t), local))
            yield "connection %d from port %d, then %s" % (i, local, "RST" if reset else "the server closes")
            connect_again(s, (to, t.base + port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            once(r, s, t, port, reset)
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def once(r, s, t, port, reset):
    """A request or two; not reset: until the server has closed."""
    if port == T.RAW:
        rd = Reader(s)
        echo(r, rd, s, 3000)
        if not reset:
            s.sendall(b"bye\n")
            rd.until(b"bye\n")
    else:
        k = Talk(s, t)
        n, off = size(r, 20000), r.randrange(T.BIG)
        s.sendall(k.head("POST", "/u", "Content-Length: %d" % n, *([] if reset else ["Connection: close"])))
        s.sendall(T.body(n, off))
        k.expect_report(n, off)
    if not reset and s.recv(1):
        raise Wrong("more than was asked for")


def most_udp(t):
    """The largest datagram that is not cut on its way."""
    if t.place.startswith("wire") or t.place == "in-net":
        return 1472 if t.family == 4 else 1452
    return 65507 if t.family == 4 else 65487


def udp(r, t):
    """Questions and answers of all sizes; what is lost (a full buffer) is sent again, and counted."""
    most, port, mapped = most_udp(t), r.choice((T.UDP, T.UDP_ANY)), t.family == 4 and r.random() < 0.2
    to = (("::ffff:" if mapped else "") + address_of(t), t.base + port)
    with socket.socket(socket.AF_INET6 if t.family == 6 or mapped else socket.AF_INET, socket.SOCK_DGRAM) as s:
        if not mapped and r.random() < 0.2:
            s.bind((source(r, t), 0))
        connected = r.random() < 0.5
        if connected:
            s.connect(to)
        for i in range(r.randrange(1, 8)):
            n = r.choice((most, most - r.randrange(60), size(r, most), size(r, most)))
            n, want = max(8, n), max(8, size(r, most))
            yield "port %d, datagram %d of %d bytes, answer of %d, %sconnected" % (
                to[1], i, n, want, "" if connected else "not ")
            ident = r.randrange(1 << 32)
            data = struct.pack("!II", ident, want) + T.body(n - 8, ident % T.BIG)
            exchange(s, data, None if connected else to, ident, want, t.place)


def udp_batch(r, t):
    """Many datagrams in one call, as QUIC sends them."""
    n, count = r.randrange(8, 1300), r.randrange(2, 12)
    yield "%d datagrams of %d bytes" % (count, n)
    with socket.socket(socket.AF_INET6 if t.family == 6 else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(Limit.seconds)
        s.setsockopt(17, 103, n)  # SOL_UDP, UDP_SEGMENT
        s.connect((address_of(t), t.base + r.choice((T.UDP, T.UDP_ANY))))
        first = r.randrange(1 << 31)
        data = [struct.pack("!II", first + i, 100) + T.body(n - 8, i) for i in range(count)]
        s.send(b"".join(data))
        missing = {first + i: zlib.crc32(d) for i, d in enumerate(data)}
        while missing:
            ident, crc = struct.unpack_from("!II", s.recv(65536))
            if missing.pop(ident, None) != crc:
                raise Wrong("another answer")


# level, option, value, and whether it is for TCP: what programs set on their sockets
OPTIONS = [(1, 9, 1, 1), (6, 4, 30, 1), (6, 5, 10, 1), (6, 6, 3, 1), (6, 18, 10000, 1), (6, 12, 1, 1), (6, 25, 16384, 1),
           (6, 7, 4, 1), (6, 8, 10, 1), (6, 13, b"reno", 1), (1, 13, struct.pack("ii", 1, 5), 1), (1, 18, 1, 1),
           (1, 7, 200000, 0), (1, 8, 200000, 0), (1, 2, 1, 0), (1, 15, 1, 0), (1, 12, 4, 0), (1, 29, 1, 0),
           (1, 20, struct.pack("ll", 30, 0), 0), (1, 21, struct.pack("ll", 30, 0), 0), (1, 46, 0, 0)]
OPTIONS4 = [(0, 1, 0x10, 0), (0, 2, 64, 0), (0, 8, 1, 0), (0, 10, 2, 0), (0, 11, 1, 0), (0, 12, 1, 0), (0, 13, 1, 0), (0, 24, 1, 0)]
OPTIONS6 = [(41, 26, 0, 0), (41, 67, 0x10, 0), (41, 16, 64, 0), (41, 49, 1, 0), (41, 51, 1, 0), (41, 66, 1, 0), (41, 23, 2, 0),
            (41, 25, 1, 0)]


def options(r, t):
    """What programs set on their sockets may be set, and what they send then arrives."""
    tcp = r.random() < 0.6
    s = stream_socket(t) if tcp else socket.socket(socket.AF_INET6 if t.family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        for level, option, value, only in r.sample(OPTIONS + (OPTIONS4 if t.family == 4 else OPTIONS6), 6):
            if tcp or not only:
                yield "%s, level %d, option %d" % ("tcp" if tcp else "udp", level, option)
                s.setsockopt(level, option, value)
        s.settimeout(Limit.seconds)
        s.connect((address_of(t), t.base + (T.HTTP if tcp else T.UDP)))
        if tcp:
            k, (n, off, path) = Talk(s, t), down(r, 3000)
            s.sendall(k.head("GET", path))
            k.expect_body(n, off)
        else:
            exchange(s, struct.pack("!II", 7, 500) + T.body(100, 7), None, 7, 500, t.place)


def exchange(s, data, to, ident, want, place):
    for attempt in range(3):
        s.settimeout(Limit.seconds if attempt == 2 else Limit.seconds / 5)
        s.send(data) if to is None else s.sendto(data, to)
        try:
            while True:
                got = s.recv(65536)
                if struct.unpack_from("!I", got)[0] == ident:
                    break
        except TimeoutError:
            NOTES["sent again " + place] += 1
            if attempt == 2:
                raise
            continue
        if got != struct.pack("!II", ident, zlib.crc32(data)) + T.body(want - 8, ident % T.BIG):
            raise Wrong("another answer: %d bytes, not %d" % (len(got), want))
        return


def lookup(r, t):
    """Names, asked anew."""
    yield "getaddrinfo"
    for name, want in ((T.NAME, {T.topo.ALLOWED4, T.topo.ALLOWED6}), (T.PIN46, {"127.0.0.1", "::1"})):
        got = {a[4][0] for a in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}
        if got != want:
            raise Wrong("%s is %s" % (name, got))


# kind -> (function, weight, also for clients from outside the fence)
KINDS = {"get": (get, 140, 1), "post": (post, 140, 1), "httpclient": (httpclient, 80, 1), "urllib": (urllib_get, 10, 0),
         "expect100": (expect100, 40, 1), "keepalive": (keepalive, 50, 1), "pipeline": (pipeline, 50, 1),
         "big": (big, 0.5, 1), "parallel": (parallel, 8, 1), "tls-cut": (tls.tls_cut, 60, 1), "tls-resume": (tls.tls_resume, 30, 1),
         "hello": (tls.hello, 50, 1), "raw": (raw, 60, 1), "banner": (banner, 40, 1), "half-close": (half_close, 40, 1),
         "idle": (idle, 2, 1), "open-close": (open_and_close, 20, 1), "reuse": (reuse, 60, 1), "udp": (udp, 120, 1),
         "udp-batch": (udp_batch, 20, 1), "options": (options, 30, 1),
         "slow-link": (tls.slow_link, 5, 1),
         "lookup": (lookup, 20, 0)}
