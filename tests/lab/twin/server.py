# SPDX-License-Identifier: GPL-2.0-or-later
"""The twin's server: HTTP, TLS, a raw protocol and UDP at one base port. It says what it was sent.

    server.py CONFIG BASE ADDRESS...   UDP answers from each ADDRESS; TCP listens everywhere
"""
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
import threading
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from twin import common as T  # noqa: E402

PIECE = 1 << 18


class Reader:
    def __init__(self, c):
        self.c, self.buf = c, b""

    def more(self):
        data = self.c.recv(PIECE)
        if not data:
            raise EOFError("end of the stream")
        return data

    def until(self, mark):
        while mark not in self.buf:
            self.buf += self.more()
        head, self.buf = self.buf.split(mark, 1)
        return head

    def pieces(self, n):
        """n bytes, as they come."""
        while n > 0:
            data, self.buf = self.buf or self.more(), b""
            if len(data) > n:
                data, self.buf = data[:n], data[n:]
            n -= len(data)
            yield data

    def exactly(self, n):
        return b"".join(self.pieces(n))

    def chunks(self):
        while True:
            n = int(self.until(b"\r\n").split(b";")[0], 16)
            yield from self.pieces(n)
            if n == 0:
                while self.until(b"\r\n"):  # trailers
                    pass
                return
            self.exactly(2)


def respond(c, status, pieces, length, close):
    """length None: chunked."""
    head = "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\n" % status
    head += "Connection: close\r\n" if close else ""
    head += "Transfer-Encoding: chunked\r\n\r\n" if length is None else "Content-Length: %d\r\n\r\n" % length
    out = head.encode()
    for piece in pieces:
        out += bytes(piece) if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece)
        if len(out) > PIECE:
            c.sendall(out)
            out = b""
    c.sendall(out + (b"0\r\n\r\n" if length is None else b""))


def pieces_of(n, off, mode):
    if mode != "c":
        return T.pattern(n, off)
    size = 1 + off % 9973
    data = T.body(n, off)
    return (data[i:i + size] for i in range(0, n, size))


def answer(c, docroot, path, got, close):
    d = re.fullmatch(r"/d/(\d+)/(\d+)/([lc])", path)
    if d:
        n, off = int(d[1]), int(d[2])
        respond(c, "200 OK", pieces_of(n, off, d[3]), None if d[3] == "c" else n, close)
    elif path == "/u":
        out = b"%d %d\n" % got
        respond(c, "200 OK", [out], len(out), close)
    else:
        file = os.path.normpath(docroot + path.split("?")[0])
        there = file.startswith(docroot + "/") and os.path.isfile(file)
        data = open(file, "rb").read() if there else b""
        respond(c, "200 OK" if there else "404 Not Found", [data], len(data), close)


def serve_http(c, docroot):
    r = Reader(c)
    while True:
        lines = r.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, path, version = lines[0].split(" ")
        head = {k.lower(): v.strip() for k, v in (l.split(":", 1) for l in lines[1:])}
        if head.get("expect", "").lower() == "100-continue":
            c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        total = crc = 0
        for piece in (r.chunks() if "chunked" in head.get("transfer-encoding", "") else
                      r.pieces(int(head.get("content-length", 0)))):
            total += len(piece)
            crc = zlib.crc32(piece, crc)
        close = head.get("connection", "").lower() == "close" or version == "HTTP/1.0"
        answer(c, docroot, path, (total, crc), close)
        if close:
            return


def serve_raw(c):
    """echo N, send N OFF, count (all until the end of their stream), bye (we close first)."""
    r = Reader(c)
    while True:
        word, *numbers = r.until(b"\n").split()
        n = [int(x) for x in numbers]
        if word == b"echo":
            for piece in r.pieces(n[0]):
                c.sendall(piece)
        elif word == b"send":
            for piece in T.pattern(n[0], n[1]):
                c.sendall(piece)
        elif word == b"bye":
            c.sendall(b"bye\n")
            return
        elif word == b"count":
            total = crc = 0
            try:
                while True:
                    piece, r.buf = r.buf or r.more(), b""
                    total += len(piece)
                    crc = zlib.crc32(piece, crc)
            except EOFError:
                c.sendall(b"%d %d\n" % (total, crc))
                return


class Server:
    def __init__(self, config, base, addresses):
        self.docroot = config["docroot"]
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(config["cert"], config["key"])
        for port, serve in ((T.HTTP, self.http), (T.HTTP_ANY, self.http), (T.TLS, self.https), (T.TLS_ANY, self.https),
                            (T.RAW, serve_raw), (T.BANNER, self.banner)):
            self.listen(base + port, serve)
        self.udp = []
        for a in addresses:
            s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF if os.geteuid() else 33, 8 << 20)  # SO_RCVBUFFORCE
            s.bind((a, base + T.UDP))
            self.udp.append(s)
        threading.Thread(target=self.datagrams, daemon=True).start()
        threading.Thread(target=self.datagrams_any, args=(base + T.UDP_ANY,), daemon=True).start()

    def listen(self, port, serve):
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", port))
        s.listen(1024)
        threading.Thread(target=self.accept, args=(s, serve), daemon=True).start()

    def accept(self, s, serve):
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                continue
            threading.Thread(target=self.one, args=(c, serve), daemon=True).start()

    @staticmethod
    def one(c, serve):
        try:
            c.settimeout(60)
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(c)
        except (OSError, EOFError, ValueError):
            pass  # the client sees it
        finally:
            c.close()

    def http(self, c):
        serve_http(c, self.docroot)

    def https(self, c):
        with self.tls.wrap_socket(c, server_side=True) as t:
            serve_http(t, self.docroot)
            t.unwrap()  # only after Connection: close

    @staticmethod
    def banner(c):
        c.sendall(b"220 the server speaks first\r\n")
        serve_raw(c)

    @staticmethod
    def datagrams_any(port):
        """One socket for every address: it answers from where it was asked, as the message says."""
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF if os.geteuid() else 33, 8 << 20)
        s.bind(("::", port))
        while True:
            try:
                data, info, _, peer = s.recvmsg(65536, 256)
                ident, want = struct.unpack_from("!II", data)
                s.sendmsg([struct.pack("!II", ident, zlib.crc32(data)) + T.body(want - 8, ident % T.BIG)],
                          [i for i in info if i[1] == socket.IPV6_PKTINFO], 0, peer)
            except (OSError, struct.error):
                pass

    def datagrams(self):
        """id, size of the answer, anything -> id, checksum of what came, the answer."""
        while True:
            for s in select.select(self.udp, [], [])[0]:
                try:
                    data, peer = s.recvfrom(65536)
                    ident, want = struct.unpack_from("!II", data)
                    s.sendto(struct.pack("!II", ident, zlib.crc32(data)) + T.body(want - 8, ident % T.BIG), peer)
                except (OSError, struct.error):
                    pass


if __name__ == "__main__":
    topo = T.topo
    topo.die_with_parent()
    with open(sys.argv[1]) as f:
        Server(json.load(f), int(sys.argv[2]), sys.argv[3:])
    print("READY", flush=True)
    threading.Event().wait()
