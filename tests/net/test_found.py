# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways out that attackers found, and what the host's own rules broke, each as small as it can be and still fails without
its mending. Immunity rows 33, 37 and 42."""
import contextlib
import json
import os
import socket
import threading
import time

import lab as L
import topo
from attempts import family
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy("https://" + NAME, "http://" + NAME)
BOTH = (topo.ALLOWED4, topo.ALLOWED6)
LOOPBACK = ("127.0.0.1", "::1")
RACE = os.path.join(L.BUILD, "tests/lab/race_own")
SO_REUSEADDR, SO_REUSEPORT = 2, 15


@contextlib.contextmanager
def outsider(lab, to, port, kind=socket.SOCK_DGRAM, option=SO_REUSEADDR, ns=None, serve=None, back=b"yes"):
    """Somebody else's service on the agent's machine: yields what it got. serve(connection, got) for TCP."""
    s = lab.net.socket(ns or lab.net.agent, family(to), kind)
    s.setsockopt(socket.SOL_SOCKET, option, 1)
    s.settimeout(0.1)
    s.bind((to, port))
    got, over = [], threading.Event()

    def one(c):
        c.settimeout(2)
        with c, contextlib.suppress(OSError):
            if serve:
                serve(c, got)
            else:
                got.append(c.recv(2000))

    def loop():
        while not over.is_set():
            try:
                if kind == socket.SOCK_DGRAM:
                    data, peer = s.recvfrom(2000)
                    got.append(data)
                    if back:
                        s.sendto(back, peer)
                else:
                    threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
            except OSError:
                pass
    if kind == socket.SOCK_STREAM:
        s.listen(1000)
    t = threading.Thread(target=loop, daemon=True)
    t.start()
    try:
        yield got
    finally:
        over.set()
        t.join()
        s.close()


def reaches(lab, to, port, source, kind=socket.SOCK_DGRAM, say=b"from outside"):
    """Somebody in no fence, from one port to another: None, or what is wrong."""
    with lab.net.socket(lab.net.agent, family(to), kind) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.settimeout(0.7)
        try:
            s.bind((to, source))
            s.connect((to, port))
            s.send(say)
            if kind == socket.SOCK_DGRAM:
                s.recv(100)
        except OSError as e:
            return type(e).__name__
    return None


def targets(ports):
    """Both families at each port: (for the attack, tokens)."""
    toks = [[to, port, L.token()] for port in ports for to in BOTH]
    return json.dumps(toks), [t for _, _, t in toks]


def nothing_arrived(lab, toks, r):
    for t in toks:
        lab.absent(t, r.tell())
    hosts = [q for q in lab.far.requests if q[2] and "evil.test" in q[2]]
    check(not hosts and "evil.test" not in lab.far.snis, hosts[:3], lab.far.snis[:9], r.tell())


# ---- the first segment -------------------------------------------------------------------------------

def test_row33_lost_first_segment(lab):
    """A full queue loses the first segment; the second is not taken for the beginning."""
    text, toks = targets((80, 443))
    r = lab.run(POLICY, lab.attack("lost_first", name=NAME, n=20, targets=text), timeout=40)
    check(r.rc == 0, r.tell())
    nothing_arrived(lab, toks, r)


def test_row33_refused_segment_again(lab):
    """A refused segment is sent again by a socket that does not hear our resets, behind one that is allowed."""
    text, toks = targets((80, 443))
    routes = (("-4", topo.ALLOWED4, topo.ROUTER4), ("-6", topo.ALLOWED6, topo.ROUTER6))
    for v, to, via in routes:  # TCP waits for longer than the attack takes on a busy machine
        topo.run("ip", v, "-n", lab.net.agent, "route", "add", to, "via", via, "rto_min", "1500ms")
    try:
        r = lab.in_cgroup(POLICY, lab.attack("refused_again", name=NAME, targets=text), timeout=40)
        check(r.rc == 0, r.tell())
        nothing_arrived(lab, toks, r)
    finally:
        for v, to, _ in routes:
            topo.run("ip", v, "-n", lab.net.agent, "route", "del", to)


def sends_for_ever(c, got):
    """Answers, and goes on while more requests come."""
    got.append(c.recv(2000))

    def out():
        with contextlib.suppress(OSError):
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n")
            for _ in range(1000):
                c.sendall(b"x" * 4000)
                time.sleep(0.0005)  # so slowly that it lasts
    t = threading.Thread(target=out, daemon=True)
    t.start()
    with contextlib.suppress(OSError):
        got.append(c.recv(2000))
    t.join()


@contextlib.contextmanager
def local_service(lab, serve):
    """A named service of this machine: (policy, what it got)."""
    lab.zone.set("svc.test", *LOOPBACK)
    with outsider(lab, "127.0.0.1", 8080, socket.SOCK_STREAM, serve=serve) as four:
        with outsider(lab, "::1", 8080, socket.SOCK_STREAM, serve=serve) as six:
            yield L.policy(("http://svc.test:8080", LOOPBACK)), (four, six)


def test_row33_local_service_reset_ignored(lab):
    """Our reset of a refused request is not what makes the connection a verified one."""
    def serve(c, got):
        got.append(c.recv(2000))
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with local_service(lab, serve) as (pol, got):
        for play in (lab.run, lab.in_cgroup):
            tok = L.token()
            r = play(pol, lab.attack("deaf_to_resets", name="svc.test", to=json.dumps(LOOPBACK), port=8080, token=tok))
            check(r.rc == 0, r.tell())
            check(tok not in str(got), "LEAK", got, r.tell())
            r.event(text="svc.test:8080")


def test_row33_local_service_under_way(lab):
    """Nor is what the server sends meanwhile."""
    with local_service(lab, sends_for_ever) as (pol, got):
        tok = L.token()
        r = lab.run(pol, lab.attack("behind_a_stream", name="svc.test", to=json.dumps(LOOPBACK), port=8080, token=tok))
        check(r.rc == 0 and min(r.json()["read"]) > 0, r.tell())
        check(all(g and b"/big" in g[0] for g in got), got)
        check(tok not in str(got), "LEAK", got, r.tell())
        r.event(text="svc.test:8080")


# ---- others on this machine --------------------------------------------------------------------------

def test_row37_broadcast_of_loopback(lab):
    """A datagram of which the sender and somebody else get a copy is not the sender's own."""
    for wall in (True, False):
        with outsider(lab, "0.0.0.0", 5353, back=None) as got:
            tok = L.token()
            cmd = lab.attack("all_of_loopback", to="127.255.255.255", port=5353, token=tok)
            r = lab.run(POLICY, cmd) if wall else lab.in_cgroup(POLICY, cmd)
            check(r.rc == 0 and not got, "LEAK", got, r.tell())
            r.event(text="127.255.255.255")


