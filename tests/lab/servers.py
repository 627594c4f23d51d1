# SPDX-License-Identifier: GPL-2.0-or-later
"""The far end: the recorder of everything that arrives, and the servers of "the internet".

All of it runs in threads of the test process whose sockets were made inside the namespaces, so a test
scripts a DNS answer by assigning a function and reads what arrived from memory.
"""
import base64
import http.server
import itertools
import json
import os
import selectors
import socket
import ssl
import struct
import subprocess
import threading
import time

import topo
import wire

TLS_PORTS = (443, 8443)
HTTP_PORTS = (80, 8080)
BANNER_PORT = 2525	# speaks first
PG_PORT = 5432
SINK_TCP = (22, 25, 853, 1234, 5353, 9000, 9001)
SINK_UDP = (443, 853, 1234, 5353, 5355, 9000, 9999)
CERT_NAMES = ["api.allowed.test", "*.allowed.test", "*.cdn.test", "*.b.cdn.test", "*.private.cdn.test", "cdn.test", "shared.test", "evil.test",
              "*.evil.test", "*.reb.test", "*.far.test", "other.test", "pypi.test", "npm.test", "git.test"]


def forms(token):
    """The ways in which a token may have been written on its way."""
    t = token.encode() if isinstance(token, str) else token
    yield t.lower(), True
    yield t.hex().encode(), True
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + t)[4 if shift else 0:-4], False
        yield base64.urlsafe_b64encode(b"\0" * shift + t)[4 if shift else 0:-4], False


class Recorder:
    """Every frame that arrives at r0 and i0, by flow, and every stream the servers read."""

    def __init__(self, net):
        self.net, self.flows, self.segments, self.lock = net, {}, {}, threading.Lock()
        self.cond = threading.Condition(self.lock)
        self.barriers = set()
        self.stop = False
        self.threads = []
        for ns, dev in ((net.router, "r0"), (net.net, "i0")):
            s = topo.in_ns(net.path(ns), lambda dev=dev: self._open(dev))
            t = threading.Thread(target=self._read, args=(s, dev), daemon=True)
            t.start()
            self.threads.append(t)
        self.probe = net.socket(net.agent, socket.AF_INET, socket.SOCK_DGRAM)

    @staticmethod
    def _open(dev):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        s.bind((dev, 3))
        s.settimeout(0.5)
        return s

    def _read(self, s, dev):
        while not self.stop:
            try:
                frame, addr = s.recvfrom(70000)
            except socket.timeout:
                continue
            except OSError:
                return
            if addr[2] != 4:  # PACKET_OUTGOING
                self._add(dev, frame)

    def _add(self, dev, frame):
        ip = wire.parse_ip(frame[14:]) if frame[12:14] in (b"\x08\0", b"\x86\xdd") else None
        with self.lock:
            if not ip:
                key = (dev, frame[12:14])
                self.flows.setdefault(key, bytearray()).extend(frame[14:] + b"\0")
                return
            src, dst, proto, data, frag, head = ip
            if frag:
                self.flows.setdefault((dev, src, dst, proto, "frag"), bytearray()).extend(data)
            sport, dport, payload = (0, 0, data) if frag else wire.l4_payload(proto, data)
            if proto == 17 and payload.startswith(b"BARRIER"):
                self.barriers.add((dev, bytes(payload)))
                self.cond.notify_all()
                return
            key = (dev, src, dst, proto, sport, dport)
            self.flows.setdefault(key, bytearray()).extend(payload)
            if proto == 6 and payload and not frag and len(self.segments.setdefault(key, [])) < 5000:
                self.segments[key].append((struct.unpack_from("!I", data, 4)[0], bytes(payload)))
            # what hides outside the payload: options, headers
            self.flows.setdefault((dev, "whole"), bytearray()).extend(frame[14:] + b"\0\0")

    def stream(self, label, data):
        with self.lock:
            self.flows.setdefault(("server", label), bytearray()).extend(data)

    _numbers = itertools.count()

    def barrier(self, timeout=5):
        """Returns when all that left the agent's namespace before the call has been recorded."""
        mark = b"BARRIER%d" % next(self._numbers)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.probe.sendto(mark, (topo.EVIL4, 9999))
            with self.cond:
                if self.cond.wait_for(lambda: {("r0", mark), ("i0", mark)} <= self.barriers, 0.5):
                    return
        raise AssertionError("traffic from outside the fence did not pass")

    def saw(self, token):
        """Where the token arrived: a flow's name, or None. Waits for what is under way."""
        self.barrier()
        wanted = list(forms(token))
        with self.lock:
            blobs = sorted(self.flows.items(), key=lambda i: i[0][-1] == "whole")
            blobs += [(k + ("in order",), b"".join(p for _, p in sorted(v))) for k, v in
                      self.segments.items()]
        for key, blob in blobs:
            blob = bytes(blob)
            low = blob.lower()
            if any(form in (low if fold else blob) for form, fold in wanted):
                return key
        return None

    def close(self):
        self.stop = True
        for t in self.threads:
            t.join(2)
        self.probe.close()


