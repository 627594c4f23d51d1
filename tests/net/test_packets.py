# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets and packets: immunity rows 17, 18, 20 to 22, and what 19 has to do with the rules.

Raw sockets twice: under agentctl run the sandbox refuses them; "as far as the rules" a root process
without the sandbox is put into the fence's cgroup before it makes a socket.
"""
import json
import os
import pwd
import re
import shutil
import socket
import subprocess

import lab as L
import puppets
import topo
from agents import resolved
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy(NAME)
ROOTPOL = L.policy(NAME, user="root")
EVIL = (topo.EVIL4, topo.EVIL6)
SELF = {topo.EVIL4: topo.AGENT4, topo.EVIL6: topo.AGENT6}
IMPOSSIBLE = ("EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "ENOSYS", "EINVAL")


def inside(lab, name, tok, **kw):
    """Under agentctl run, as nobody and as root."""
    for pol in (POLICY, ROOTPOL):
        r = lab.run(pol, lab.attack(name, token=tok, **kw))
        check(r.rc == 0, name, kw, r.tell())
    return r


class Rules:
    """One fence whose cgroup several attackers join, one after the other."""

    def __init__(self, lab, pol=ROOTPOL):
        self.lab = lab
        self.h = lab.start(pol, resolved(NAME), wall=False)
        self.cg = self.h.cgroup()

    def attack(self, name, **kw):
        r = self.lab.joining(self.cg, self.lab.attack(name, **kw), timeout=60)
        check(r.rc == 0, name, kw, r.tell())
        return r.json()

    def resolver_port(self):
        return int(re.search(r"redirect to :(\d+)", self.lab.bare(["nft", "list", "ruleset"]).out)[1])

    def end(self):
        self.h.stop()
        return self.h.record()


def twice(lab, name, cases, event=True, harmless=()):
    """Each case: harmful without a fence; nothing under agentctl run; nothing by the rules alone."""
    calls = [(name, kw) for kw in cases]
    lab.batch_bare([(n, kw) for n, kw in calls if kw.get("how", kw.get("proto")) not in harmless])
    for pol in (POLICY, ROOTPOL):
        lab.batch(pol, calls)
    rules = Rules(lab)
    toks, cmd = lab.several(calls)
    r = lab.joining(rules.cg, cmd, timeout=60)
    check(r.rc == 0, r.tell())
    for call, tok in zip(calls, toks):
        lab.absent(tok, "%s in the cgroup" % (call,))
    r = rules.end()
    if event:
        for kw in cases:
            r.event(text=kw["to"])


def test_row17_every_transport_both_families(lab):
    for to in (*EVIL, topo.ALLOWED4, topo.ALLOWED6):
        for port in (22, 25, 9000):
            lab.works_bare("connect", L.token(), to=to, port=port, wait=0.1)
            tok = L.token()
            r = inside(lab, "connect", tok, to=to, port=port)
            check(r.json()["connect"] == "ECONNREFUSED" and L.fast(r.json()["ms"]), r.json())
            lab.absent(tok)
            L.check_event(r, r.event(text=to), exe="/usr/bin/python3", address=to, port=port, transport="tcp")
        lab.works_bare("udp_send", L.token(), to=to, port=9999)
        tok = L.token()
        r = inside(lab, "udp_send", tok, to=to, port=9999)
        lab.absent(tok)
        L.check_event(r, r.event(text=to), exe="/usr/bin/python3", address=to, port=9999, transport="udp")


def test_row17_v4_mapped(lab):
    for name, kw in (("connect_mapped", dict(to=topo.EVIL4, port=9000)),
                     ("udp_send", dict(to=topo.EVIL4, port=9999, mapped=1))):
        lab.works_bare(name, L.token(), **kw)
        tok = L.token()
        r = inside(lab, name, tok, **kw)
        lab.absent(tok)
        e = r.event(text=topo.EVIL4)
        check(e["destination"]["ip"] == topo.EVIL4 and e["network"]["type"] == "ipv4", e)


def test_row17_large_datagrams(lab):
    """Fragmented by the kernel."""
    for to in EVIL:
        for size in (3000, 60000):
            lab.works_bare("udp_send", L.token(), to=to, port=9999, size=size)
            tok = L.token()
            r = inside(lab, "udp_send", tok, to=to, port=9999, size=size)
            lab.absent(tok)
            r.event(text=to)


def test_row17_fragments_and_options(lab):
    ways = ("options", "fragments", "tiny fragments", "second fragment only")
    twice(lab, "hdrincl", [{"to": topo.EVIL4, "port": 9999, "from": topo.AGENT4, "how": h} for h in ways])


def test_row17_fragments_to_allowed(lab):
    """An allowed address is no licence for what the rules cannot read."""
    ways = ("options", "fragments", "second fragment only")
    twice(lab, "hdrincl", [{"to": topo.ALLOWED4, "port": 443, "from": topo.AGENT4, "how": h} for h in ways])


def test_row17_extension_headers(lab):
    ways = ("hop-by-hop", "destination", "both", "atomic fragment", "routing", "fragments", "second fragment",
            "no next header")
    twice(lab, "v6_headers", [{"to": topo.EVIL6, "port": 9999, "from": topo.AGENT6, "how": h} for h in ways],
          harmless=("second fragment",))  # our own kernel waits for the first one


def test_row18_ping(lab):
    for to in (*EVIL, topo.ALLOWED4, topo.ALLOWED6, topo.ROUTER4, topo.ROUTER6):
        lab.works_bare("ping", L.token(), to=to)
        tok = L.token()
        r = inside(lab, "ping", tok, to=to)
        lab.absent(tok)
        check(r.json()["error"] != "TIMEOUT" and L.fast(r.json()["ms"]), "slow:", r.json())
        e = r.event(text=to)
        check("icmp" in e["network"]["transport"], e["network"])
        L.check_packet(r, e)


def test_row18_ping_allowed(lab):
    pol = L.policy("icmp://" + topo.ALLOWED4, "icmp://[%s]" % topo.ALLOWED6)
    for to, other in ((topo.ALLOWED4, topo.EVIL4), (topo.ALLOWED6, topo.EVIL6)):
        tok = L.token()
        r = lab.run(pol, lab.attack("ping", to=to, token=tok))
        check(r.json()["back"], r.json())
        lab.arrives(tok)
        tok = L.token()
        lab.run(pol, lab.attack("ping", to=other, token=tok))
        lab.absent(tok)


def test_row18_icmp_raw(lab):
    """Echo, echo reply nobody asked for, timestamp, unreachable, redirects: with our bytes inside."""
    cases = [dict(to=topo.EVIL4, proto=1, type=t) for t in (8, 0, 13, 3, 5, 11, 42)]
    twice(lab, "proto_socket", cases)
    twice(lab, "proto_socket", [dict(to=topo.EVIL6, proto=58, type=t) for t in (128, 129, 1, 3, 200)])


def test_row18_neighbour_discovery(lab):
    """Needed by the kernel itself; not for hiding data."""
    twice(lab, "proto_socket", [dict(to=topo.EVIL6, proto=58, type=t) for t in (133, 134, 135, 136, 143)])


PROTOS = {"UDP-Lite": 136, "SCTP": 132, "DCCP": 33, "GRE": 47, "IPIP": 4, "IPv6 in IP": 41, "ESP": 50, "AH": 51,
          "OSPF": 89, "unassigned": 200, "253": 253, "raw UDP": 17, "raw TCP": 6, "IGMP": 2, "L2TP": 115}


def test_row18_protocols(lab):
    for to in EVIL:
        twice(lab, "proto_socket", [dict(to=to, proto=p, port=9000) for p in PROTOS.values()], event=False)


def test_row18_protocols_to_allowed(lab):
    for to in (topo.ALLOWED4, topo.ALLOWED6):
        twice(lab, "proto_socket", [dict(to=to, proto=p, port=443) for p in PROTOS.values()])


def test_row18_udplite_socket(lab):
    """An ordinary socket, no rights needed."""
    for to in EVIL:
        lab.works_bare("udp_send", L.token(), to=to, port=9999, proto=136)
        tok = L.token()
        inside(lab, "udp_send", tok, to=to, port=9999, proto=136)
        lab.absent(tok)


def test_row18_mptcp(lab):
    for to in EVIL:
        lab.works_bare("mptcp", L.token(), to=to, port=9000)
        tok = L.token()
        r = inside(lab, "mptcp", tok, to=to, port=9000)
        check(r.json()["error"] and L.fast(r.json()["ms"]), r.json())
        lab.absent(tok)


def test_row18_broadcast_multicast(lab):
    calls = [("udp_send", dict(to=to, port=port, wait=0.1, **({"broadcast": 1} if to.endswith("255") else {})))
             for to, port in (("198.51.100.255", 9999), ("255.255.255.255", 9999), ("224.0.0.1", 9999),
                              ("224.0.0.251", 5353), ("ff02::1", 9999), ("ff02::fb", 5353), ("ff05::1", 9999))]
    lab.batch_bare(calls)
    for pol in (POLICY, ROOTPOL):
        r, _ = lab.batch(pol, calls)
        for _, kw in calls:
            r.event(text=kw["to"])


def test_row18_loopback_by_another_device(lab):
    """What a socket sends to a loopback address, or to the fence's resolver, does not leave by the device that it
    names; nobody on the link reads it."""
    cases = [dict(to=to, port=port, how=how) for how in ("bound", "option", "message")
             for to, port in ((topo.DNS4, 53), (topo.DNS6, 53), ("127.0.0.1", 9999), ("::1", 9999), ("127.9.9.9", 9999))]
    pol = L.policy(NAME, "udp://127.0.0.1:9999", "udp://[::1]:9999", user="root")
    lab.batch_bare([("by_device", c) for c in cases])
    r, got = lab.batch(pol, [("by_device", c) for c in cases])
    check(all(g["error"] == "EPERM" for c, g in zip(cases, got) if c["how"] == "bound"), got)
    for to in ("127.0.0.1", "::1", "127.9.9.9"):
        r.event(text=to, code="device")
    rules = Rules(lab, pol)
    port = rules.resolver_port()
    cases += [dict(to=to, port=port, how=how) for how in ("bound", "option", "message") for to in ("127.0.0.1", "::1")]
    toks, cmd = lab.several([("by_device", c) for c in cases])
    r = lab.joining(rules.cg, cmd, timeout=60)
    check(r.rc == 0, r.tell())
    for c, tok in zip(cases, toks):
        lab.absent(tok, "%s in the cgroup" % c)
    so_far = rules.h.record()
    L.until(lambda: [e for e in so_far.lines() if e["event"]["action"] == "lost"], 5,
            lambda: "what was dropped is told: %s" % so_far.lines()[-3:])
    r = rules.end()
    for to in ("127.0.0.1", "::1", "127.9.9.9"):
        r.event(text=to, code="device")


def test_row18_groups(lab):
    """The kernel tells the neighbours which groups are joined: the agent cannot send words in that."""
    calls = [("join_groups", dict(how=how)) for how in ("group", "source")]
    toks, cmd = lab.several(calls)
    lab.bare(cmd)
    for t in toks:
        L.until(lambda: lab.rec.saw(t[:13]), 3, "the kernel does not tell of groups: nothing to refuse")
    for pol in (POLICY, ROOTPOL):
        toks, cmd = lab.several(calls)
        r = lab.run(pol, cmd)
        check([g["error"] for g in r.json()["results"]] == ["EPERM"] * 2, r.tell())
        for t in toks:
            lab.absent(t[:13])


def test_row19_sockets_of_the_sandbox(lab):
    """What the sandbox does not hand out, to nobody and to root."""
    bare = lab.bare(lab.attack("families")).json()
    check(bare["sockets"]["packet"] == "open" and bare["sockets"]["raw4"] == "open", "nothing to refuse here", bare)
    for pol in (POLICY, ROOTPOL):
        got = lab.run(pol, lab.attack("families")).json()
        for what in got["must_fail"]:
            check(got["sockets"][what] in IMPOSSIBLE, what, got["sockets"][what])
        for what in got["must_work"]:
            check(got["sockets"][what] == "open", what, got["sockets"][what])


def test_row19_packet_socket(lab):
    """AF_PACKET is below every rule: only the sandbox stands in its way."""
    mac = lab.bare(["cat", "/dev/null"]) and topo.run("ip", "-n", lab.net.router, "-o", "link", "show", "r0")
    mac = mac.split("link/ether ")[1].split()[0]
    kw = {"to": topo.EVIL4, "port": 9999, "from": topo.AGENT4, "mac": mac}
    lab.works_bare("packet_socket", L.token(), **kw)
    tok = L.token()
    r = inside(lab, "packet_socket", tok, **kw)
    lab.absent(tok)
    check(r.json()["error"] in IMPOSSIBLE, r.json())


def test_row19_spoofed(lab):
    """A source that is not ours, a DNS answer that nobody asked for."""
    cases = [{"to": topo.EVIL4, "port": 9999, "from": topo.AGENT4, "how": h, "other": "198.51.100.77"}
             for h in ("spoofed source", "dns answer")]
    cases += [{"to": topo.ALLOWED4, "port": 443, "from": topo.AGENT4, "how": "spoofed source", "other": "127.0.0.1"}]
    twice(lab, "hdrincl", cases, harmless=("spoofed source",))


def test_row20_marks(lab):
    for to in EVIL:
        lab.works_bare("marks", L.token(), to=to, port=9999)
        tok = L.token()
        inside(lab, "marks", tok, to=to, port=9999)
        lab.absent(tok, "marks under agentctl run")
        rules = Rules(lab)
        tok = L.token()
        got = rules.attack("marks", to=to, port=9999, token=tok)
        lab.absent(tok, "marks in the cgroup")
        r = rules.end()
        n = sum(e["event"].get("count", 1) for e in r.events(text=to))
        check(n > 0, "no event; sent:", got)


def test_row20_marks_tcp(lab):
    rules = Rules(lab)
    for to, kw in ((topo.EVIL4, dict(port=9000)), (topo.EVIL6, dict(port=9000)),
                   (topo.ALLOWED4, dict(port=443, sni="evil.test")), (topo.ALLOWED6, dict(port=443, sni="evil.test"))):
        tok = L.token()
        rules.attack("marks_tcp", to=to, token=tok, **kw)
        lab.absent(tok, "%s %s" % (to, kw))


def test_row25_marks_of_others(lab):
    """Another program's mark goes through the queue as it came: it may say which route the packet takes."""
    lab.bare(["nft", "add table inet afwtest; "
              "add chain inet afwtest first { type filter hook output priority -150; }; "
              "add chain inet afwtest last { type filter hook postrouting priority 0; }; "
              "add rule inet afwtest first tcp dport { 443, 80 } meta mark set 0x8000b1; "
              "add rule inet afwtest last tcp dport { 443, 80 } meta mark != 0x8000b1 counter; "
              "add rule inet afwtest last tcp dport { 443, 80 } counter"])
    try:
        for url in ("https://api.allowed.test/", "http://api.allowed.test/"):
            r = lab.run(L.policy("api.allowed.test", "http://api.allowed.test"), ["/usr/bin/curl", "-sS", url, url])
            check(r.rc == 0, r.tell())
        seen = lab.bare(["nft", "list", "table", "inet", "afwtest"])
        other, all_ = (int(n) for n in re.findall(r"counter packets (\d+)", seen.out))
        check(all_ > 10 and other == 0, other, "packets of", all_, "have lost their mark")
    finally:
        lab.bare(["nft", "delete", "table", "inet", "afwtest"])


