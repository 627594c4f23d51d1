# SPDX-License-Identifier: GPL-2.0-or-later
"""A datagram's source is an address and port that its sender alone has, and an entry of conntrack says nothing about who
is at its ends by now. Services and clients of this machine that are in no fence get nothing, and lose nothing."""
import contextlib
import signal
import socket
import time

import lab as L
import topo
from lab import check
from test_found import outsider
from test_marks import HOST, RECIPES, host_rules

N = 10
UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM
WAITS = "import sys; print('READY', flush=True); sys.stdin.readline()"

# Inside the fence. bound(): a socket at another address of this machine; send(): as from src, by a control message.
FORGES = """
import re, socket, struct, sys, time
N = %d
def bound(port, v6=False):
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    if v6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("%s" if v6 else "127.0.0.2", port))
    return s
def send(s, data, src, to):
    if ":" in src:
        anc = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, socket.inet_pton(socket.AF_INET6, src) + bytes(4))]
    else:
        anc = [(socket.IPPROTO_IP, 8, bytes(4) + socket.inet_aton(src) + bytes(4))]
    try: s.sendmsg([data], anc, 0, to)
    except OSError as e: print(e)
def resolvers(v6, but=()):
    me = "00000000000000000000000001000000" if v6 else "0100007F"
    found = re.findall(r" %%s:([0-9A-F]{4}) " %% me, open("/proc/net/udp6" if v6 else "/proc/net/udp").read())
    return [("::1" if v6 else "127.0.0.1", int(q, 16)) for q in found if int(q, 16) >= 1024 and int(q, 16) not in but]
def question(i): return struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + b"\\x08SECRET-%%d\\x04evil\\x04test\\0\\0\\1\\0\\1" %% i
""" % (N, topo.AGENT6)


def arrived(r, got):
    """got: what each victim has received."""
    bad = {v: sum(b"SECRET" in d for d in datagrams) for v, datagrams in got.items()}
    check(r.rc == 0 and not any(bad.values()), "arrived, of %d each:" % N, bad, r.tell())


def victims(lab, stack, *where):
    return {w: stack.enter_context(outsider(lab, *w, back=None)) for w in where}


# ---- the reply direction of an entry ------------------------------------------------------------

BOTH_WAYS = FORGES + """
for v in sys.argv[2:]:
    a, p = v.rsplit("/", 1)
    p, v6 = int(p), ":" in a
    ends = resolvers(v6, (p,)) if sys.argv[1] == "resolver" else [("127.0.0.1", int(sys.argv[1]))]
    for e in ends:
        s1, s2 = bound(p, v6), bound(e[1], v6)
        for i in range(N):
            send(s1, b"\\0\\0", a, e)
            send(s2, b"SECRET-%d" % i, e[0], (a, p))
            time.sleep(0.005)
        s1.close(); s2.close()
"""


def test_no_pass_by_the_resolver(lab):
    """Every fence may ask its resolver: as from a service, and then as from the resolver to that service."""
    for wall in (True, False):
        with contextlib.ExitStack() as stack:
            got = victims(lab, stack, ("127.0.0.1", 4000), (topo.AGENT4, 4001), ("::1", 4002))
            r = lab.run(L.policy(), [L.PYTHON, "-c", BOTH_WAYS, "resolver"] + ["%s/%d" % v for v in got], wall=wall)
            arrived(r, got)
            check(r.events(code="socket-address" if wall else "no-rule"), r.tell())


def test_no_pass_by_a_service(lab):
    """The rules name one service of this machine: the others get nothing."""
    for wall in (True, False):
        with contextlib.ExitStack() as stack:
            got = victims(lab, stack, ("127.0.0.1", 4000), (topo.AGENT4, 4001))
            victims(lab, stack, ("127.0.0.1", 8125))
            arrived(lab.run(L.policy("udp://127.0.0.1:8125"), [L.PYTHON, "-c", BOTH_WAYS, "8125"] + ["%s/%d" % v for v in got],
                            wall=wall), got)


LISTENS = """
import socket, sys, threading
got = []
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 4000))
def hear():
    while True: got.append(s.recv(100))
threading.Thread(target=hear, daemon=True).start()
print("READY", flush=True)
sys.stdin.readline()
print("GOT", len(got))
"""


def test_no_pass_to_another_fence(lab):
    """It lets nobody in."""
    for wall in (True, False):
        server = lab.start(L.policy("https://api.allowed.test"), [L.PYTHON, "-c", LISTENS], wall=wall)
        r = lab.run(L.policy(), [L.PYTHON, "-c", BOTH_WAYS, "resolver", "127.0.0.1/4000"], wall=wall)
        server.send("end")
        s = server.result()
        check(r.rc == 0 and "GOT 0" in s.out, r.tell(), s.tell())


