# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may connect to a listener inside the fence, and that it may answer, and nothing else.

The listener's process and its peers are puppets (puppet.py): they do what the test says, step by step.
"""
import json
import os
import time

import lab as L
import topo
from lab import check
from puppets import Inside, Outside, PUPPET

PEER4, PEER6 = topo.ALLOWED4, topo.ALLOWED6  # addresses of "the internet" that a peer may have
FROM = "from: [%s]" % PEER4
PORT = 7000


def policy(*entries, egress=(), **kw):
    return L.policy(*egress, extra="ingress: [%s]\n" % ", ".join(entries), **kw)


def refused(peer, *args, **kw):
    """The connection is refused at once."""
    err, ms = peer.timed_connect("no", *args)
    check(err == "ECONNREFUSED" and ms < L.FAST_MS, "a connection that nobody allowed:", args, err, ms)


def inbound(r, port):
    return [e for e in r.events(code="inbound") if e["destination"]["port"] == port]


EVERYWHERE = ("{to: 0.0.0.0/0:%d, broad: true}" % PORT, "{to: \"[::/0]:%d\", broad: true}" % PORT)


# ---- what is allowed works ------------------------------------------------------------------------

def test_tcp(lab):
    """From the net, the router and the host itself, over both families, the server first or the client."""
    box = Inside(lab, policy(*EVERYWHERE))
    tok = L.token()
    box.serve("l", "::", PORT, tok)
    for ns, addresses in ((lab.net.net, (topo.AGENT4, topo.AGENT6)), (lab.net.router, (topo.AGENT4,)),
                          (None, ("127.0.0.1", "::1", topo.AGENT4, topo.AGENT6))):
        peer = Outside(lab, ns)
        for to in addresses:
            peer.connect("c", to, PORT)
            check(peer.recv("c") == tok, ns, to)
            peer.send("c", "hello")
            check(peer.recv("c") == "hello", ns, to)
            check(peer.bulk("c", 3000000), "not what was sent", ns, to)
            peer.close("c")
    r = box.result()
    lab.arrives(tok)
    check(not r.events(), r.events()[:1])
    ended = [e for e in r.lines() if e["event"]["action"] == "fence_ended"][0]
    check(ended["agentfw"]["summary"] == {"allowed": 7, "refused": 0}, ended["agentfw"]["summary"])


def test_udp(lab):
    """Datagrams, small and in fragments, and their answers."""
    box = Inside(lab, policy("udp://127.0.0.1:%d" % PORT, "\"udp://[::1]:%d\"" % PORT,
                             "udp://%s:%d" % (topo.AGENT4, PORT), "\"udp://[%s]:%d\"" % (topo.AGENT6, PORT)))
    box.udp_echo("4", "0.0.0.0", PORT)
    box.udp_echo("6", "::1", PORT)
    box.udp_echo("6b", topo.AGENT6, PORT)
    for ns, addresses in ((lab.net.net, (topo.AGENT4, topo.AGENT6)), (None, ("127.0.0.1", "::1", topo.AGENT4))):
        peer = Outside(lab, ns)
        for to in addresses:
            peer.connect("c", to, PORT, "", 0, "udp")
            for text in ("one", "two", "x" * 4000):
                peer.send("c", text)
                check(peer.recv("c") == "echo:" + text, ns, to, len(text))
            peer.close("c")
    r = box.result()
    check(not r.events(), r.events()[:1])


def test_localhost(lab):
    """`localhost` is the two addresses, and a socket for both takes IPv4 as IPv4."""
    box = Inside(lab, policy("localhost:%d" % PORT))
    box.serve("l", "::", PORT, "here")
    peer = Outside(lab)
    for to in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        peer.connect("c", to, PORT)
        check(peer.recv("c") == "here", to)
        peer.close("c")
    for to in ("127.0.0.2", topo.AGENT4, topo.AGENT6):
        refused(peer, to, PORT)
    check(len(inbound(box.result(), PORT)) == 3)


def test_mapped_is_not_ipv6(lab):
    """Allowed over IPv6 only: the same socket over IPv4 is refused, and the other way round."""
    for entry, yes, no in (("\"[%s]:%d\"" % (topo.AGENT6, PORT), topo.AGENT6, topo.AGENT4),
                           ("%s:%d" % (topo.AGENT4, PORT), topo.AGENT4, topo.AGENT6)):
        box = Inside(lab, policy(entry))
        box.serve("l", "::", PORT, "here")
        peer = Outside(lab, lab.net.net)
        peer.connect("c", yes, PORT)
        check(peer.recv("c") == "here")
        refused(peer, no, PORT)
        check(inbound(box.result(), PORT)[0]["destination"]["ip"] == no)


def test_reused_port(lab):
    """A client comes again from the same port while the server's side is in TIME_WAIT."""
    box = Inside(lab, policy("%s:%d" % (topo.AGENT4, PORT)))
    box.serve("l", "0.0.0.0", PORT, "first", False)  # it closes first
    peer = Outside(lab, lab.net.net)
    for i in range(4):
        peer.connect("c", topo.AGENT4, PORT, PEER4, 40001)
        check(peer.recv("c") == "first" and peer.recv("c") == "", i)
        peer.close("c", i == 2)
    check(not box.result().events())