def test_row37_flood_of_refused_datagrams(lab):
    """Each of many, while the one before it is being refused in the same entry."""
    for to in LOOPBACK:
        tok = L.token()
        with outsider(lab, to, 8125) as got:
            r = lab.run(POLICY, lab.attack("refused_flood", to=to, port=8125, token=tok, seconds=2))
            L.comes(lambda: got, 0.1)
        check(r.json()["sent"] > 100 and not got, "LEAK: %d of" % len(got), to, r.tell())


def test_row37_ports_of_others(lab):
    """What a fence sent in vain to a service of this machine does not keep others from it who have that port next,
    nor is what they send told as the fence's."""
    with contextlib.ExitStack() as stack:
        for to in LOOPBACK:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                stack.enter_context(outsider(lab, to, 8125, kind))
        h = lab.start(POLICY, lab.attack("use_up", to=json.dumps(LOOPBACK), port=8125, first=40000, n=8))
        wrong = {(to, kind.name, port): reaches(lab, to, 8125, port, kind) for to in LOOPBACK
                 for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM) for port in range(40000, 40008)}
        h.stop()
    r = h.record()
    check(not any(wrong.values()), {k: v for k, v in wrong.items() if v})
    check(not any(b"from outside" in p for p in r.packets()), "somebody else's datagram in the record")
    check(all(r.events(text=to) for to in LOOPBACK), "the fence's own are told", r.events())