def test_row20_lone_segments(lab):
    """ACK, FIN, RST and the rest that belong to no connection, with data in them."""
    cases = [{"to": to, "from": SELF[to], "port": port} for to in EVIL for port in (443, 9000)]
    cases += [{"to": topo.ALLOWED4, "from": topo.AGENT4, "port": 443}, {"to": topo.ALLOWED6, "from": topo.AGENT6, "port": 443}]
    twice(lab, "tcp_flags", cases)


def test_row20_untracked(lab):
    """Somebody's notrack rule does not open the fence."""
    rules = Rules(lab)
    lab.bare(["nft", "add table inet afwtest; add chain inet afwtest raw { type filter hook output priority -300; }; "
              "add rule inet afwtest raw ip daddr %s notrack; add rule inet afwtest raw ip6 daddr %s notrack"
              % EVIL])
    try:
        for to in EVIL:
            for name, kw in (("udp_send", dict(to=to, port=9999)), ("connect", dict(to=to, port=9000, wait=0.2))):
                tok = L.token()
                lab.works_bare(name, tok, **kw)
                tok = L.token()
                rules.attack(name, token=tok, **kw)
                lab.absent(tok, kw)
    finally:
        lab.bare(["nft", "delete table inet afwtest"])


def test_row21_socket_from_before(lab):
    """A connection that the command inherits keeps its old cgroup: agentctl closes it."""
    code = ("import socket, sys, os, time\ns = socket.create_connection(('%s', 9000))\nos.set_inheritable(s.fileno(), True)\n"
            "os.dup2(s.fileno(), 9)\nos.execv(sys.argv[1], sys.argv[1:])" % topo.EVIL4)
    # It is still there when what it wrote is on its way.
    use = "import os, time\nfor fd in range(3, 64):\n  try: os.write(fd, b'%s')\n  except OSError: pass\ntime.sleep(0.2)"
    tok = L.token()
    lab.bare([L.PYTHON, "-c", code, L.PYTHON, "-c", use % tok])
    lab.arrives(tok)
    tok = L.token()
    log_dir, argv = lab.argv(POLICY, [L.PYTHON, "-c", use % tok])
    start = argv.index(L.AGENTCTL)
    lab._call(argv[:start] + [L.PYTHON, "-c", code] + argv[start:], 20, log_dir)
    lab.absent(tok)