def test_many(lab):
    """One connection after the other: no trip to the engine is left, and all are counted."""
    box = Inside(lab, policy("127.0.0.1:%d" % PORT))
    box.serve("l", "127.0.0.1", PORT, "x", False)
    peer = Outside(lab)
    for _ in range(200):
        peer.connect("c", "127.0.0.1", PORT)
        check(peer.recv("c") == "x")
        peer.close("c")
    for pid in lab.daemons(engine=True):
        os.kill(pid, 19)  # the kernel decides alone
    try:
        peer.connect("c", "127.0.0.1", PORT)
        check(peer.recv("c") == "x", "needs the engine")
    finally:
        for pid in lab.daemons(engine=True):
            os.kill(pid, 18)
    r = box.result()
    ended = [e for e in r.lines() if e["event"]["action"] == "fence_ended"][0]
    check(ended["agentfw"]["summary"] == {"allowed": 201, "refused": 0}, ended["agentfw"]["summary"])


# ---- what is not allowed is refused -----------------------------------------------------------------

def test_from(lab):
    """Only the peers that the entry names: data comes out to nobody else."""
    box = Inside(lab, policy("{to: %s:%d, from: [%s, 192.0.2.0/31]}" % (topo.AGENT4, PORT, PEER4),
                             "{to: \"[%s]:%d\", from: [\"%s\"]}" % (topo.AGENT6, PORT, PEER6),
                             "{to: udp://%s:%d, from: [%s]}" % (topo.AGENT4, PORT, PEER4)))
    tok = L.token()
    box.serve("l", "::", PORT, tok)
    box.udp_echo("u", "0.0.0.0", PORT, tok)
    peer, host, router = Outside(lab, lab.net.net), Outside(lab), Outside(lab, lab.net.router)
    for to, sources in ((topo.AGENT4, (topo.EVIL4, topo.OTHER4, "192.0.2.2")), (topo.AGENT6, (topo.EVIL6, topo.OTHER6))):
        for source in sources:
            refused(peer, to, PORT, source)
    for to in (topo.AGENT4, topo.AGENT6, "127.0.0.1", "::1"):
        refused(host, to, PORT)
    refused(router, topo.AGENT4, PORT)
    peer.connect("u", topo.AGENT4, PORT, topo.EVIL4, 0, "udp")
    peer.send("u", "give me")
    answer = peer.ask("recv", "u")
    check(answer.get("error") in ("ECONNREFUSED", "EHOSTUNREACH", "EACCES"), answer)
    lab.absent(tok)
    for to, source in ((topo.AGENT4, PEER4), (topo.AGENT6, PEER6)):
        peer.connect("c", to, PORT, source)
        check(peer.recv("c") == tok, to)
        peer.close("c")
    peer.connect("u", topo.AGENT4, PORT, PEER4, 0, "udp")
    peer.send("u", "me too")
    check(peer.recv("u") == tok + "me too")
    r = box.result()
    e = r.event(code="inbound", text=topo.EVIL4)
    check(e["agentfw"]["rule"].endswith(":6"), "the entry that names others:", e["agentfw"]["rule"])
    check(topo.EVIL4 in e["event"]["reason"], e["event"]["reason"])
    seen = {(x["source"]["ip"], x["network"]["transport"]) for x in r.events(code="inbound")}
    check({(topo.EVIL4, "tcp"), (topo.EVIL6, "tcp"), (topo.EVIL4, "udp"), ("127.0.0.1", "tcp")} <= seen, seen)