class Zone:
    """What the DNS server says. names: lower-case name -> records, or a function(Query) -> replies."""

    def __init__(self):
        self.names = {}
        self.queries = []  # (lower-case name, type, raw message, transport)
        self.dead = False  # True: no answer to anything

    def set(self, name, *addresses, ttl=60, cname=None):
        rrs = [(name, wire.CNAME, ttl, wire.dns_name(cname))] if cname else []
        for a in addresses:
            t, data = wire.rdata(a)
            rrs.append((cname or name, t, ttl, data))
        self.names[name.lower()] = rrs

    def script(self, name, fn):
        self.names[name.lower()] = fn

    def records(self, name, qtype):
        entry = self.names.get(name)
        if entry is None:
            for suffix in (name.split(".", i)[-1] for i in range(1, name.count(".") + 1)):
                entry = self.names.get("*." + suffix)
                if entry is not None:
                    break
        if entry is None or callable(entry):
            return entry
        return [(name if r[0].startswith("*.") else r[0],) + r[1:] for r in entry
                if r[1] in (qtype, wire.CNAME)]

    def answer(self, raw, transport, server, reply):
        try:
            p = wire.dns_parse(raw)
            name, qtype, _ = p["question"]
        except (ValueError, struct.error, IndexError, TypeError):
            self.queries.append((None, 0, raw, transport))
            return
        name = name.lower()
        self.queries.append((name, qtype, raw, transport))
        if self.dead:
            return
        found = self.records(name, qtype)
        if callable(found):
            out = found(Query(name, qtype, raw, transport, server, reply))
            for m in ([] if out is None else [out] if isinstance(out, bytes) else out):
                reply(m)
        elif found is None:
            reply(wire.dns_answer(raw, [], rcode=3))
        else:
            reply(wire.dns_answer(raw, found))

    def asked(self, text):
        return [q for q in self.queries if text.lower().encode() in q[2].lower()]


class Query:
    def __init__(self, name, qtype, raw, transport, server, reply):
        self.name, self.qtype, self.raw, self.transport = name, qtype, raw, transport
        self.server, self.reply = server, reply

    def a(self, *addresses, owner=None, ttl=60, **kw):
        rrs = [(owner or self.name, t, ttl, d) for t, d in map(wire.rdata, addresses) if t == self.qtype]
        return wire.dns_answer(self.raw, rrs, **kw)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one segment
    timeout = 20

    def log_message(self, *args):
        pass

    def reply(self, code, body, ctype="text/plain"):
        self.send_response(code)
        self.send_header("Content-Type", ctype)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def any(self):
        far = self.server
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else b""
        far.requests.append((self.command, self.path, self.headers.get_all("Host"), body))
        far.recorder.stream("http", (self.requestline + str(self.headers)).encode() + body)
        path = self.path.split("?")[0]
        if "://" in path:
            path = "/" + path.split("/", 3)[-1]
        file = os.path.normpath(os.path.join(far.docroot, path.strip("/")))
        if os.path.isdir(file) and os.path.exists(file + "/index.html"):
            file += "/index.html"
        if far.docroot and file.startswith(far.docroot) and os.path.isfile(file):
            ctype = "text/html" if file.endswith(".html") else (
                "application/json" if file.endswith(".json") else "application/octet-stream")
            self.reply(200, open(file, "rb").read(), ctype)
        elif path in ("/", "/hello"):
            self.reply(200, b"hello from the far end\n")
        else:
            self.reply(404, b"no such thing\n")
    do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = any