SPEAKS = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.2", 4001))
print("READY", flush=True)
sys.stdin.readline()
for i in range(10):
    try: s.sendto(b"SECRET-%d" % i, ("127.0.0.1", 4000))
    except OSError as e: print(e)
    time.sleep(0.005)
print("SPOKEN", flush=True)
sys.stdin.readline()
"""


def test_answers_to_who_had_the_port(lab):
    """Somebody else had the fence's port before, and asked another fence: what that says now is a question to this one. A
    service that the fence itself asks may answer."""
    other = lab.start(L.policy("udp://127.0.0.1:4000"), [L.PYTHON, "-c", SPEAKS])
    with lab.net.socket(lab.net.agent, socket.AF_INET, UDP) as before:
        before.bind(("127.0.0.1", 4000))
        before.sendto(b"hello", ("127.0.0.2", 4001))
    server = lab.start(L.policy("udp://127.0.0.1:8125"), [L.PYTHON, "-c", LISTENS + """
s.sendto(b"ask", ("127.0.0.1", 8125))
print("ASKED", flush=True)
sys.stdin.readline()
print("GOT", got)
"""])
    other.send("speak")
    other.expect("SPOKEN")
    with outsider(lab, "127.0.0.1", 8125, back=b"answer"):
        server.send("ask")
        server.expect("ASKED")
        time.sleep(0.3)
    server.send("end")
    other.send("end")
    s = server.result()
    check(s.rc == 0 and "GOT [b'answer']" in s.out and s.events(code="inbound"), s.tell(), s.events())


HANDS = """
import socket, sys, time
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b.bind(("127.0.0.1", 8125))
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(("127.0.0.1", 4000))
first, second = (a, b) if sys.argv[1] == "reply" else (b, a)
first.sendto(b"begin", second.getsockname())
a.close()
print("READY", flush=True)
sys.stdin.readline()
for i in range(10):
    try: b.sendto(b"SECRET-%d" % i, ("127.0.0.1", 4000))
    except OSError as e: print(e)
    time.sleep(0.005)
"""


def test_port_that_changes_hands(lab):
    """Nothing is forged: the port was the fence's, and is a service's now."""
    for wall in (True, False):
        for way in ("reply", "original"):
            p = lab.start(L.policy("udp://127.0.0.1:8125"), [L.PYTHON, "-c", HANDS, way], wall=wall)
            with outsider(lab, "0.0.0.0", 4000, back=None) as got:
                p.send("go")
                arrived(p.result(), {way: got})


# ---- a source that is another's -----------------------------------------------------------------

DISCONNECTS = """
import ctypes, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
v6 = sys.argv[1] == "6"
family, wide, first, here = ((socket.AF_INET6, "::", "2001:db8:1::2", "::1") if v6 else
                             (socket.AF_INET, "0.0.0.0", "198.51.100.2", "127.0.0.1"))
s1 = socket.socket(family, socket.SOCK_DGRAM)
if v6: s1.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s1.bind((wide, 4000)); s1.connect((first, 9))
print("READY", flush=True)
sys.stdin.readline()
assert libc.connect(s1.fileno(), struct.pack("H26x", 0), 28) == 0
assert s1.getsockname()[:2] == (wide, 4000), s1.getsockname()
s2 = socket.socket(family, socket.SOCK_DGRAM); s2.bind((here, 8125))
def tries(fn, *args):
    try: fn(*args)
    except OSError as e: print(e.errno)
for i in range(10):
    if sys.argv[2] == "sends": tries(s1.sendto, b"begin", (here, 8125))
    else: tries(s1.connect, (here, 8125)); tries(s1.send, b"begin")
    tries(s2.sendto, b"SECRET-%d" % i, (here, 4000))
    time.sleep(0.005)
"""


def test_disconnected(lab):
    """A service took a port while the fence's socket with that port was narrowed to another address by connect(2)."""
    for here, family in (("127.0.0.1", "4"), ("::1", "6")):
        for how in ("sends", "connects"):
            p = lab.start(L.policy("udp://%s:8125" % (here if family == "4" else "[::1]")),
                          [L.PYTHON, "-c", DISCONNECTS, family, how])
            with outsider(lab, here, 4000, back=None) as got:
                p.send("go")
                r = p.result()
                arrived(r, {here: got})
                check(r.events(code="socket-address"), r.tell())