def test_port_not_named(lab):
    """Refused at once, told, and the line that is suggested lets the same peer in."""
    for to, source in ((topo.AGENT4, PEER4), (topo.AGENT6, PEER6), ("127.0.0.1", ""), ("::1", "")):
        box = Inside(lab, policy(*EVERYWHERE))
        box.serve("l", "::", PORT + 1, "secret")
        peer = Outside(lab, lab.net.net if source else None)
        refused(peer, to, PORT + 1, source)
        r = box.result()
        e = inbound(r, PORT + 1)[0]
        check(e["agentfw"]["endpoint"] == ("tcp://[%s]:%d" if ":" in to else "tcp://%s:%d") % (to, PORT + 1), e)
        check(e["network"]["direction"] == "ingress" and e["agentfw"]["rule"] is None, e)
        L.check_packet(r, e)
        line = e["agentfw"]["suggest"]
        check(line.startswith("ingress: ["), line)
        box = Inside(lab, L.policy(extra=line + "\n"))
        box.serve("l", "::", PORT + 1, "secret")
        peer.connect("c", to, PORT + 1, source)
        check(peer.recv("c") == "secret")
        if source:
            refused(peer, to, PORT + 1, topo.EVIL6 if ":" in to else topo.EVIL4)
        box.result()


def test_udp_not_named(lab):
    """TCP at the same port says nothing about UDP."""
    box = Inside(lab, policy("%s:%d" % (topo.AGENT4, PORT)))
    tok = L.token()
    box.udp_echo("u", "0.0.0.0", PORT, tok)
    peer = Outside(lab, lab.net.net)
    peer.connect("c", topo.AGENT4, PORT, "", 0, "udp")
    peer.send("c", "hello")
    answer = peer.ask("recv", "c")
    check(answer.get("error") in ("ECONNREFUSED", "EHOSTUNREACH", "EACCES"), answer)
    lab.absent(tok)
    e = inbound(box.result(), PORT)[0]
    check(e["network"]["transport"] == "udp" and "udp://%s:%d" % (topo.AGENT4, PORT) in e["agentfw"]["suggest"], e)


# ---- the listener's port is no way out --------------------------------------------------------------

def test_out_of_the_listeners_port(lab):
    """Connections and datagrams that begin inside, from the very port, with and without flows there."""
    box = Inside(lab, policy(*EVERYWHERE, *("{to: \"udp://%s:%d\", broad: true}" % (p, PORT)
                                            for p in ("0.0.0.0/0", "[::/0]"))))
    tok = L.token()
    peer = Outside(lab, lab.net.net)
    box.serve("l", "::", PORT)
    box.udp("u", "::", PORT)
    for _ in range(2):
        for to in (topo.EVIL4, topo.EVIL6):
            for port in (9000, 443):
                answer = box.ask("connect", "c", to, port, "::" if ":" in to else "0.0.0.0", PORT)
                check(answer.get("error") in ("ECONNREFUSED", "EADDRINUSE"), answer)
            box.ask("send_to", "u", tok, to if ":" in to else "::ffff:" + to, 9999)
        lab.absent(tok)
        # the second time there is an allowed flow with a peer at each address
        for to, source in ((topo.AGENT4, topo.EVIL4), (topo.AGENT6, topo.EVIL6)):
            peer.connect("t", to, PORT, source, 40010)
            peer.send("t", "x")
            check(peer.recv("t") == "x")
            peer.connect("u", to, PORT, source, 40010, "udp")
            peer.send("u", "x")
            check(box.recv("u") == "x")
    box.close("l")
    for to in (topo.EVIL4, topo.EVIL6):  # nobody listens any more
        err, ms = box.timed_connect("c", to, 9000, "::" if ":" in to else "0.0.0.0", PORT)
        check(err == "ECONNREFUSED" and ms < L.FAST_MS, err, ms)
    lab.absent(tok)
    check(box.result().events(text=topo.EVIL4, code="no-rule"))