def no_way_in(lab, pol, attack, word, kind):
    """A listener of the fence's that no ingress names hears nobody who has the port of what it heard before."""
    for to in LOOPBACK:
        h = lab.start(pol, lab.attack(attack, to=to, port=6000, **{"from": 41000}))
        h.expect(word)
        for port in (41000, 41001):
            reaches(lab, to, 6000, port, kind, say=b"from %d" % port)
        with contextlib.suppress(AssertionError):
            h.expect("GOT from", 0.1)
        h.stop()
        check("GOT from" not in h.text, "got in:", to, h.text.split("\n"), pol)


def test_row37_no_ingress_by_ports(lab):
    no_way_in(lab, POLICY, "hears_own", "GOT own", socket.SOCK_DGRAM)
    no_way_in(lab, POLICY, "hears_own_tcp", "CLOSED", socket.SOCK_STREAM)


def test_row37_no_ingress_by_ports_of_a_rule(lab):
    """Nor where a rule allows the fence's own way to it."""
    no_way_in(lab, L.policy("tcp://127.0.0.1:6000", "tcp://[::1]:6000"), "hears_own_tcp", "CLOSED", socket.SOCK_STREAM)
    no_way_in(lab, L.policy("udp://127.0.0.1:6000", "udp://[::1]:6000"), "hears_own", "GOT own", socket.SOCK_DGRAM)


def test_row37_ingress_of_another_fence(lab):
    """Nor does one fence keep the peers of another one's ingress away."""
    for to in LOOPBACK:
        where = "[::1]" if ":" in to else to
        pol = POLICY + 'ingress: [{to: "udp://%s:6100", from: ["%s"]}]\n' % (where, to)
        inside = lab.start(pol, lab.attack("hears_own", to=to, port=6100))
        check(not reaches(lab, to, 6100, 42000), "the ingress does not work")
        other = lab.start(POLICY, lab.attack("use_up", to=json.dumps([to]), port=6100, first=42100, n=4))
        wrong = [reaches(lab, to, 6100, port) for port in range(42100, 42104)]
        other.stop()
        inside.stop()
        check(not any(wrong), to, wrong)


def race(lab, kind, to, at, tcp, option=SO_REUSEADDR, user="nobody", seconds=2):
    """What the outsider got of the racing fence's, and what that one said."""
    tok = L.token()
    pol = L.policy("http://" + NAME, user=user)
    cmd = [RACE, kind, to, "7777", tok, str(seconds)]
    with contextlib.ExitStack() as stack:
        first = kind != "client"  # there, the fence has the port before the service starts
        args = (lab, at, 7777, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM, option)
        got = stack.enter_context(outsider(*args)) if first else None
        h = lab.start(pol, cmd, wait=None)
        if not first:
            h.expect("READY")
            got = stack.enter_context(outsider(*args))
            h.send("go")
        r = h.result(seconds + 10)
        L.comes(lambda: any(tok.encode() in g for g in got), 0.1)
        check(not any(tok.encode() in g for g in got), "LEAK: %d of %d" % (
            sum(tok.encode() in g for g in got), len(got)), kind, to, r.tell())
    return r


def need_race():
    L.need(os.access(RACE, os.X_OK), "no " + RACE)


def test_row37_race_for_datagrams(lab):
    """A UDP port of somebody else's cannot be shared: who asks is told yes, and then cannot have the port."""
    need_race()
    for to, at in (("127.0.0.1", "0.0.0.0"), ("::1", "::")):
        r = race(lab, "connected", to, at, tcp=False)
        check("bind: Address already in use" in r.out, r.tell())
        race(lab, "bound", to, at, tcp=False)