def outsider(lab, to, port, ns=None):
    return lab._call(lab.enter(ns) + lab.attack("connect", to=to, port=port, token="tkoutsider", wait=1.0), 20)


def test_row22_outsider_connects(lab):
    """From the net and from the host: a listener inside gives nothing away."""
    tok = L.token()
    p = subprocess.Popen(lab.enter() + lab.attack("listen", port=7777, token=tok, seconds=20), stdout=subprocess.PIPE)
    try:
        check(b"READY" in p.stdout.readline())
        for to in (topo.AGENT4, topo.AGENT6):
            check(tok.encode().hex() in outsider(lab, to, 7777, lab.net.net).json().get("back", ""), "without a fence")
    finally:
        p.kill()
        p.wait()
    for user in ("nobody", "root"):
        tok = L.token()
        h = lab.start(L.policy(NAME, user=user), lab.attack("listen", port=7777, token=tok, seconds=20))
        for ns, to in ((lab.net.net, topo.AGENT4), (lab.net.net, topo.AGENT6), (None, "127.0.0.1"), (None, "::1"),
                       (None, topo.AGENT4), (lab.net.router, topo.AGENT4)):
            got = outsider(lab, to, 7777, ns).json()
            check(tok.encode().hex() not in got.get("back", ""), "data came out to", ns, to)
            check(got["connect"] != "ok" and L.fast(got["ms"]), "an outsider's connection:", ns, to, got)
        h.stop()
        lab.absent(tok)
        r = h.record()
        r.event(text="7777", code="inbound")