def test_udp_answers_only(lab):
    """An answer goes to the very address and port that asked, not to another, and not before."""
    box = Inside(lab, policy("udp://%s:%d" % (topo.AGENT4, PORT)))
    box.udp("u", topo.AGENT4, PORT)
    peer = Outside(lab, lab.net.net)
    peer.udp("p", topo.EVIL4, 40020)
    tok = L.token()
    box.ask("send_to", "u", tok, topo.EVIL4, 40020)
    lab.absent(tok)
    peer.send_to("p", "ask", topo.AGENT4, PORT)
    check(box.recv("u") == "ask")
    for to, port in ((topo.EVIL4, 40021), (topo.OTHER4, 40020), (topo.EVIL4, 9999)):
        box.ask("send_to", "u", tok, to, port)
    box.udp("v", topo.AGENT4, PORT + 1)
    box.ask("send_to", "v", tok, topo.EVIL4, 40020)
    lab.absent(tok)
    box.send_to("u", "answer", topo.EVIL4, 40020)
    check(peer.recv("p") == "answer")
    check(len(box.result().events(code="no-rule")) >= 4)


def test_udp_flow_expires(lab):
    """An answer that comes when the kernel has forgotten the question is refused."""
    lab.net._sysctl(lab.net.agent, {"net/netfilter/nf_conntrack_udp_timeout": 1,
                                    "net/netfilter/nf_conntrack_udp_timeout_stream": 1})
    try:
        box = Inside(lab, policy("udp://%s:%d" % (topo.AGENT4, PORT)))
        box.udp("u", topo.AGENT4, PORT)
        peer = Outside(lab, lab.net.net)
        peer.udp("p", topo.EVIL4, 40030)
        peer.send_to("p", "ask", topo.AGENT4, PORT)
        check(box.recv("u") == "ask")
        time.sleep(3)  # the kernel forgets the question after one
        tok = L.token()
        box.ask("send_to", "u", tok, topo.EVIL4, 40030)
        lab.absent(tok)
        peer.send_to("p", "again", topo.AGENT4, PORT)
        check(box.recv("u") == "again")
        box.send_to("u", "now", topo.EVIL4, 40030)
        check(peer.recv("p") == "now")
        check(box.result().events(code="no-rule", text=topo.EVIL4))
    finally:
        lab.net._sysctl(lab.net.agent, {"net/netfilter/nf_conntrack_udp_timeout": 30,
                                        "net/netfilter/nf_conntrack_udp_timeout_stream": 120})


def test_simultaneous_open(lab):
    """Both ends dial each other from port to port: nothing comes about with a peer who may not come in."""
    box = Inside(lab, policy("{to: %s:%d, from: [%s]}" % (topo.AGENT4, PORT, PEER4)))
    peer = Outside(lab, lab.net.net)
    tok = L.token()
    peer.write(json.dumps(["hammer", topo.AGENT4, PORT, 40040, "x", 2.0]) + "\n")
    check(box.hammer(topo.EVIL4, 40040, PORT, tok, 1.5) == 0)
    peer.read()
    lab.absent(tok)


def test_port_taken_over(lab):
    """A flow to a listener inside, then an outsider has that listener's port: the fence takes the flow's other end,
    and still cannot reach the outsider. UDP, and TCP whose conntrack entry outlives a reset."""
    box = Inside(lab, policy("127.0.0.1:%d" % PORT, "udp://127.0.0.1:%d" % PORT))
    host = Outside(lab)
    for kind in ("udp", "tcp"):
        if kind == "udp":
            box.udp("l", "127.0.0.1", PORT)
        else:
            box.listen("l", "127.0.0.1", PORT)
        host.connect("c", "127.0.0.1", PORT, "127.0.0.1", 40050, kind)
        host.send("c", "ask")
        if kind == "udp":
            check(box.recv_from("l") == ["ask", "127.0.0.1", 40050])
            box.send_to("l", "answer", "127.0.0.1", 40050)
        else:
            box.accept("l", "a")
            check(box.recv("a") == "ask")
            box.send("a", "answer")
        check(host.recv("c") == "answer")
        if kind == "tcp":
            box.close("a", True)
        box.close("l")
        host.close("c", kind == "tcp")
        tok = L.token()
        if kind == "udp":
            host.udp("s", "127.0.0.1", PORT, 1.0)
            box.ask("connect", "x", "127.0.0.1", PORT, "127.0.0.1", 40050, "udp")
            box.ask("send", "x", tok)
            answer = host.ask("recv", "s")
        else:
            host.listen("s", "127.0.0.1", PORT, 1.0)
            err, ms = box.timed_connect("x", "127.0.0.1", PORT, "127.0.0.1", 40050)
            check(err == "ECONNREFUSED", "a connection to the host:", err)
            answer = host.ask("accept", "s", "t")
        check(answer == {"error": "TIMEOUT"}, "it arrived:", kind, answer)
        host.close("s")


