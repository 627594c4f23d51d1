# SPDX-License-Identifier: GPL-2.0-or-later
"""What was decided is what leaves: by the way that was judged, and in the connection that was looked at. Immunity rows 32 to
34 and 42."""
import os
import subprocess

import lab as L
import topo
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy("https://" + NAME, "http://" + NAME, "tcp://127.0.0.1:9999")
TUNNELLED = L.policy("https://other.test", "http://other.test")
FAR = "203.0.113.30"
BOTH = (topo.ALLOWED4, topo.ALLOWED6)
EVIL = (topo.EVIL4, topo.EVIL6)
GROUPS = ("224.0.0.77", "198.51.100.255", "255.255.255.255", "ff02::77", "ff05::77")


def everywhere(lab, calls, pol=POLICY):
    """In the box, as a user and as root, and in the fence's cgroup without one: nothing of it arrives."""
    lab.batch(pol, calls)
    lab.batch(pol.replace("nobody", "root"), calls)
    toks, cmd = lab.several(calls)
    r = lab.in_cgroup(pol, cmd, timeout=60)
    check(r.rc == 0, r.tell())
    for call, tok in zip(calls, toks):
        lab.absent(tok, "%s in the cgroup" % (call,))


def test_row32_datagram_that_names_lo(lab):
    everywhere(lab, [("by_lo", dict(to=to, port=port, how=how)) for how in ("message", "option")
                     for to, port in ((EVIL[0], 9999), (EVIL[1], 9999), (topo.ROUTER4, 9999), (topo.ROUTER6, 9999))])


def test_row32_groups_by_lo(lab):
    everywhere(lab, [("by_lo", dict(to=to, port=9999, how=how)) for how in ("message", "group option")
                     for to in GROUPS])


def test_row32_failing_bind(lab):
    everywhere(lab, [("failing_bind", dict(to=to, port=9000)) for to in (*EVIL, topo.ROUTER4)])


def test_row33_hidden_request(lab):
    for to in BOTH:
        r = lab.run(POLICY, lab.several([("resolve", {"name": NAME})])[1])
        calls = [("resolve", {"name": NAME}), ("hidden_request", dict(to=to, port=80, name=NAME))]
        toks, cmd = lab.several(calls)
        r = lab.run(POLICY, cmd, timeout=40)
        check(r.rc == 0, r.tell())
        lab.absent(toks[1], "a request with another Host inside of the first packets: %s" % r.said[-300:])


def test_row33_ordinary_posts(lab):
    """Head and body are two packets, a larger body many before the first answer."""
    for size in (100, 3000, 60000, 200000):
        r = lab.run(POLICY, lab.attack("post", name=NAME, port=80, size=size, n=10), timeout=60)
        check(r.json()["done"] == 10, size, r.json(), r.tell())
    p = subprocess.Popen([L.PYTHON, "-c", "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"])
    try:
        r = lab.run(POLICY, lab.attack("post", name=NAME, port=80, size=100, n=20), timeout=60)
        check(r.json()["done"] == 20, r.json(), r.tell())
    finally:
        p.kill()
        p.wait()


def flushed(lab, host, do, to=topo.ALLOWED4):
    flag = lab.file(".flag")
    tok = L.token()
    h = lab.start(POLICY, [L.PYTHON, "-c", "import socket,os,sys\nsocket.getaddrinfo(%r, 80)\n"
                           "os.execv(sys.executable, [sys.executable] + %r)" % (
                               NAME, lab.attack("after_flush", to=to, port=80, name=NAME, host=host, token=tok,
                                                file=flag)[1:])])
    do()
    open(flag, "w").close()
    return tok, h.result()


def test_row42_flushed_entries(lab):
    """conntrack forgets: a request with another Host does not pass by that, one with the right Host does."""
    if not os.path.exists("/usr/sbin/conntrack"):
        raise L.Skip("no program 'conntrack'")

    def flush():
        lab.bare(["/usr/sbin/conntrack", "-F"])
    for to in BOTH:
        tok, r = flushed(lab, "evil.test", flush, to)
        lab.absent(tok, r.tell())
        tok, r = flushed(lab, NAME, flush, to)
        lab.arrives(tok, r.tell())
        check(r.json()["back"], "the connection goes on", r.tell())