def test_row22_refused_loopback_port(lab):
    """A service of the host on loopback is no endpoint unless the policy says so."""
    for addr in ("127.0.0.1", "::1", topo.AGENT4, topo.AGENT6):
        p = subprocess.Popen(lab.enter() + lab.attack("listen", port=7778, token="tkhost", seconds=20),
                             stdout=subprocess.PIPE)
        try:
            check(b"READY" in p.stdout.readline())
            check(lab.bare(lab.attack("connect", to=addr, port=7778, token="x")).json()["connect"] == "ok")
            check(b"ACCEPTED" in p.stdout.readline())
            r = lab.run(POLICY, lab.attack("connect", to=addr, port=7778, token="x"))
            check(r.json()["connect"] == "ECONNREFUSED" and L.fast(r.json()["ms"]), addr, r.json())
            L.check_event(r, r.event(text="7778"), exe="/usr/bin/python3", address=addr, port=7778)
            if addr == "127.0.0.1":
                r = lab.run(L.policy("localhost:7778", "tcp://localhost:7778"), lab.attack("connect", to=addr, port=7778, token="x"))
                check(r.json()["connect"] == "ok", r.json())
        finally:
            p.kill()
            p.wait()


def test_row22_own_listener(lab):
    """A program and its own helper on loopback: the fence itself may connect to listeners inside."""
    for to in ("127.0.0.1", "::1"):
        r = lab.run(L.policy(NAME, "tcp://localhost:7790"), lab.attack("own_listener", to=to, port=7790))
        check(r.json().get("back") == "hello", r.json(), r.events()[:2])