def test_row37_race_for_connections(lab):
    """The listener that gets the SYN is not the one that was looked at, in both families."""
    need_race()
    for to, at in (("127.0.0.1", "0.0.0.0"), ("::1", "::")):
        r = race(lab, "listener", to, at, tcp=True, option=SO_REUSEPORT, user="root")
        check("DONE" in r.out, r.tell())


DEFERRED = """
import socket, threading, time
for to in ("127.0.0.1", "::1"):
    s = socket.create_server((to, 0), family=socket.AF_INET6 if ":" in to else socket.AF_INET)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)

    def serve():
        c = s.accept()[0]
        c.sendall(c.recv(100))
    threading.Thread(target=serve, daemon=True).start()
    start = time.monotonic()
    c = socket.create_connection(s.getsockname()[:2], timeout=10)
    c.sendall(b"hello")
    print(c.recv(100).decode(), int((time.monotonic() - start) * 1000))
"""


def test_own_listener_that_defers(lab):
    """A payload that meets a socket whose handshake is not over is neither refused nor lost: TCP sends it again."""
    for wall in (True, False):
        r = lab.run(L.policy(), [L.PYTHON, "-c", DEFERRED], timeout=40, wall=wall)
        lines = [l.split() for l in r.out.splitlines()]
        check([l[0] for l in lines] == ["hello"] * 2 and not r.events(), r.tell(), r.events())
        check(not wall or max(int(l[1]) for l in lines) < 500, lines)


def test_row37_race_by_client_sockets(lab):
    """A socket that connects has the port of the service that starts later, and gives up in time."""
    need_race()
    for to in LOOPBACK:
        r = race(lab, "client", to, to, tcp=True)
        check("DONE" in r.out, r.tell())


COOKIES = """
import os, select, signal, socket, sys, time
to, port, token, first, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
family = socket.AF_INET6 if ":" in to else socket.AF_INET


def turned(q):
    # an entry for port -> q stays: a listener that is full drops the beginning of a connection
    full = socket.socket(family, socket.SOCK_STREAM)
    full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    full.bind((to, q))
    full.listen(0)
    filler = socket.create_connection((to, q))
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((to, port))
    s.setblocking(False)
    s.connect_ex((to, q))
    time.sleep(0.003)
    for x in (s, full, filler):
        x.close()


for q in range(first, first + count):
    turned(q)
own = socket.create_server((to, port), family=family, backlog=100)
own.setblocking(False)


def client(wait, source=0):
    s = socket.socket(family, socket.SOCK_STREAM)
    if source:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((to, source))
    s.setblocking(False)
    s.connect_ex((to, port))
    return s if select.select([], [s], [], wait)[1] and not s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) else None


fill = [client(0.2) for _ in range(20)]
togglers = []
for _ in range(2):
    pid = os.fork()
    if not pid:
        while True:
            own.listen(60)
            own.listen(3)
    togglers.append(pid)
sources = range(first, first + count) if count else [0] * 250
clients = [c for c in (client(0.005, q) for q in sources) if c]
for pid in togglers:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
taken, has = [], set()
try:
    while True:
        c, peer = own.accept()
        taken.append(c)
        has.add(peer[1])
except BlockingIOError:
    pass
own.close()
without = [c for c in clients if c.getsockname()[1] not in has]
print("READY", flush=True)
sys.stdin.readline()
for c in without:
    try:
        c.send(token.encode())
    except OSError:
        pass
time.sleep(0.5)  # the outsider reads meanwhile
print("WITHOUT", len(without))
"""


def test_row37_syn_cookies(lab):
    """A listener that takes the end of a handshake and drops it is no proof who gets what follows. Nor are packets that
    are replies only because the entry was made by one that went the other way."""
    def net(value):
        def write():
            with open("/proc/sys/net/ipv4/tcp_syncookies", "w") as f:
                f.write(value)
        topo.in_ns(lab.net.path(lab.net.agent), write)
    net("2")
    try:
        for to, first in zip(LOOPBACK * 4, [0] * 4 + [26000, 26200, 26400, 26600]):
            tok = L.token()
            h = lab.start(L.policy(), [L.PYTHON, "-c", COOKIES, to, "7001", tok, str(first), "150" if first else "0"])
            with outsider(lab, to, 7001, socket.SOCK_STREAM) as got:
                c = lab.net.socket(lab.net.agent, family(to), socket.SOCK_STREAM)
                c.connect((to, 7001))
                c.send(b"an ordinary client")
                c.recv(10)
                c.close()
                h.send("go")
                r = h.result()
            check(got == [b"an ordinary client"], "LEAK", got, r.tell())
    finally:
        net("1")


