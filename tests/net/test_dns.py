# SPDX-License-Identifier: GPL-2.0-or-later
"""DNS: immunity rows 1 to 8. The names are payload: what matters is what our DNS server was asked."""
import json
import re
import struct

import lab as L
import topo
import wire
from lab import check

POLICY = L.policy("api.allowed.test", "*.far.test")


def refused(got, what=""):
    check(got.get("rcode") == 5, what, "not REFUSED:", got)
    check(got["ede"] is not None, what, "no Extended DNS Error:", got)
    check(not got["addresses"], what, got)
    check(L.fast(got["ms"]), what, "slow:", got)


def both(lab, name, make, pol=POLICY, user="nobody"):
    """The attack without a fence (must arrive), then under agentctl run; returns (token, result)."""
    tok = L.token()
    lab.works_bare(name, tok, **make(tok))
    tok = L.token()
    r = lab.run(pol.replace("user: nobody", "user: " + user), lab.attack(name, token=tok, **make(tok)))
    return tok, r


def test_row01_tcp_one_byte_segments(lab):
    for server in (topo.DNS4, topo.DNS6):
        tok, r = both(lab, "dns", lambda t: dict(server=server, name=t + ".evil.test", tcp=1, chunk=1))
        refused(r.json(), server)
        lab.absent(tok)
        check(tok in r.event(text=tok)["dns"]["question"]["name"])
        r = lab.run(POLICY, lab.attack("dns", server=server, name="api.allowed.test", tcp=1, chunk=1))
        check(r.json()["addresses"] == [topo.ALLOWED4], "allowed, in pieces:", r.json())


def test_row01_tcp_pipelined(lab):
    for chunk in (0, 1):
        tok, r = both(lab, "dns_pipeline", lambda t: dict(
            server=topo.DNS4, names="api.allowed.test,%s.evil.test,api.allowed.test" % t, chunk=chunk))
        replies = r.json()["replies"]
        check(len(replies) == 3, "replies to three questions:", r.json())
        check(sorted(x["rcode"] for x in replies) == [0, 0, 5], replies)
        lab.absent(tok)
        r.event(text=tok)


def test_row01_tcp_never_whole(lab):
    """A length that promises more than comes, and one of zero: no answer, no harm to the next one."""
    for data in (b"\0\0", b"\xff\xff" + b"TOKEN", b"\0\x05TOKEN", b"\0"):
        tok = L.token()
        r = lab.run(POLICY, lab.attack("several", list=json.dumps([
            ["raw_bytes", {"to": topo.DNS4, "port": 53, "hex": data.hex(), "token": tok, "wait": 0.2}],
            ["dns", {"server": topo.DNS4, "name": "api.allowed.test", "tcp": 1}]])))
        check(r.json()["results"][1].get("addresses") == [topo.ALLOWED4], data, r.json())
        lab.absent(tok)


def test_row02_malformed_udp(lab):
    tok, r = both(lab, "dns_malformed", lambda t: dict(server=topo.DNS4, name="api.allowed.test"))
    lab.absent(tok)
    got = r.json()
    fine = {"edns option", "client subnet", "z bits"}
    for what in ("edns option", "client subnet"):
        check(got[what].get("rcode") == 0 and got[what]["addresses"], "a known name with", what, got[what])
    for what, reply in got.items():
        if what not in fine:
            check(reply.get("rcode") != 0 or not reply.get("addresses"), what, "was answered:", reply)
    n = sum(e["event"].get("count", 1) for e in r.events())
    check(n >= len(got) - len(fine) - 1, n, "events for", len(got) - len(fine), "malformed questions:",
          [(e["agentfw"]["code"], e["event"].get("count")) for e in r.events()])


def test_row02_malformed_tcp(lab):
    tok, r = both(lab, "dns_malformed", lambda t: dict(server=topo.DNS4, name="api.allowed.test", tcp=1))
    lab.absent(tok)
    check(r.events(), "no event")