class FarEnd:
    """Everything that listens in "the internet"."""

    def __init__(self, net, recorder, pki, docroot):
        self.net, self.recorder, self.docroot = net, recorder, docroot
        self.zone, self.requests, self.accepted = Zone(), [], []
        self.sel, self.stop, self.socks = selectors.DefaultSelector(), False, []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(pki.cert, pki.key)
        self.tls.sni_callback = lambda sock, name, ctx: self._sni(name)
        self.snis = []
        topo.in_ns(net.path(net.net), self._listen)

    def _sni(self, name):
        self.snis.append(name)
        self.recorder.stream("sni", (name or "").encode() + b"\n")

    def _listen(self):
        for port in TLS_PORTS:
            self._tcp(port, self._serve_tls)
        for port in HTTP_PORTS:
            self._tcp(port, self._serve_http)
        self._tcp(53, self._serve_dns_tcp)
        self._tcp(BANNER_PORT, self._serve_banner)
        self._tcp(PG_PORT, self._serve_pg)
        for port in SINK_TCP:
            self._tcp(port, self._serve_sink)
        self._udp(53, self._dns_udp)
        for port in SINK_UDP:
            self._udp(port, self._udp_sink)
        threading.Thread(target=self._loop, daemon=True).start()

    def _tcp(self, port, serve):
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_TCP, 23, 64)  # TCP_FASTOPEN
        s.bind(("::", port))
        s.listen(512)
        self._watch(s, lambda: self._accept(s, port, serve))

    def _accept(self, s, port, serve):
        try:
            c, peer = s.accept()
        except OSError:
            return
        self.accepted.append((port, peer[0]))

        def body():
            try:
                c.settimeout(20)
                serve(c, port)
            except OSError:
                if os.environ.get('AFWT_DEBUG'):
                    import traceback
                    traceback.print_exc()
            finally:
                c.close()
        threading.Thread(target=body, daemon=True).start()

    def _udp(self, port, take):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.bind(("::", port))

        def ready():
            data, anc, _, peer = s.recvmsg(65535, 256)
            info = [a for a in anc if a[:2] == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)]
            here = socket.inet_ntop(socket.AF_INET6, info[0][2][:16]) if info else "::"

            def reply(m, source=None):
                anc = []
                if info:
                    raw = socket.inet_pton(socket.AF_INET6, source) if source else info[0][2][:16]
                    anc = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, raw + b"\0\0\0\0")]
                try:
                    s.sendmsg([m], anc, 0, peer)
                except OSError:
                    pass
            take(data, port, here, reply)
        self._watch(s, ready)

    def _watch(self, s, ready):
        self.socks.append(s)
        self.sel.register(s, selectors.EVENT_READ, ready)

    def _loop(self):
        while not self.stop:
            for key, _ in self.sel.select(0.5):
                try:
                    key.data()
                except OSError:
                    pass

    # -- the services

    def _dns_udp(self, data, port, here, reply):
        self.recorder.stream("dns-udp", data)
        self.zone.answer(data, "udp", here.replace("::ffff:", ""), reply)

    def _udp_sink(self, data, port, here, reply):
        self.recorder.stream("udp-%d" % port, data)
        if not data.startswith(b"BARRIER"):
            reply(b"ack")

    def _read_exactly(self, c, n):
        out = b""
        while len(out) < n:
            more = c.recv(n - len(out))
            self.recorder.stream("dns-tcp", more)
            if not more:
                raise OSError("end")
            out += more
        return out

    def _serve_dns_tcp(self, c, port):
        while True:
            n, = struct.unpack("!H", self._read_exactly(c, 2))
            self.zone.answer(self._read_exactly(c, n), "tcp", c.getsockname()[0].replace("::ffff:", ""),
                             lambda m: c.sendall(struct.pack("!H", len(m)) + m))

    def _sink_rest(self, c, port, first=b""):
        label = "tcp-%d-%d" % (port, id(c))
        while True:
            data = first or c.recv(65536)
            first = b""
            if not data:
                return
            self.recorder.stream(label, data)
            c.sendall(b"ack %d\n" % len(data))

    def _serve_sink(self, c, port):
        self._sink_rest(c, port)

    def _serve_banner(self, c, port):
        c.sendall(b"220 the far end speaks first\r\n")
        self._sink_rest(c, port)

    def _serve_pg(self, c, port):
        """The start of the PostgreSQL protocol: SSLRequest -> 'N', StartupMessage -> ready, one query."""
        def message():
            head = c.recv(4, socket.MSG_WAITALL)
            if len(head) < 4:
                raise OSError("end")
            body = c.recv(struct.unpack("!I", head)[0] - 4, socket.MSG_WAITALL)
            self.recorder.stream("pg", body)
            return body
        body = message()
        while struct.unpack("!I", body[:4])[0] in (80877103, 80877104):
            c.sendall(b"N")
            body = message()

        def out(kind, data):
            return kind + struct.pack("!I", 4 + len(data)) + data
        ready = out(b"Z", b"I")
        c.sendall(out(b"R", b"\0\0\0\0") + out(b"S", b"server_version\x0015.0\0") +
                  out(b"S", b"client_encoding\0UTF8\0") + ready)
        while True:
            kind = c.recv(1)
            if not kind or kind == b"X":
                return
            message()
            if kind == b"Q":
                row = b"\0\1" + struct.pack("!I", 5) + b"hello"
                desc = b"\0\1" + b"greeting\0" + struct.pack("!IHIHiH", 0, 0, 25, 0xffff, -1, 0)
                c.sendall(out(b"T", desc) + out(b"D", row) + out(b"C", b"SELECT 1\0") + ready)

    def _serve_http(self, c, port):
        Handler(c, c.getpeername(), self)

    def _serve_tls(self, c, port):
        # What cannot be TLS is a sink as any other: the recorder must see it arrive.
        first = c.recv(1, socket.MSG_PEEK)
        if first and first != b"\x16":
            return self._sink_rest(c, port)
        with self.tls.wrap_socket(c, server_side=True) as t:
            Handler(t, t.getpeername(), self)

    def close(self):
        self.stop = True
        for s in self.socks:
            s.close()