def test_row22_own_port_taken_over(lab):
    """Datagrams to a listener of the fence's own are for that listener, not for an outsider who has its port
    later."""
    for there in ("127.0.0.1", "::1"):
        box = puppets.Inside(lab, POLICY)
        host = puppets.Outside(lab)
        box.udp("l", there, 7792)
        box.connect("c", there, 7792, there, 40060, "udp")
        for i in range(3):
            box.send("c", "ask%d" % i)
            check(box.recv_from("l") == ["ask%d" % i, there, 40060])
            box.send_to("l", "answer%d" % i, there, 40060)
            check(box.recv("c") == "answer%d" % i)
        box.close("l")
        host.udp("s", there, 7792, 1.0)
        box.ask("send", "c", L.token())
        check(host.ask("recv", "s") == {"error": "TIMEOUT"}, "it arrived outside")
        host.stop()
        box.udp("l", there, 7792)
        box.close("c")
        host = puppets.Outside(lab)
        host.udp("s", there, 40060, 1.0)
        box.ask("send_to", "l", L.token(), there, 40060)
        check(host.ask("recv", "s") == {"error": "TIMEOUT"}, "the answer arrived outside")
        r = box.result()
        r.event(code="no-rule", text="udp://")
        check({e["destination"]["port"] for e in r.events(code="no-rule")} == {7792, 40060}, r.events())