REFLECTS = FORGES + """
for i in range(N):
    for e in resolvers(False, (4000,)): send(bound(4000), question(i), "127.0.0.1", e)
"""


def test_resolver_answers_its_fence_only(lab):
    with outsider(lab, "127.0.0.1", 4000, back=None) as got:
        r = lab.run(L.policy(), [L.PYTHON, "-c", REFLECTS])
        time.sleep(0.2)
        arrived(r, {"the port that the question was as from": got})


ASKS = FORGES + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 4000))
print("READY", flush=True)
sys.stdin.readline()
s.sendto(question(0), resolvers(False, (4000,))[0]); s.sendto(question(1), ("203.0.113.53", 53))
s.close()
print("ASKED", flush=True)
sys.stdin.readline()
"""


def test_resolver_answers_nobody_later(lab):
    """The engine is slow, and the port is somebody else's by the time it answers."""
    for wall in (True, False):
        p = lab.start(L.policy(), [L.PYTHON, "-c", ASKS], wall=wall)
        engine = lab.daemons(engine=True)[0]
        L.kill(engine, signal.SIGSTOP)
        try:
            p.send("ask")
            p.expect("ASKED")
            with outsider(lab, "0.0.0.0", 4000, back=None) as got:
                L.kill(engine, signal.SIGCONT)
                time.sleep(0.5)  # both answers have come by then, were they sent there
        finally:
            L.kill(engine, signal.SIGCONT)
        p.send("end")
        arrived(p.result(), {"whose the port is now": got})


NAMES_NONE = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.9.9.9", 4000))
t = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); t.bind(("::ffff:127.9.9.8", 4000))
for i in range(10):
    for c, to, level, name, size in ((s, "203.0.113.20", 0, 8, 12), (t, "::ffff:203.0.113.20", 0, 8, 12),
                                     (t, "::ffff:203.0.113.20", 41, 50, 20)):
        try: c.sendmsg([b"SECRET-%d" % i], [(level, name, bytes(size))], 0, (to, 9))
        except OSError as e: print(e.errno)
"""


def test_no_error_for_others(lab):
    """A message that names no source would have the route choose: an address whose port is a service's. It would
    get the errors about what is refused, which bear the beginning of the datagram."""
    with lab.net.socket(lab.net.agent, socket.AF_INET, UDP) as s:
        s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        s.bind((topo.AGENT4, 4000))
        s.setblocking(False)
        r = lab.run(L.policy(), [L.PYTHON, "-c", NAMES_NONE])
        try:
            check(False, "it got an error about", s.recvmsg(500, 500, socket.MSG_ERRQUEUE)[0])
        except BlockingIOError:
            pass
        check(r.rc == 0, r.tell())


CLIENT = FORGES + """
s = bound(int(sys.argv[2]))
for i in range(N): send(s, question(i), sys.argv[1], (sys.argv[3], int(sys.argv[4])))
"""


def test_clients_of_others(lab):
    """They wait for an answer of a remote server: they get none of the fence's resolver, and no error of ours."""
    for port in (53, 9999):
        with lab.net.socket(lab.net.agent, socket.AF_INET, UDP) as client:
            client.connect((topo.EVIL4, port))
            client.settimeout(0.3)
            a, own = client.getsockname()
            r = lab.run(L.policy(), [L.PYTHON, "-c", CLIENT, a, str(own), topo.EVIL4, str(port)])
            check(r.rc == 0 and r.events(code="socket-address"), r.tell())
            try:
                check(False, "it got", client.recv(500))
            except socket.timeout:
                pass


BLAMES = FORGES + """
ends = resolvers(False)
for other in ends:
    for mine in ends:
        if other == mine: continue
        s1, s2 = bound(other[1]), bound(mine[1])
        for i in range(N):
            send(s1, b"\\0\\0", "127.0.0.1", mine)
            send(s2, question(i), "127.0.0.1", other)
        s1.close(); s2.close()
"""


def test_record_of_another_fence(lab):
    """One fence does not write into it by asking the other's resolver."""
    other = lab.start(L.policy("https://api.allowed.test"), [L.PYTHON, "-c", WAITS])
    r = lab.run(L.policy(), [L.PYTHON, "-c", BLAMES])
    other.send("end")
    s = other.result()
    check(r.rc == 0 and r.events() and "evil.test" not in str(s.events()), r.tell(), s.tell())


# ---- a flow that was announced by another --------------------------------------------------------