def test_row02_our_words_upstream(lab):
    """Nothing of the agent's packet goes on but the canonical name and the type."""
    r = lab.run(POLICY, lab.attack("dns", server=topo.DNS4, name="aPi.AlLoWeD.tEsT"))
    check(r.json()["addresses"] == [topo.ALLOWED4], r.json())
    asked = lab.zone.asked("api")
    check(asked and all(b"\3api\7allowed\4test\0" in q[2] for q in asked), "case went upstream:", asked)


def test_row03_forged_answer(lab):
    """Forgeries come before the true answer: wrong id, port, server, question; none is learned."""
    def forge(how):
        def answer(q):
            if q.transport == "tcp":
                return q.a(topo.ALLOWED4, topo.ALLOWED6)
            bad = dict(qid=(wire.dns_parse(q.raw)["id"] + 1) & 0xffff) if how == "id" else {}
            if how == "question":
                bad["question"] = wire.dns_name("other.far.test") + struct.pack("!2H", q.qtype, 1)
            if how == "type":
                bad["question"] = wire.dns_name(q.name) + struct.pack("!2H", 16, 1)
            m = q.a(topo.EVIL4, topo.EVIL6, **bad)
            if how == "query bit":
                m = m[:2] + b"\1\0" + m[4:]
            if how == "server":
                q.reply(m, "::ffff:" + topo.FORGER4)
            else:
                q.reply(m)
            return q.a(topo.ALLOWED4, topo.ALLOWED6)
        return answer
    for how in ("id", "question", "type", "server", "query bit"):
        name = how.replace(" ", "") + ".far.test"
        lab.zone.script(name, forge(how))
        tok = L.token()
        r = lab.run(POLICY, lab.attack("several", list=json.dumps([
            ["resolve", {"name": name}],
            ["hello", {"to": topo.EVIL4, "port": 443, "sni": name, "token": tok}],
            ["hello", {"to": topo.EVIL6, "port": 443, "sni": name, "token": tok}]])))
        res = r.json()["results"]
        check(topo.EVIL4 not in res[0]["addresses"] and topo.EVIL6 not in res[0]["addresses"], how, res[0])
        if how != "server":  # one from elsewhere is not seen at all, the others may spoil the question
            check(res[0]["ms"] < 6000, how, res[0])
        lab.absent(tok, how)
        check(res[1]["connect"] == "ECONNREFUSED", how, res[1])


def test_row03_attackers_own_server(lab):
    """The agent asks a server of its own, which says whatever it likes: it is never asked."""
    for server in (topo.EVIL4, topo.EVIL6):
        def liar(q):
            # the far end's one server tells by the address it was asked at
            return q.a(topo.EVIL4) if q.server in (topo.EVIL4, topo.EVIL6) else q.a(topo.ALLOWED4)
        lab.zone.script("liar.far.test", liar)
        r = lab.bare(lab.attack("dns", server=server, name="liar.far.test"))
        check(r.json()["addresses"] == [topo.EVIL4], "the liar does not lie", r.json())
        r = lab.run(POLICY, lab.attack("dns", server=server, name="liar.far.test"))
        check(r.json()["addresses"] == [topo.ALLOWED4], server, r.json())


def test_row04_udp_from_port_53(lab):
    for to in (topo.EVIL4, topo.EVIL6):
        for port in (9999, 1234):
            tok, r = both(lab, "udp_send", lambda t: dict(to=to, port=port, sport=53), user="root")
            lab.absent(tok)
            r.event(text=to)


def test_row04_any_resolver(lab):
    for server in (topo.EVIL4, topo.EVIL6, topo.DNS4, topo.DNS6, "203.0.113.30"):
        for t in (0, 1):
            tok, r = both(lab, "dns", lambda k: dict(server=server, name=k + ".evil.test", tcp=t))
            refused(r.json(), "%s tcp=%d" % (server, t))
            lab.absent(tok)


def test_row04_loopback_resolver(lab):
    """127.0.0.53 and ::1 are port 53 as any other."""
    for server in ("127.0.0.53", "127.0.0.1", "::1"):
        r = lab.run(POLICY, lab.attack("dns", server=server, name="api.allowed.test"))
        check(r.json().get("addresses") == [topo.ALLOWED4], server, r.json())