def test_flow_from_before(lab):
    """A flow with an earlier owner of the port is none of the fence's: no answer goes out there, and nothing comes
    in, until a packet of the peer's is let in."""
    other = Inside(lab, L.policy())  # without a fence the kernel keeps no flows at all
    peer, host = Outside(lab, lab.net.net), Outside(lab)
    host.udp("h", topo.AGENT4, PORT)
    for source in (topo.EVIL4, PEER4):
        peer.udp(source, source, 40060)
        for _ in range(2):
            peer.send_to(source, "ask", topo.AGENT4, PORT)
            check(host.recv("h") == "ask")
            host.send_to("h", "answer", source, 40060)
            check(peer.recv(source) == "answer")
    host.close("h")
    box = Inside(lab, policy("{to: udp://%s:%d, from: [%s]}" % (topo.AGENT4, PORT, PEER4)))
    box.udp("u", topo.AGENT4, PORT, 1.0)
    tok = L.token()
    for source in (topo.EVIL4, PEER4):
        box.ask("send_to", "u", tok, source, 40060)
        box.ask("recv", "u")
    lab.absent(tok)
    peer.send_to(topo.EVIL4, "order", topo.AGENT4, PORT)
    check(box.ask("recv", "u").get("error"), "an order came in over an old flow")
    box.ask("send_to", "u", tok, topo.EVIL4, 40060)
    lab.absent(tok)
    box.ask("recv", "u")
    peer.send_to(PEER4, "ask", topo.AGENT4, PORT)
    check(box.recv("u") == "ask")
    box.send_to("u", "answer", PEER4, 40060)
    check(peer.recv(PEER4) == "answer")
    check(inbound(box.result(), PORT)[0]["source"]["ip"] == topo.EVIL4)
    other.result()


def test_untracked(lab):
    """A host's notrack rule: without a conntrack entry there is no answer but for the handshake."""
    box = Inside(lab, policy("%s:%d" % (topo.AGENT4, PORT)))
    tok = L.token()
    box.serve("l", "0.0.0.0", PORT, tok)
    lab.bare(["nft", "add table inet afwtest; add chain inet afwtest raw { type filter hook prerouting priority -300; }; "
              "add chain inet afwtest out { type filter hook output priority -300; }; "
              "add rule inet afwtest raw tcp dport %d notrack; add rule inet afwtest out tcp sport %d notrack" % (PORT, PORT)])
    try:
        peer = Outside(lab, lab.net.net)
        peer.ask("connect", "c", topo.AGENT4, PORT)
        peer.ask("recv", "c")
        lab.absent(tok)
    finally:
        lab.bare(["nft", "delete table inet afwtest"])


# ---- fences among themselves -------------------------------------------------------------------------

def test_from_fence_to_fence(lab):
    """The client's fence must allow it out, the server's must allow it in."""
    server = Inside(lab, policy("localhost:%d" % PORT, "\"udp://localhost:%d\"" % PORT))
    server.serve("l", "::", PORT, "hi")
    server.udp_echo("u", "127.0.0.1", PORT)
    client = Inside(lab, L.policy("localhost:%d" % PORT, "udp://localhost:%d" % PORT, "localhost:%d" % (PORT + 1)))
    for to in ("127.0.0.1", "::1"):
        client.connect("c", to, PORT)
        check(client.recv("c") == "hi" and client.bulk("c", 3000000), to)
    client.connect("u", "127.0.0.1", PORT, "", 0, "udp")
    for text in ("one", "two"):
        client.send("u", text)
        check(client.recv("u") == "echo:" + text)
    server.serve("l2", "::", PORT + 1, "no")  # not named by the server's policy
    refused(client, "127.0.0.1", PORT + 1)
    stranger = Inside(lab, L.policy("api.allowed.test"))
    refused(stranger, "127.0.0.1", PORT)
    check(stranger.result().events(code="no-rule", text=str(PORT)))
    check(not client.result().events())
    check([e["destination"]["port"] for e in server.result().events()] == [PORT + 1])