SIP = """
import socket
body = "v=0\\r\\no=a 1 1 IN IP4 127.0.0.1\\r\\ns=-\\r\\nc=IN IP4 127.0.0.1\\r\\nt=0 0\\r\\nm=audio 4000 RTP/AVP 0\\r\\n"
head = ("INVITE sip:b@127.0.0.1 SIP/2.0\\r\\nVia: SIP/2.0/UDP 127.0.0.1:%d\\r\\nFrom: <sip:a@127.0.0.1>;tag=1\\r\\n"
        "To: <sip:b@127.0.0.1>\\r\\nCall-ID: %d\\r\\nCSeq: 1 INVITE\\r\\nContact: <sip:a@127.0.0.1:%d>\\r\\n"
        "Content-Type: application/sdp\\r\\nContent-Length: %d\\r\\n\\r\\n")
for i in range(10):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 6000 + i))
    s.sendto((head % (6000 + i, i, 6000 + i, len(body)) + body).encode(), ("127.0.0.1", 5060))
    t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try: t.sendto(b"SECRET-%d" % i, ("127.0.0.1", 4000))
    except OSError as e: print(e)
"""
HELPER = """table inet host {
  ct helper sip { type "sip" protocol udp; l3proto ip; }
  chain o { type filter hook output priority 0; udp dport 5060 ct helper set "sip"
  }
}"""


def test_expected_flow(lab):
    """conntrack's helper for SIP, which the host has set, gives the announced flow the mark of the one that announced it."""
    with host_rules(lab, HELPER), contextlib.ExitStack() as stack:
        got = victims(lab, stack, ("127.0.0.1", 5060), ("127.0.0.1", 4000))
        r = lab.run(L.policy("udp://127.0.0.1:5060"), [L.PYTHON, "-c", SIP])
        time.sleep(0.2)
        check(len(got["127.0.0.1", 5060]) == N, "the allowed service got", len(got["127.0.0.1", 5060]))
        arrived(r, {"announced": got["127.0.0.1", 4000]})


# ---- nobody loses anything -----------------------------------------------------------------------

SERVES = """
import ctypes, socket, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
def server(family, a, port, level, receive, name):
    s = socket.socket(family, socket.SOCK_DGRAM); s.setsockopt(level, receive, 1); s.bind((a, port))
    def go():
        while True:
            data, anc, _, peer = s.recvmsg(100, 200)
            anc = [(l, t, v) for l, t, v in anc if l == level and t == name]
            if family == socket.AF_INET: anc = [(l, t, bytes(4) + v[8:12] + bytes(4)) for l, t, v in anc]
            s.sendmsg([data], anc, 0, peer)
    threading.Thread(target=go, daemon=True).start()
server(socket.AF_INET, "0.0.0.0", 6000, 0, 8, 8)
server(socket.AF_INET, "127.0.0.3", 6001, 0, 8, 8)
server(socket.AF_INET6, "::", 6002, 41, 49, 50)
server(socket.AF_INET6, "::1", 6003, 41, 49, 50)
hears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); hears.bind(("127.0.0.1", 6004)); hears.settimeout(2)
ok = 0
for family, to in ((2, ("127.0.0.5", 6000)), (2, ("198.51.100.2", 6000)), (2, ("127.0.0.3", 6001)), (10, ("::1", 6002)),
                   (10, ("2001:db8:1::2", 6002)), (10, ("::ffff:127.0.0.7", 6002)), (10, ("::1", 6003))):
    for i in range(10):
        with socket.socket(family, socket.SOCK_DGRAM) as c:
            c.settimeout(2)
            if i % 3 == 1: c.bind(("::" if family == 10 else "0.0.0.0", 0))
            if i % 3 == 2: c.connect(to); assert libc.connect(c.fileno(), struct.pack("H26x", 0), 28) == 0
            c.connect(to); c.send(b"x"); c.recv(9); ok += 1
for i in range(10):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"x", ("127.0.0.1", 6004)); s.close()
    hears.recv(9); ok += 1
print("OK", ok)
"""


def test_servers_answer(lab):
    """At all addresses or one, naming the source that was asked; clients connect, disconnect, and close at once."""
    for policy in (L.policy(), L.policy(*["udp://%s" % e for e in ("127.0.0.5:6000", "127.0.0.3:6001", "[::1]:6002", "[::1]:6003",
                                                                  "127.0.0.1:6004")])):
        r = lab.run(policy, [L.PYTHON, "-c", SERVES])
        check(r.rc == 0 and "OK 80" in r.out and not r.events(), r.tell())