HOST_RULES = """table inet %s {
  chain o { type filter hook output priority %s; %s
  }
  chain p { type filter hook postrouting priority mangle; %s
  }
  chain q { type filter hook prerouting priority mangle; %s
  }
}"""


def host_rules(lab, text):
    r = lab.bare(["nft", "-f", "-"], stdin=text)
    check(r.rc == 0, r.tell())



def test_row42_marks_of_the_host(lab):
    """Rules that copy the whole of one mark to the other: names are looked at all the same, and what is allowed works."""
    save, load = "ct mark set mark;", "meta mark set ct mark;"
    for i, rules in enumerate([("mangle", "", save, load), ("filter", load, "", ""), ("mangle", load, save, load),
                               ("mangle", save, save, save)]):
        host_rules(lab, HOST_RULES % (("host%d" % i,) + rules))
        try:
            for to in BOTH:
                tok, r = flushed(lab, "evil.test", lambda: None, to)
                lab.absent(tok, rules)
                tok, r = flushed(lab, NAME, lambda: None, to)
                lab.arrives(tok, "%s %s" % (rules, r.tell()))
            r = lab.run(POLICY, ["curl", "-sS", "-m", "5", "https://%s/hello" % NAME])
            check(r.rc == 0, rules, r.tell())
            r = lab.run(POLICY, ["curl", "-sS", "-m", "5", "https://evil.test/"])
            check(r.rc == 6, rules, r.tell())
        finally:
            lab.bare(["nft", "delete", "table", "inet", "host%d" % i])


def test_row34_tunnel(lab):
    """A VPN of the kernel's: what is allowed goes by it, its outer packets are nobody's; who sends to the same port
    by himself is refused."""
    for n, remote, local, dev in ((lab.net.agent, topo.ROUTER4, topo.AGENT4, "a0"), (lab.net.router, topo.AGENT4, topo.ROUTER4, "r0")):
        p = subprocess.run(["ip", "-n", n, "link", "add", "vx0", "type", "vxlan", "id", "7", "remote", remote, "local", local,
                            "dstport", "4789", "dev", dev], capture_output=True, text=True)
        L.need(p.returncode == 0, "no VXLAN in this kernel: " + p.stderr)
    try:
        for n, a in ((lab.net.agent, "10.77.0.1"), (lab.net.router, "10.77.0.2")):
            topo.run("ip", "-n", n, "addr", "add", a + "/24", "dev", "vx0")
            topo.run("ip", "-n", n, "link", "set", "vx0", "up")
        for to in (topo.OTHER4,):
            topo.run("ip", "-n", lab.net.agent, "route", "add", to, "via", "10.77.0.2", "src", "10.77.0.1")
        topo.run("ip", "-n", lab.net.net, "route", "replace", "10.77.0.0/24", "via", "192.0.2.1")
        for url in ("https://other.test/hello", "http://other.test/hello"):
            r = lab.run(TUNNELLED, ["curl", "-4", "-sS", "-m", "5", url])
            check(r.rc == 0 and not r.events(), r.tell(), r.events())
        tok = L.token()
        r = lab.run(POLICY, lab.attack("udp_send", to=topo.EVIL4, port=9999, token=tok))
        lab.absent(tok)
        r.event(text=topo.EVIL4)
        tok = L.token()
        r = lab.run(POLICY, lab.attack("udp_send", to=topo.ROUTER4, port=4789, token=tok))
        lab.absent(tok)
        r.event(text=topo.ROUTER4)
    finally:
        for n in (lab.net.agent, lab.net.router):
            subprocess.run(["ip", "-n", n, "link", "del", "vx0"])