def test_row04_other_dns_ports(lab):
    """mDNS, LLMNR, DoT, DoQ, DNS on odd ports, at an evil address and at an allowed one."""
    calls = [("udp_send", dict(to=to, port=port, wait=0.1)) for to, port in (
        ("224.0.0.251", 5353), ("ff02::fb", 5353), ("224.0.0.252", 5355), ("ff02::1:3", 5355),
        (topo.EVIL4, 5353), (topo.EVIL4, 853), (topo.EVIL6, 853), (topo.ALLOWED4, 853),
        (topo.ALLOWED4, 443), (topo.ALLOWED6, 443))]
    lab.batch_bare(calls)
    r, _ = lab.batch(POLICY, calls)
    for _, kw in calls:
        r.event(text=kw["to"])


def test_row04_dot_doh(lab):
    for to, port, sni in ((topo.EVIL4, 853, "dns.evil.test"), (topo.ALLOWED4, 853, "api.allowed.test"),
                          (topo.EVIL4, 443, "dns.evil.test"), (topo.EVIL6, 443, "api.allowed.test")):
        tok, r = both(lab, "hello", lambda t: dict(to=to, port=port, sni=sni))
        check(r.json()["connect"] == "ECONNREFUSED", r.json())
        lab.absent(tok)


def test_row05_data_in_names(lab):
    tok = L.token()
    lab.bare(lab.attack("dns_labels", server=topo.DNS4, base="api.allowed.test", token=tok))
    check(len(lab.zone.asked(tok)) >= 10, "the questions are harmless without a fence")
    tok = L.token()
    r = lab.run(POLICY, lab.attack("dns_labels", server=topo.DNS4, base="api.allowed.test", token=tok))
    lab.absent(tok)
    for what, reply in r.json().items():
        check(reply.get("rcode") not in (0, None) and not reply.get("addresses"), what, reply)
    check(sum(e["event"].get("count", 1) for e in r.events()) >= len(r.json()), "events:", len(r.events()))


def test_row05_types_of_an_allowed_name(lab):
    """Types that no rule names: no error, no answer, nothing asked upstream."""
    for qtype in (wire.TXT, wire.NULL, wire.MX, wire.SRV, wire.ANY, 65280):
        del lab.zone.queries[:]
        r = lab.run(POLICY, lab.attack("dns", server=topo.DNS4, name="api.allowed.test", qtype=qtype))
        check(r.json().get("rcode") in (0, 5) and not r.json()["answers"], qtype, r.json())
        check(not [q for q in lab.zone.queries if q[1] == qtype], "type %d went upstream" % qtype)


def test_row05_wildcard_is_the_one_way(lab):
    """Under an allowed wildcard names do go upstream; that is what the rule says. (Shows that the
    recorder would have seen the others.)"""
    tok = L.token()
    lab.run(POLICY, lab.attack("dns", server=topo.DNS4, name=tok + ".far.test"))
    lab.arrives(tok)