class Pki:
    """A test CA, a certificate for all the names, and one file that trusts both it and nothing else."""

    def __init__(self, directory):
        self.dir = directory
        self.ca, self.cert, self.key = (os.path.join(directory, n) for n in ("ca.pem", "cert.pem", "key.pem"))
        self.java = os.path.join(directory, "trust.p12")
        ca_key, csr, ext = (os.path.join(directory, n) for n in ("ca.key", "csr.pem", "ext"))
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        topo.run("openssl", "req", "-x509", *ec, "-keyout", ca_key, "-out", self.ca, "-days", "30",
                 "-subj", "/CN=agentfw test CA", "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        topo.run("openssl", "req", *ec, "-keyout", self.key, "-out", csr, "-subj", "/CN=far.end.test")
        names = ["DNS:" + n for n in CERT_NAMES]
        names += ["IP:" + a for a in topo.NET4 + topo.NET6]
        with open(ext, "w") as f:
            f.write("subjectAltName=%s\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"
                    % ",".join(names))
        topo.run("openssl", "x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial",
                 "-out", self.cert, "-days", "20", "-extfile", ext)
        os.chmod(self.ca, 0o644)

    def make_java(self):
        if not os.path.exists(self.java):
            tmp = "%s.%d" % (self.java, os.getpid())
            topo.run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", self.ca, "-keystore",
                     tmp, "-storetype", "PKCS12", "-storepass", "changeit")
            os.chmod(tmp, 0o644)
            os.rename(tmp, self.java)
        return self.java


def make_docroot(root):
    """A git repository (dumb http), a Python index and an npm registry, each with one tiny thing."""
    import hashlib
    import io
    import tarfile
    import zipfile
    work = root + ".work"
    os.makedirs(work)
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@t.test",
               GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@t.test", HOME=root)
    with open(work + "/README", "w") as f:
        f.write("cloned through the fence\n")
    for cmd in (["init", "-q", work], ["-C", work, "add", "README"],
                ["-C", work, "commit", "-q", "-m", "first"],
                ["clone", "-q", "--bare", work, root + "/repo.git"],
                ["-C", root + "/repo.git", "update-server-info"]):
        subprocess.run(["git"] + cmd, check=True, env=env, capture_output=True)

    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("tinypkg.py", "WORDS = 'installed through the fence'\n")
        z.writestr("tinypkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.0\n")
        z.writestr("tinypkg-1.0.dist-info/WHEEL",
                   "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("tinypkg-1.0.dist-info/RECORD", "tinypkg.py,,\n")
    name = "tinypkg-1.0-py3-none-any.whl"
    os.makedirs(root + "/simple/tinypkg")
    with open(root + "/simple/tinypkg/" + name, "wb") as f:
        f.write(wheel.getvalue())
    with open(root + "/simple/tinypkg/index.html", "w") as f:
        f.write("<!DOCTYPE html><html><body><a href=\"%s#sha256=%s\">%s</a></body></html>"
                % (name, hashlib.sha256(wheel.getvalue()).hexdigest(), name))

    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as t:
        for path, text in (("package/package.json", json.dumps({"name": "tinynpm", "version": "1.0.0"})),
                           ("package/index.js", "module.exports = 'installed through the fence';\n")):
            info = tarfile.TarInfo(path)
            info.size = len(text)
            t.addfile(info, io.BytesIO(text.encode()))
    digest = base64.b64encode(hashlib.sha512(tar.getvalue()).digest()).decode()
    os.makedirs(root + "/npmfiles")
    with open(root + "/npmfiles/tinynpm-1.0.0.tgz", "wb") as f:
        f.write(tar.getvalue())
    os.makedirs(root + "/npm/tinynpm")
    doc = {"name": "tinynpm", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
        "name": "tinynpm", "version": "1.0.0", "dist": {
            "tarball": "https://npm.test/npmfiles/tinynpm-1.0.0.tgz", "integrity": "sha512-" + digest,
            "shasum": hashlib.sha1(tar.getvalue()).hexdigest()}}}}
    with open(root + "/npm/tinynpm/index.html", "w") as f:  # served as it is; npm does not mind the type
        f.write(json.dumps(doc))