def test_row34_policy_routing(lab):
    """A user's own VPN: by uid, and by the mark of the host's rules. What is allowed keeps its route, and what is refused
    is told at once."""
    ns = lab.net.agent

    def ip(*args):
        topo.run("ip", "-n", ns, *args)
    topo.run("ip", "-n", ns, "link", "add", "b0", "type", "veth", "peer", "name", "rb0", "netns", lab.net.router)
    try:
        ip("addr", "add", "198.51.101.2/24", "dev", "b0")
        ip("link", "set", "b0", "up")
        topo.run("ip", "-n", lab.net.router, "addr", "add", "198.51.101.1/24", "dev", "rb0")
        topo.run("ip", "-n", lab.net.router, "link", "set", "rb0", "up")
        topo.run("ip", "-n", lab.net.net, "route", "replace", "198.51.101.0/24", "via", "192.0.2.1")
        ip("route", "add", "default", "via", "198.51.101.1", "table", "77")
        for rule, host in ((["uidrange", "65534-65534"], False), (["fwmark", "0x5"], True)):
            ip("rule", "add", *rule, "table", "77")
            if host:
                host_rules(lab, """table inet hostmark {
  chain o { type route hook output priority mangle; meta skuid 65534 meta mark set 0x5
  }
  chain p { type nat hook postrouting priority srcnat; meta mark 0x5 masquerade
  }
}""")
            for to in (topo.ALLOWED4, FAR):
                ip("route", "add", *([to, "via", "198.51.100.9"] if host else ["unreachable", to]))
            try:
                for url in ("https://%s/hello", "http://%s/hello"):
                    r = lab.run(POLICY, ["curl", "-4", "-sS", "-m", "5", url % NAME])
                    check(r.rc == 0, rule, r.tell())
                tok = L.token()
                r = lab.run(POLICY, lab.attack("connect", to=FAR, port=9000, token=tok))
                check(r.json()["connect"] == "ECONNREFUSED" and L.fast(r.json()["ms"]), rule, r.json())
                r.event(text=FAR)
                lab.absent(tok)
            finally:
                for to in (topo.ALLOWED4, FAR):
                    ip("route", "del", to)
                ip("rule", "del", *rule, "table", "77")
                if host:
                    lab.bare(["nft", "delete", "table", "inet", "hostmark"])
    finally:
        ip("link", "del", "b0")


def test_row42_big_tcp(lab):
    """A packet of which the kernel shows only the beginning: what lies behind is not let through unseen, and a body is
    no worse off."""
    for dev, n in (("a0", lab.net.agent),):
        p = subprocess.run(["ip", "-n", n, "link", "set", dev, "gso_ipv4_max_size", "180000", "gso_max_size", "180000"],
                           capture_output=True, text=True)
        if p.returncode:
            p = subprocess.run(["ip", "-n", n, "link", "set", dev, "gso_max_size", "180000"], capture_output=True, text=True)
    try:
        L.need(p.returncode == 0, "no BIG TCP here: " + p.stderr)
        r = lab.run(POLICY, lab.attack("post", name=NAME, port=80, size=4000000, n=5), timeout=60)
        check(r.json()["done"] == 5, r.json(), r.tell(), r.events())
    finally:
        subprocess.run(["ip", "-n", lab.net.agent, "link", "set", "a0", "gso_max_size", "65536"])


def test_row35_many_sockets_on_one_port(lab):
    """Who has fifteen thousand sockets on one port does not hold up another fence."""
    flood = ("import socket,resource,time\n"
             "resource.setrlimit(resource.RLIMIT_NOFILE, (16000, 16000))\nl=[]\n"
             "for i in range(15000):\n"
             " s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
             " s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
             " s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)\n s.bind(('127.0.0.1', 7800)); l.append(s)\n"
             "print('READY', flush=True)\nend=time.monotonic()+12\n"
             "while time.monotonic()<end:\n"
             " for i in range(200):\n"
             "  s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 7800)); s.close()\n")
    h = lab.start(L.policy("https://" + NAME), wall=False, cmd=["/bin/sh", "-c", "ulimit -n 16000; exec %s -c \"%s\"" % (L.PYTHON, flood)])
    # One after the other, with a pause: the measure is no flood.
    probe = ("import socket,time\nsocket.getaddrinfo('%s', 80)\nt=[]\n"
             "for i in range(60):\n"
             " a=time.monotonic(); s=socket.create_connection(('%s', 80)); s.sendall(b'GET / HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n')\n"
             " s.recv(4000); t.append((time.monotonic()-a)*1000); s.close(); time.sleep(0.02)\n"
             "t.sort(); print('{\"p50\": %%f, \"p90\": %%f, \"max\": %%f}' %% (t[30], t[54], t[-1]))") % (
                 NAME, topo.ALLOWED4, NAME)
    r = lab.run(POLICY, [L.PYTHON, "-c", probe], timeout=40, wall=False)
    h.stop()
    check(r.rc == 0, r.tell())
    if r.json()["p90"] > 10:
        raise L.Slow("connect to answer beside the flood: %s" % r.json())