def test_fence_to_fence_by_name(lab):
    """A name that leads to a listener in another fence: both look at the same connection."""
    server = Inside(lab, policy("127.0.0.1:%d" % PORT))
    server.serve("l", "127.0.0.1", PORT)
    client = Inside(lab, L.policy(("http://model.test:%d" % PORT, ["127.0.0.0/8"]), hosts={"model.test": "127.0.0.1"}))
    ask = "POST /%%d HTTP/1.1\r\nHost: model.test:%d\r\nContent-Length: 3\r\n\r\nabc" % PORT
    client.h.send(json.dumps(["sleep", 0]))
    client.read()
    check(lab.run(L.policy(("http://model.test:%d" % PORT, ["127.0.0.0/8"]), hosts={"model.test": "127.0.0.1"}),
                  ["/usr/bin/python3", "-c", FETCH % (PORT, ask, PORT)]).out.strip() == "True")
    client.result()
    server.result()


FETCH = """
import socket
a = socket.getaddrinfo('model.test', %d, socket.AF_INET)[0][4]
s = socket.create_connection(a)
ok = True
for i in range(5):
    m = (%r %% i).encode()
    s.sendall(m)
    got = b''
    while len(got) < len(m):
        got += s.recv(1000)
    ok = ok and got == m
s.sendall(b'GET / HTTP/1.1\\r\\nHost: evil.test:%d\\r\\n\\r\\n')
try:
    ok = ok and s.recv(100) == b''
except OSError:
    pass
print(ok)
"""


def test_entries_across(lab):
    """Entries that lie across each other fit no set of the kernel: the engine decides the rest."""
    box = Inside(lab, policy("{to: 198.51.100.0/24:%d, from: [%s]}" % (PORT, PEER4),
                             "%s:%d" % (topo.AGENT4, PORT)))
    box.serve("l", "0.0.0.0", PORT, "here")
    for ns, source in ((lab.net.net, PEER4), (lab.net.net, topo.EVIL4), (None, topo.AGENT4)):
        peer = Outside(lab, ns)
        peer.connect("c", topo.AGENT4, PORT, source)
        check(peer.recv("c") == "here" and peer.bulk("c", 300000), source)
    client = Inside(lab, L.policy("%s:%d" % (topo.AGENT4, PORT)))
    client.connect("c", topo.AGENT4, PORT)
    check(client.recv("c") == "here" and client.bulk("c", 300000), "a peer in a fence of its own")
    check(not client.result().events() and not box.result().events())


# ---- tools ---------------------------------------------------------------------------------------------

def test_tool(lab):
    """A tool's own ingress: its listener is reached, others are not, and it has no way out."""
    puppet = lab.file(".py", open(PUPPET[1]).read())
    os.chmod(puppet, 0o644)
    path = lab.file(".yaml", L.policy() + "ingress: [127.0.0.1:%d]\ntools:\n  serve: {command: [%s, %s], broad: true, read: [/usr, %s], "
                    "ingress: [127.0.0.1:%d]}\n" % (PORT + 1, L.PYTHON, puppet, puppet, PORT))
    log_dir = lab.file(".log")

    def start(policy, _):
        h = L.Running(lab, lab.enter() + [L.AGENTCTL, "tool", "-p", policy, "--log-dir", log_dir, "serve"], log_dir, "READY")
        lab.held.append(h)
        return h
    tool = Inside(lab, path, start)
    tool.serve("l", "127.0.0.1", PORT, "tool")
    tool.serve("m", "127.0.0.1", PORT + 1, "not mine")
    host = Outside(lab)
    host.connect("c", "127.0.0.1", PORT)
    check(host.recv("c") == "tool" and host.bulk("c", 100000))
    refused(host, "127.0.0.1", PORT + 1)  # the agent's, not the tool's
    err, ms = tool.timed_connect("x", topo.ALLOWED4, 443)
    check(err == "ECONNREFUSED" and ms < L.FAST_MS, err, ms)
    r = tool.result()
    check(inbound(r, PORT + 1) and r.events(code="no-rule", text=topo.ALLOWED4), r.events())