def test_row17_large_segments(lab):
    """Over loopback the kernel hands on TCP segments of more than 64 kB, over IPv6 with a header more."""
    host = puppets.Outside(lab)
    host.serve("l", "::", 7791, "host")
    box = puppets.Inside(lab, L.policy("localhost:7791"))
    box.serve("l", "::", 7792, "own")
    for port, word in ((7791, "host"), (7792, "own")):
        for to in ("127.0.0.1", "::1"):
            box.connect("c", to, port)
            check(box.recv("c") == word)
            check(box.bulk("c", 5000000), to, port)
    check(not box.result().events())


def test_row19_somebody_elses_address(lab):
    """An answer to a socket with somebody else's address goes to the owner of the address, who could go on with the
    connection."""
    far = "2001:db8::%s" % ":".join("%x" % (0xbad0 + i) for i in range(4))

    def reached():
        lab.rec.barrier()
        with lab.rec.lock:
            return [k for k in lab.rec.flows if far in k]
    for to in (topo.AGENT6, "::1"):
        cmd = lab.attack("from_anywhere", what="listener", to=to, **{"from": far})
        check(to == "::1" or (lab.bare(cmd) and reached()), "harmless without a fence:", to)
        lab.rec.flows.clear()
        lab.run(POLICY, cmd)
        check(not reached(), "LEAK by an address:", to, reached())
        lab.in_cgroup(ROOTPOL, cmd)
        check(not reached(), "LEAK by an address, as far as the rules:", to, reached())


def test_link_local_is_our_own(lab):
    """A link-local source is no foreign one for the rules; the socket wall does not let anybody name such an
    address."""
    out = subprocess.run(["ip", "netns", "exec", lab.net.router, "ip", "-6", "addr", "show", "dev", "r0"], capture_output=True, text=True).stdout
    router = re.search(r"inet6 (fe80:[0-9a-f:]+)/", out)[1]
    code = ("import socket, sys\n"
            "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
            "s.sendto(sys.argv[2].encode(), (sys.argv[1], 9999, 0, socket.if_nametoindex('a0')))\n")
    for pol in (L.policy("udp://[%s]:9999" % router), L.policy("udp://[fe80::/10]:9999", deny=["udp://[fe80::1]:9999"])):
        tok = L.token()
        r = lab.run(pol, [L.PYTHON, "-c", code, router, tok])
        check(r.rc == 1 and "Operation not permitted" in r.err, r.tell())
        r.event(code="socket-address", text=router)
        lab.absent(tok)
        r = lab.run(pol, [L.PYTHON, "-c", code, router, tok], wall=False)
        check(r.rc == 0, r.tell())
        L.until(lambda: lab.rec.saw(tok), 3, lambda: "not let through: %s" % r.events())