SPOKE = """
import socket, sys
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(("127.0.0.1", 8125))
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b.bind(("127.0.0.1", 4000))
a.sendto(b"hello", b.getsockname()); b.recv(100)
a.close(); b.close()
print("READY", flush=True)
sys.stdin.readline()
"""


def test_datagrams_of_others_afterwards(lab):
    """The fence spoke to itself between two ports; a service in no fence has one of them now, a client the other."""
    p = lab.start(L.policy(), [L.PYTHON, "-c", SPOKE])
    with outsider(lab, "127.0.0.1", 8125):
        for _ in range(N):
            with lab.net.socket(lab.net.agent, socket.AF_INET, UDP) as s:
                s.bind(("127.0.0.1", 4000))
                s.settimeout(2)
                s.connect(("127.0.0.1", 8125))
                s.send(b"ask")
                s.recv(100)
    p.send("end")
    r = p.result()
    check(r.rc == 0 and not r.events(), r.tell())


FULL = """
import socket, sys, time
n, kept = 10, []
def connects(port, own=0):
    c = socket.socket(); c.setsockopt(1, 2, 1); c.setblocking(False); kept.append(c)
    if own: c.bind(("127.0.0.1", own))
    try: c.connect(("127.0.0.1", port))
    except OSError: pass
for i in range(n):
    l = socket.socket(); l.setsockopt(1, 2, 1); l.bind(("127.0.0.1", 5000 + i)); l.listen(0); kept.append(l)
    connects(5000 + i); connects(5000 + i)
time.sleep(0.2)
for i in range(n): connects(5000 + i, 4000)
time.sleep(0.2)
for s in kept: s.close()
print("READY", flush=True)
sys.stdin.readline()
"""


def test_connections_of_others_afterwards(lab):
    """The fence asked its own full listeners. A client in no fence goes from such a port to a service in no fence."""
    p = lab.start(L.policy(), [L.PYTHON, "-c", FULL])
    with outsider(lab, "127.0.0.1", 4000, TCP):
        for i in range(N):
            with lab.net.socket(lab.net.agent, socket.AF_INET, TCP) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", 5000 + i))
                s.settimeout(2)
                s.connect(("127.0.0.1", 4000))
                s.send(b"ask")
    p.send("end")
    r = p.result()
    check(r.rc == 0, r.tell())


# ---- by a device that leads back ------------------------------------------------------------------

BY_LO = """
import socket, struct, sys, time
N = 10
for to in sys.argv[1:]:
    a, p = to.rsplit("/", 1)
    v6 = ":" in a
    lo = socket.if_nametoindex("lo")
    for mapped in (False, True) if not v6 else (True,):
        s = socket.socket(socket.AF_INET6 if mapped else socket.AF_INET, socket.SOCK_DGRAM)
        end = (a if v6 or not mapped else "::ffff:" + a, int(p))
        for anc in ([(socket.IPPROTO_IP, 8, struct.pack("I8x", lo))] if not v6 else []) + (
                [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, bytes(16) + struct.pack("I", lo))] if mapped else []):
            for i in range(N):
                try: s.sendmsg([b"SECRET-%d" % i], [anc], 0, end)
                except OSError as e: print(e)
                time.sleep(0.005)
"""


def test_allowed_address_by_lo(lab):
    """The kernel gives this machine's services what goes by loopback, whatever its destination is."""
    for wall in (True, False):
        with contextlib.ExitStack() as stack:
            got = victims(lab, stack, ("0.0.0.0", 9000), ("::", 9001))
            arrived(lab.run(L.policy("udp://203.0.113.30:9000", "udp://[2001:db8::30]:9001", "udp://203.0.113.30:9001"),
                            [L.PYTHON, "-c", BY_LO, "203.0.113.30/9000", "2001:db8::30/9001", "203.0.113.30/9001"],
                            wall=wall), got)


ASKS_A_SERVICE = """
import socket
ok = 0
for i in range(10):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
        c.settimeout(2); c.connect(("127.0.0.1", 8125)); c.send(b"x"); c.recv(9); ok += 1
print("OK", ok)
"""


def test_services_answer_under_marks(lab):
    """Whatever the host's rules do with marks: a service of this machine answers what the fence asked."""
    for name, parts in RECIPES.items():
        with host_rules(lab, HOST % parts), outsider(lab, "127.0.0.1", 8125):
            r = lab.run(L.policy("udp://127.0.0.1:8125"), [L.PYTHON, "-c", ASKS_A_SERVICE])
            check(r.rc == 0 and "OK 10" in r.out and not r.events(), name, r.tell())