def test_row37_udp_ports_are_ones_own(lab):
    """SO_REUSEADDR and SO_REUSEPORT say that they are set, and a program that has the port for itself gets it."""
    code = ("import socket,sys\nfor to in ('127.0.0.1', '::1'):\n for o in (2, 15):\n"
            "  s=socket.socket(socket.AF_INET6 if ':' in to else socket.AF_INET, socket.SOCK_DGRAM)\n"
            "  s.setsockopt(1, o, 1)\n  s.bind((to, 7001))\n  t=socket.socket(s.family, socket.SOCK_DGRAM)\n"
            "  t.setsockopt(1, o, 1)\n  try: t.bind((to, 7001)); print('SHARED', to, o)\n"
            "  except OSError as e: print(e.errno)\n"
            "  t.sendto(b'x', (to, 7001)); s.settimeout(2); s.recv(10); s.close(); t.close()\nprint('DONE')\n")
    r = lab.run(POLICY, [L.PYTHON, "-c", code])
    check(r.rc == 0 and r.out.split() == ["98"] * 4 + ["DONE"], r.tell())


# ---- the host's own rules ----------------------------------------------------------------------------

HOST = """table inet host {
  chain o { type route hook output priority mangle; %s
  }
  chain p { type filter hook postrouting priority %s; %s
  }
}"""
SAVE = "ct mark set meta mark;"
RECIPES = {
    "several providers": ("meta mark set ct mark; meta mark 0 meta mark set 2;", "mangle", SAVE),
    "a mark, saved at once": ("meta mark set 5; " + SAVE, "mangle", ""),
    "a mark, saved later": ("meta mark set 5;", "mangle", SAVE),
    "a mark, set last": ("", "500", "meta mark set 0x77; ct mark set 0x77;"),
}


# Where a packet comes in, it gets its connection's mark: wg-quick's rule, and that of several providers.
RESTORED = ("", "meta l4proto udp meta mark set ct mark", "meta mark set ct mark")


RESTORE = """table inet host {
  chain p { type filter hook %s priority mangle; %s
  }
}"""


@contextlib.contextmanager
def host_rules(lab, text):
    r = lab.bare(["nft", "-f", "-"], stdin=text)
    check(r.rc == 0, r.tell())
    try:
        yield
    finally:
        lab.bare(["nft", "delete", "table", "inet", "host"])


LISTENS = """
import socket, sys, threading
got = []
def tcp(s):
    while True:
        c, _ = s.accept()
        got.append(c.recv(100))
        c.close()
def udp(s):
    while True:
        got.append(s.recv(100))
for family, to in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    for kind, serve in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
        s = socket.socket(family, kind)
        s.bind((to, 7001))
        if serve == tcp:
            s.listen(50)
        threading.Thread(target=serve, args=(s,), daemon=True).start()
print("READY", flush=True)
sys.stdin.readline()
print("GOT", len(got))
"""
SENDS = """
import socket
for family, to in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for _ in range(10):
            s = socket.socket(family, kind)
            s.settimeout(0.5)
            try:
                s.connect((to, 7001))
                s.send(b"payload")
            except OSError:
                pass
            s.close()
"""