def test_row06_answers(lab):
    z = lab.zone
    far = topo.ALLOWED4

    def rr(owner, addr, ttl=60):
        t, d = wire.rdata(addr)
        return owner, t, ttl, d

    def cname(owner, to):
        return owner, wire.CNAME, 60, wire.dns_name(to)

    def only_a(make):
        return lambda q: wire.dns_answer(q.raw, make(q.name) if q.qtype == wire.A else [])
    z.script("unrelated.far.test", only_a(lambda n: [rr("elsewhere.test", topo.EVIL4)]))
    z.script("beside.far.test", only_a(lambda n: [rr(n, far), rr("elsewhere.test", topo.EVIL4)]))
    z.script("loop.far.test", only_a(lambda n: [cname(n, "x.test"), cname("x.test", n), rr("y.test", topo.EVIL4)]))
    z.script("self.far.test", only_a(lambda n: [cname(n, n)]))
    z.script("chain.far.test", only_a(lambda n: [cname(n, "h0.test")] + [
        cname("h%d.test" % i, "h%d.test" % (i + 1)) for i in range(100)] + [rr("h100.test", topo.EVIL4)]))
    z.script("two.far.test", only_a(lambda n: [cname(n, "a.test"), cname(n, "b.test"), rr("b.test", topo.EVIL4)]))
    z.script("cdn.far.test", only_a(lambda n: [cname(n, "edge.elsewhere.test"), rr("edge.elsewhere.test", far)]))
    z.script("broken.far.test", lambda q: q.a(topo.EVIL4)[:-3])
    z.script("pointer.far.test", lambda q: q.raw[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q.raw[12:12 + len(
        wire.dns_name(q.name)) + 4] + b"\xc0\xff\0\1\0\1\0\0\0\x3c\0\4" + bytes([203, 0, 113, 20]))
    for name, want in (("unrelated", []), ("beside", [far]), ("loop", []), ("self", []), ("chain", []),
                       ("two", None), ("cdn", [far]), ("broken", []), ("pointer", [])):
        tok = L.token()
        r = lab.run(POLICY, lab.attack("several", list=json.dumps([
            ["dns", {"server": topo.DNS4, "name": name + ".far.test"}],
            ["hello", {"to": topo.EVIL4, "port": 443, "sni": name + ".far.test", "token": tok, "wait": 0.5}]])), timeout=30)
        res = r.json()["results"]
        check(want is None or res[0].get("addresses", []) == want, name, "wanted", want, "got", res[0])
        if name == "two" and topo.EVIL4 in res[0].get("addresses", []):
            continue  # either alias may be followed
        lab.absent(tok, name)


def test_row06_truncated(lab):
    """TC: asked again by TCP."""
    def tc(q):
        return q.a(topo.ALLOWED4, flags=0x0200)[:0] or (
            wire.dns_answer(q.raw, [], flags=0x0200) if q.transport == "udp" else q.a(topo.ALLOWED4, topo.ALLOWED6))
    lab.zone.script("tc.far.test", tc)
    r = lab.run(POLICY, lab.attack("dns", server=topo.DNS4, name="tc.far.test"))
    check(r.json().get("addresses") == [topo.ALLOWED4], r.json())
    # and the record that came in the truncated answer is not believed
    lab.zone.script("tc2.far.test", lambda q: q.a(topo.EVIL4, flags=0x0200) if q.transport == "udp"
                    else q.a(topo.ALLOWED4))
    r = lab.run(POLICY, lab.attack("dns", server=topo.DNS4, name="tc2.far.test"))
    check(topo.EVIL4 not in r.json().get("addresses", []), r.json())


def test_row06_large(lab):
    """Two hundred addresses of one name, by TCP."""
    many = ["203.0.113.%d" % i for i in range(1, 201)]
    lab.zone.script("many.far.test", lambda q: wire.dns_answer(q.raw, [], flags=0x0200)
                    if q.transport == "udp" else q.a(*many))
    r = lab.run(POLICY, lab.attack("dns", server=topo.DNS4, name="many.far.test", tcp=1))
    check(r.json().get("addresses"), "no answer", r.json())


def test_row07_ttl_zero(lab):
    """TTL 0 is long enough for the connection that follows."""
    lab.zone.set("zero.far.test", topo.ALLOWED4, topo.ALLOWED6, ttl=0)
    for _ in range(3):
        tok = L.token()
        r = lab.run(POLICY, lab.attack("pair", name="zero.far.test", port=443, sni="zero.far.test", token=tok))
        check(r.json().get("back"), r.json())
        lab.arrives(tok)


REBIND = {"loopback": "127.0.0.1", "loopback2": "127.8.8.8", "any": "0.0.0.0", "linklocal": "169.254.1.1",
          "metadata": "169.254.169.254", "alibaba": "100.100.100.200", "aws6": "fd00:ec2::254", "ten": "10.1.2.3",
          "private172": "172.16.9.9", "private192": "192.168.77.7", "ula": "fd12:3456::1",
          "mapped": "::ffff:10.1.2.3", "mappedlo": "::ffff:127.0.0.1", "mappedpublic": "::ffff:203.0.113.20",
          "nat64": "64:ff9b::a9fe:a9fe", "sixtofour": "2002:a01:203::1",
          "fe80": "fe80::1", "lo6": "::1", "any6": "::", "multicast": "224.0.0.1", "multicast6": "ff02::1",
          "broadcast": "255.255.255.255", "own": topo.AGENT4, "own6": topo.AGENT6}


def test_row08_rebinding(lab):
    for key, addr in REBIND.items():
        lab.zone.set(key + ".far.test", addr)
    names = [["dns", {"server": topo.DNS4, "name": k + ".far.test", "qtype": 28 if ":" in a else 1}]
             for k, a in REBIND.items()]
    r = lab.bare(lab.attack("several", list=json.dumps(names)))
    check(all(x.get("addresses") for x in r.json()["results"]), "the answers do not come without a fence", r.json())
    r = lab.run(POLICY, lab.attack("several", list=json.dumps(names)))
    for (key, addr), got in zip(REBIND.items(), r.json()["results"]):
        check(not got.get("addresses"), "%s (%s) was answered:" % (key, addr), got)
        check("rcode" in got and got["ms"] < 1000, "no quick answer for", key, got)
        if key == "mappedpublic":  # not a place that is kept from us, only nothing one can use
            continue
        e = r.event(text=key + ".far.test")
        check("rebind" in e["agentfw"]["code"], key, e["agentfw"]["code"])


def test_row08_rebinding_connect(lab):
    """The address is not reachable either, with the allowed name as SNI."""
    for key in ("metadata", "alibaba", "ten", "ula", "aws6"):
        addr = REBIND[key]
        lab.zone.set(key + ".far.test", addr)

        def calls(tok):
            return json.dumps([["resolve", {"name": key + ".far.test"}],
                               ["hello", {"to": addr, "port": 443, "sni": key + ".far.test", "token": tok}]])
        tok = L.token()
        lab.bare(lab.attack("several", list=calls(tok)))
        lab.arrives(tok)
        tok = L.token()
        r = lab.run(POLICY, lab.attack("several", list=calls(tok)))
        check(r.json()["results"][1]["connect"] == "ECONNREFUSED", key, r.json())
        lab.absent(tok)


def test_row08_mixed_answer(lab):
    """A good and a bad address in one answer: the bad one is not given."""
    lab.zone.set("mixed.far.test", topo.ALLOWED4, "10.1.2.3")
    r = lab.run(POLICY, lab.attack("dns", server=topo.DNS4, name="mixed.far.test"))
    check("10.1.2.3" not in r.json().get("addresses", []), r.json())
    r.event(text="mixed.far.test")


def test_row08_addresses_allow(lab):
    """`addresses:` opens the private range that it names, for that name."""
    lab.zone.set("in.far.test", "10.1.2.3")
    lab.zone.set("out.far.test", "192.168.77.7")
    pol = L.policy(("tcp://in.far.test:9000", ["10.0.0.0/8"]), ("tcp://out.far.test:9000", ["10.0.0.0/8"]))
    tok = L.token()
    r = lab.run(pol, lab.attack("several", list=json.dumps([
        ["resolve", {"name": "in.far.test"}], ["connect", {"to": "10.1.2.3", "port": 9000, "token": tok}],
        ["resolve", {"name": "out.far.test"}]])))
    res = r.json()["results"]
    check(res[0]["addresses"] == ["10.1.2.3"] and res[1]["connect"] == "ok", res)
    check(not res[2]["addresses"], res[2])
    lab.arrives(tok)


def test_row08_addresses_are_the_entrys(lab):
    """`addresses:` of one entry opens nothing for another entry of the same name: seen at the far end."""
    for inside, net, public in (("10.1.2.3", "10.0.0.0/8", topo.ALLOWED4), ("fd12:3456::1", "fd00::/8", topo.ALLOWED6)):
        lab.zone.set("in.far.test", inside, public)
        kind = 28 if ":" in inside else 1
        pol = L.policy(("tcp://in.far.test:9000", [net]), "tcp://in.far.test:9001", "in.far.test", "http://in.far.test")
        dns = ["dns", {"server": topo.DNS4, "name": "in.far.test", "qtype": kind}]
        toks = [L.token() for _ in range(6)]
        calls = [["connect", {"to": inside, "port": 9000, "token": toks[0]}],
                 ["connect", {"to": inside, "port": 9001, "token": toks[1]}],
                 ["hello", {"to": inside, "port": 443, "sni": "in.far.test", "token": toks[2], "wait": 0.3}],
                 ["connect", {"to": inside, "port": 80, "token": "GET / HTTP/1.1\r\nHost: in.far.test\r\nX: " +
                              toks[3] + "\r\n\r\n"}],
                 ["connect", {"to": public, "port": 9000, "token": toks[4]}],
                 ["connect", {"to": public, "port": 9001, "token": toks[5]}]]
        r = lab.run(pol, lab.attack("several", list=json.dumps([dns] + calls)))
        res = r.json()["results"]
        check(sorted(res[0]["addresses"]) == sorted([inside, public]), res[0])
        for i in (0, 4, 5):
            lab.arrives(toks[i], (calls[i], res[i + 1]))
        for i in (1, 2, 3):
            lab.absent(toks[i], (calls[i], res[i + 1]))
            check(res[i + 1].get("connect") == "ECONNREFUSED", calls[i], res[i + 1])
        r.event(text=inside)


def test_row08_embedded(lab):
    """Every form in which an IPv6 address leads to an IPv4 one."""
    forms = ["::ffff:0:127.0.0.1", "::ffff:0:10.1.2.3", "64:ff9b::10.1.2.3", "64:ff9b:1::8.8.8.8", "2002:7f00:1::1",
             "::10.1.2.3", "2001:0:808:808::80ff:fffe", "2001:0:a01:203::f7f7:f7f7", "2001:db8::5efe:10.1.2.3",
             "2001:db8::200:5efe:127.0.0.1"]
    for i, addr in enumerate(forms):
        lab.zone.set("e%d.far.test" % i, addr)
    r = lab.run(POLICY, lab.attack("several", list=json.dumps([
        ["dns", {"server": topo.DNS4, "name": "e%d.far.test" % i, "qtype": 28}] for i in range(len(forms))])))
    for addr, got in zip(forms, r.json()["results"]):
        check(not got.get("addresses") and "rcode" in got, addr, "was answered:", got)


def test_row16_https_record_loses_ech(lab):
    """HTTPS/SVCB answers come through without the `ech` parameter."""
    ech = struct.pack("!2H", 5, 8) + b"ECHECHEC"
    data = struct.pack("!H", 1) + b"\0" + struct.pack("!2H", 1, 3) + b"\2h2" + ech
    lab.zone.script("svc.far.test", lambda q: wire.dns_answer(q.raw, [(q.name, q.qtype, 60, data)]
                    if q.qtype == wire.HTTPS else []))
    code = ("import sys; sys.path.insert(0, %r); import wire; from attacks import dns; v = dns.udp_ask(%r, wire.dns_query("
            "'svc.far.test', 65, edns=b''))[0]; print('{\"hex\": \"%%s\"}' %% v.hex())" % (L.HERE, topo.DNS4))
    bare = bytes.fromhex(lab.bare([L.PYTHON, "-c", code]).json()["hex"])
    check(b"ECHECHEC" in bare)
    got = bytes.fromhex(lab.run(POLICY, [L.PYTHON, "-c", code]).json()["hex"])
    check(b"ECHECHEC" not in got and got[3] & 15 == 0, got)


def test_many_lookups(lab):
    """Row 10: parallel getaddrinfo (A and AAAA from one port): none lost, none slow."""
    code = """
import socket, concurrent.futures, json, time
def one(i):
    t = time.monotonic()
    try:
        n = len(socket.getaddrinfo('n%d.cdn.test' % i, 443, type=socket.SOCK_STREAM))
    except OSError as e:
        n = str(e)
    return n, time.monotonic() - t
with concurrent.futures.ThreadPoolExecutor(50) as ex:
    got = list(ex.map(one, range(2000)))
print(json.dumps({'bad': [g for g in got if g[0] != 2][:5], 'n': len(got), 'max': max(g[1] for g in got)}))
"""
    r = lab.run(L.policy("*.cdn.test"), [L.PYTHON, "-c", code], timeout=60)
    got = r.json()
    check(got["n"] == 2000 and not got["bad"], got, r.events()[:3])
    check(got["max"] < 4.5, "a lookup waited for a retry:", got)  # glibc asks again after 5 s


def test_port_used_by_others(lab):
    """A question from a port from which another fence, or somebody outside, has just asked that server:
    each is answered by whom it should be."""
    def ask(fenced_for, name, server, port):
        cmd = lab.attack("dns", server=server, name=name, sport=port)
        return (lab.run(L.policy(fenced_for), cmd) if fenced_for else lab.bare(cmd)).json()

    # So that connections outside are tracked, too.
    held = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
    for server, port in ((topo.DNS4, 23456), (topo.DNS6, 23457)):
        for _ in range(2):
            got = ask(None, "evil.test", server, port)
            check(got.get("addresses") == [topo.EVIL4], "outside:", server, got)
            for name, other, address in (("api.allowed.test", "other.test", topo.ALLOWED4),
                                         ("other.test", "api.allowed.test", topo.OTHER4)):
                got = ask(name, name, server, port)
                check(got.get("addresses") == [address], name, server, got)
                refused(ask(name, other, server, port), "%s from the fence of %s" % (other, name))
    held.stop()


def test_asker_gone(lab):
    """An answer to a closed socket: the kernel's error goes to the server that was asked, with the question in it."""
    for server in (topo.DNS4, topo.EVIL4, topo.DNS6, topo.EVIL6):
        tok, r = both(lab, "dns_gone", lambda t: dict(server=server, n=400))
        check(r.json()["sent"] == 400, r.tell())
        lab.absent(tok)


def resolver_port(lab, held):
    """Where the resolver of the one fence there is listens."""
    out = lab.bare(["ss", "-Hlnup"]).out
    found = re.findall(r"127\.0\.0\.1:(\d+) .*agentfwd", out)
    check(len(found) == 1, "the resolver's port:", out)
    return int(found[0])


def test_asked_by_others(lab):
    """Nobody outside asks a fence's resolver: what he asks would be written down as the fence's."""
    held = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
    port = resolver_port(lab, held)
    toks = []
    for server in ("127.0.0.1", "::1"):
        for tcp in (0, 1):
            for name in ("%s.evil.test", "%s.far.test"):
                toks.append(L.token())
                got = lab.bare(lab.attack("dns", server=server, port=port, tcp=tcp, name=name % toks[-1])).json()
                check("rcode" not in got, "answered:", server, tcp, got)
    inside = lab.run(POLICY, lab.attack("dns", server="127.0.0.1", port=port, name="api.allowed.test")).json()
    check("rcode" not in inside, "another fence was answered:", inside)
    held.send("")
    r = held.result()
    for tok in toks:
        lab.absent(tok)
        check(not r.events(text=tok), "written down as the fence's:", r.events(text=tok))


def test_asked_from_anywhere(lab):
    """The answer goes to where the question seems to come from, with the question in it."""
    for server in (topo.DNS6, "::1"):
        for how in ("boxed", "rules"):
            tok = L.token()
            cmd = lab.attack("from_anywhere", what="question", server=server, token=tok, **{"from": topo.EVIL6})
            r = lab.run(POLICY, cmd) if how == "boxed" else lab.in_cgroup(POLICY, cmd)
            lab.absent(tok, "%s %s" % (server, how))
            if how == "rules" and server != "::1":
                r.event(code="source")
