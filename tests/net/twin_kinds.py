"""What a well-behaved client may do: one function a kind. All that is random comes from the request's own
random.Random; each raises Wrong, or OSError, when something was refused, lost, late or not what was sent."""
import contextlib
import http.client
import random
import socket
import ssl
import struct
import time
import urllib.request
import zlib

import twin_common as T
from twin_server import Reader

CTX = {}  # set up by setup(): the process's TLS contexts
LIMIT = 5  # seconds without a byte: a stall
NOTES = {"sent again": 0}


class Wrong(Exception):
    pass


def setup(config):
    global LIMIT
    LIMIT = config["limit"]
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


def stream_socket(t):
    s = socket.socket(socket.AF_INET6 if t.family == 6 else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(LIMIT)
    return s


def connect(t, port, nodelay=True):
    to = address_of(t)
    s = stream_socket(t)
    try:
        s.connect((to, t.base + port))
        if nodelay:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        s.close()
        raise
    return s


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
            time.sleep(r.random() * 0.02)
        s.sendall(piece)


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


def web(r, t):
    """A connection on which HTTP is spoken, and how: plain or in TLS, by a rule for a name or for whatever."""
    how = r.choice(("http", "http", "any", "tls", "tls-any"))
    nodelay = r.random() < 0.7
    s = connect(t, {"http": T.HTTP, "any": T.HTTP_ANY, "tls": T.TLS, "tls-any": T.TLS_ANY}[how], nodelay)
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

    def head(self, method, path, *more):
        return "\r\n".join(("%s %s HTTP/1.1" % (method, path), "Host: " + self.host) + more + ("", "")).encode()

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
    return b"".join(b"%x\r\n%b\r\n" % (len(data[i:i + step]), data[i:i + step])
                    for i in range(0, len(data), step)) + b"0\r\n\r\n"


def get(r, t, most=1 << 18):
    how, s = web(r, t)
    with contextlib.closing(s):
        k = Talk(s, t)
        n, off, path = down(r, most)
        pad = ["X-Pad: " + "p" * size(r, 3000)] if r.random() < 0.3 else []
        request = k.head("GET", path, *pad)
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
        style = r.choice(("together", "apart", "apart", "pieces", "apart late"))
        yield "%s, %d bytes, %s, head and body %s" % (how, n, length.split(":")[0], style)
        if style == "together":
            s.sendall(head + data)
        elif style == "pieces":
            send_in(r, s, head + data, r.randrange(2, 9))
        else:
            s.sendall(head)
            time.sleep(r.random() * 0.05 if "late" in style else 0)
            s.sendall(data)
        k.expect_report(n, off)


def httpclient(r, t):
    """Python's own client: it writes head and body in two."""
    how = r.choice(("http", "http", "any", "tls"))
    port = t.base + {"http": T.HTTP, "any": T.HTTP_ANY, "tls": T.TLS}[how]
    to = t.name or t.address
    c = (http.client.HTTPSConnection(to, port, timeout=LIMIT, context=CTX["1.3"]) if how == "tls" else
         http.client.HTTPConnection(to, port, timeout=LIMIT))
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
    with urllib.request.urlopen(url, timeout=LIMIT, context=CTX["1.3"]) as f:
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


# ---- TLS -----------------------------------------------------------------------------------------

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
            time.sleep(pause)
            n, off, path = down(r, 1 << 15)
            s.sendall(k.head("GET", path))
            k.expect_body(n, off)


def open_and_close(r, t):
    """Connected, and not a byte."""
    port = r.choice((T.HTTP, T.TLS, T.RAW))
    yield "port %d" % (t.base + port)
    for _ in range(r.randrange(1, 10)):
        connect(t, port).close()


def reuse(r, t):
    """One local port, again at once: the client ends with a reset, or the server closes first."""
    port = r.choice((T.HTTP, T.HTTP_ANY, T.RAW))
    to, local = address_of(t), 0
    for i in range(r.randrange(2, 8)):
        reset = r.random() < 0.6
        with stream_socket(t) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("::" if t.family == 6 else "0.0.0.0", local))
            yield "connection %d from port %d, then %s" % (i, local, "RST" if reset else "the server closes")
            s.connect((to, t.base + port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            local = s.getsockname()[1]
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


def udp(r, t):
    """Questions and answers of all sizes; what is lost (a full buffer) is sent again, and counted."""
    over = t.place.startswith("wire") or t.place in ("in-net",)
    most = (1472 if t.family == 4 else 1452) if over else (65507 if t.family == 4 else 65487)
    to = (address_of(t), t.base + T.UDP)
    with socket.socket(socket.AF_INET6 if t.family == 6 else socket.AF_INET, socket.SOCK_DGRAM) as s:
        connected = r.random() < 0.5
        if connected:
            s.connect(to)
        for i in range(r.randrange(1, 8)):
            n = r.choice((most, most - r.randrange(60), size(r, most), size(r, most)))
            n, want = max(8, n), max(8, size(r, most))
            yield "datagram %d of %d bytes, answer of %d, %sconnected" % (i, n, want, "" if connected else "not ")
            ident = r.randrange(1 << 32)
            data = struct.pack("!II", ident, want) + T.body(n - 8, ident % T.BIG)
            exchange(s, data, None if connected else to, ident, want)


def exchange(s, data, to, ident, want):
    for attempt in range(3):
        s.settimeout(LIMIT if attempt == 2 else LIMIT / 5)
        s.send(data) if to is None else s.sendto(data, to)
        try:
            while True:
                got = s.recv(65536)
                if struct.unpack_from("!I", got)[0] == ident:
                    break
        except TimeoutError:
            NOTES["sent again"] += 1
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
         "big": (big, 0.5, 1), "parallel": (parallel, 8, 1), "tls-cut": (tls_cut, 60, 1), "tls-resume": (tls_resume, 30, 1),
         "hello": (hello, 50, 1), "raw": (raw, 60, 1), "banner": (banner, 40, 1), "half-close": (half_close, 40, 1),
         "idle": (idle, 2, 1), "open-close": (open_and_close, 20, 1), "reuse": (reuse, 60, 1), "udp": (udp, 120, 1),
         "slow-link": (slow_link, 5, 1),
         "lookup": (lookup, 20, 0)}