def test_row42_restored_marks_between_fences(lab):
    """One fence may send there by its rules, the other lets nobody in: whatever marks the host's rules restore."""
    rules = [p + to + ":7001" for p in ("tcp://", "udp://") for to in ("127.0.0.1", "[::1]")]
    for hook in ("prerouting", "input"):
        for rule in RESTORED:
            with host_rules(lab, RESTORE % (hook, rule)):
                server = lab.start(L.policy("api.allowed.test"), [L.PYTHON, "-c", LISTENS])
                r = lab.run(L.policy(*rules), [L.PYTHON, "-c", SENDS])
                server.send("end")
                s = server.result()
                check(r.rc == 0 and "GOT 0" in s.out and s.events(code="inbound"), hook, rule, r.tell(), s.tell())


def curls(*commands):
    """Each with its exit status, in one fence."""
    return ["/bin/sh", "-c", "".join("curl -sS -m 4 -o /dev/null %s; echo status $?; " % c for c in commands)]


def test_row42_recipes_of_the_host(lab):
    """Rules for several providers, policy routing, VPNs: what is allowed works, what is not is refused."""
    good = ["%s %s://%s/hello" % (v, scheme, NAME) for v in ("-4", "-6") for scheme in ("http", "https")]
    for name in RECIPES:
        tok = L.token()
        evil = ["-H 'Host: evil.test' http://%s/%s" % (NAME, tok),
                "--resolve evil.test:443:%s https://evil.test/%s" % (topo.ALLOWED4, tok),
                "http://evil.test/" + tok, "http://%s/%s" % (topo.EVIL4, tok), "http://[%s]/%s" % (topo.EVIL6, tok)]
        with host_rules(lab, HOST % RECIPES[name]):
            r = lab.run(POLICY, curls(*good, *evil), timeout=40)
        status = [int(l.split()[1]) for l in r.out.splitlines() if l.startswith("status")]
        check(status[:4] == [0] * 4, name, status, r.tell())
        check(len(status) == 9 and all(status[4:]), name, status, r.tell())
        lab.absent(tok, name)
        check("evil.test" not in lab.far.snis, name, lab.far.snis)


def test_row42_download_under_marks(lab):
    """30 MB: the bare acknowledgements pass, too."""
    path = os.path.join(lab.far.docroot, "found30")
    with open(path, "wb") as f:
        f.truncate(30 << 20)
    try:
        for name in RECIPES:
            with host_rules(lab, HOST % RECIPES[name]):
                for v in ("-4", "-6"):
                    r = lab.run(POLICY, ["curl", "-sS", v, "-m", "8", "-o", "/dev/null", "-w", "%{size_download}",
                                         "http://%s/found30" % NAME])
                    check(r.rc == 0 and r.out == str(30 << 20), name, v, r.tell())
    finally:
        os.unlink(path)


def test_row42_port_again_under_marks(lab):
    """The host's rules overwrite what we know of a connection, and its port is used again: another name is refused."""
    for name in list(RECIPES)[1:3]:
        text, toks = targets((443,))
        with host_rules(lab, HOST % RECIPES[name]):
            r = lab.run(POLICY, lab.attack("same_port_again", name=NAME, targets=text), timeout=40)
        check(r.rc == 0, r.tell())
        check(NAME in lab.far.snis, name, "not even what is allowed arrived", r.tell())
        nothing_arrived(lab, toks, r)


def test_row42_late_answer(lab):
    """conntrack has forgotten the connection when the server speaks."""
    def serve(c, got):
        c.recv(100)
        time.sleep(3.2)  # until the connection is forgotten
        c.sendall(b"late")
    key = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established"

    def expire(value):
        check(lab.bare(["/bin/sh", "-c", "echo %d > %s" % (value, key)]).rc == 0, "no " + key)
    with contextlib.ExitStack() as stack:
        for to in BOTH:
            stack.enter_context(outsider(lab, to, 7001, socket.SOCK_STREAM, ns=lab.net.net, serve=serve))
        expire(1)
        stack.callback(expire, 432000)
        pol = L.policy("tcp://%s:7001" % topo.ALLOWED4, "tcp://[%s]:7001" % topo.ALLOWED6)
        r = lab.run(pol, lab.attack("late_answers", to=json.dumps(BOTH), port=7001))
        check(r.json()["answers"] == ["late"] * 2 and not r.events(), r.tell(), r.events())