def test_row23_terminals(lab):
    """What is typed into a terminal outside is done outside. As many sockets as somebody likes to make hide none."""
    uid = pwd.getpwnam("nobody").pw_uid
    dirs = ["/tmp/tmux-%d-afwt-%d%s" % (uid, os.getpid(), s) for s in ("", "x")]
    held = []
    try:
        for d, n in zip(dirs, (1, 150)):
            os.mkdir(d, 0o700)
            for i in range(n):
                held.append(socket.socket(socket.AF_UNIX))
                held[-1].bind("%s/%d" % (d, i))
                held[-1].listen()
                os.chown("%s/%d" % (d, i), uid, -1)
            os.chown(d, uid, -1)
        code = """
import socket, glob, sys
n = 0
for path in glob.glob(sys.argv[1] + '*/*'):
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(path); n += 1
    except OSError: pass
print(n)
"""
        cmd = [L.PYTHON, "-c", code, dirs[0]]
        bare = lab.bare(["setpriv", "--reuid=%d" % uid, "--clear-groups", *cmd])
        check(bare.out == "151\n", "without a fence:", bare.tell())
        r = lab.run(POLICY, cmd)
        check(r.out == "0\n", "terminals that were reached:", r.tell())
    finally:
        for s in held:
            s.close()
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)


def test_row23_leaving(lab):
    """cgroup.procs, unshare, setns, signals to the daemon, its socket."""
    code = """
import ctypes, os, json, glob, socket, signal
libc = ctypes.CDLL(None, use_errno=True)
out = {}
for root in ('/sys/fs/cgroup/unified', '/sys/fs/cgroup', '/sys/fs/cgroup/unified/agentfw'):
    try:
        with open(root + '/cgroup.procs', 'w') as f: f.write(str(os.getpid()))
        out[root] = 'moved'
    except OSError as e: out[root] = str(e)
for flag, name in ((0x10000000, 'user'), (0x40000000, 'net'), (0x50000000, 'user+net'), (0x02000000, 'cgroup')):
    pid = os.fork()
    if pid == 0: os._exit(0 if libc.unshare(flag) == 0 else 1)
    out['unshare ' + name] = 'done' if os.waitpid(pid, 0)[1] == 0 else 'refused'
for pid in %r:
    try: os.kill(pid, 0); out['signal %%d' %% pid] = 'may'
    except OSError as e: out['signal %%d' %% pid] = e.strerror
    try: fd = os.open('/proc/%%d/ns/net' %% pid, os.O_RDONLY); out['setns'] = 'done' if libc.setns(fd, 0) == 0 else 'refused'
    except OSError as e: out['setns'] = e.strerror
    out['ptrace'] = 'done' if libc.ptrace(16, pid, 0, 0) == 0 else 'refused'
for p in glob.glob('/run/agentfw/net-*/control'):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try: s.connect(p); out['control'] = 'connected'
    except OSError as e: out['control'] = e.strerror
print(json.dumps(out))
"""
    hold = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; sleep 100"])
    pids = lab.daemons()
    check(pids, "no daemon while a fence stands")
    for pol in (POLICY, ROOTPOL):
        got = lab.run(pol, [L.PYTHON, "-c", code % (pids,)]).json()
        for what, answer in got.items():
            if what != "control":
                check(answer not in ("moved", "done", "may"), "root" if pol == ROOTPOL else "nobody", what, answer, got)
    hold.stop()


def test_audit_of_everything(lab):
    """Packets, events and the summary agree: nothing is dropped in silence."""
    calls = [["udp_send", {"to": topo.EVIL4, "port": 9000 + i, "token": "x"}] for i in range(20)]
    calls += [["connect", {"to": topo.EVIL6, "port": 9000 + i, "token": "x"}] for i in range(20)]
    r = lab.run(POLICY, lab.attack("several", list=json.dumps(calls)), timeout=40)
    seen = {(e["destination"]["ip"], e["destination"]["port"]) for e in r.events()}
    check(len(seen) == 40, len(seen), "of 40 endpoints in the log")
    check(len(r.packets()) >= 40, len(r.packets()), "packets")
    L.tcpdump_clean(r)
