# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS, QUIC: immunity rows 11 to 13, 15, 16. The ClientHello carries the token."""
import json

import lab as L
import puppets
import topo
import wire
from agents import resolved
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy(NAME)
ROOTPOL = L.policy(NAME, user="root")
BOTH = (topo.ALLOWED4, topo.ALLOWED6)


def learned(lab, pol, *attacks, timeout=20, **kw):
    """Resolves the allowed name first, so that its addresses are learned; then the attacks."""
    calls = [["resolve", {"name": NAME}]] + [list(a) for a in attacks]
    r = lab.run(pol, lab.attack("several", list=json.dumps(calls)), timeout=timeout, **kw)
    return r, r.json()["results"][1:]


def cut_short(got):
    """A refused connection ends at once, by a reset, with nothing from the far end."""
    check(got.get("connect") != "ok" or (not got["back"] and got["end"] in (
        "ECONNRESET", "EPIPE", "ECONNREFUSED", "ECONNABORTED", "EHOSTUNREACH")), "not reset:", got)
    check(got.get("connect") == "ok" or L.fast(got["ms"]), "slow:", got)
    check(L.fast(got.get("end_ms", 0)), "slow:", got)


def refused_hello(lab, code=None, *, fast=True, event=True, **args):
    """One kind of hello, on both families: harmful without a fence, refused inside."""
    def sni(tok):  # in pieces that cut the token up, the server tells of the name that it read
        return {"sni": tok + ".evil.test"} if args.get("records", 1) > 1 else {}
    for to in BOTH:
        tok = L.token()
        lab.works_bare("hello", tok, to=to, port=443, **{**args, **sni(tok)})
        tok = L.token()
        r, (got,) = learned(lab, POLICY, ("hello", dict(to=to, port=443, token=tok, **{**args, **sni(tok)})))
        lab.absent(tok)
        if fast:
            cut_short(got)
        if event:
            e = r.event(text=to, code=code)
            L.check_event(r, e, exe="/usr/bin/python3", address=to, port=443)


def test_control_allowed_hello(lab):
    """The same code with the allowed name gets through: the refusals below are about the name."""
    for to in BOTH:
        for extra in (dict(), dict(chunk=1), dict(chunk=50), dict(records=2), dict(records=30, chunk=7),
                      dict(pad=1400)):
            tok = L.token()
            r, (got,) = learned(lab, POLICY, ("hello", dict(to=to, port=443, sni=NAME, token=tok, wait=5, **extra)))
            check(got.get("back", "").startswith("16"), extra, got, [
                (e["agentfw"]["code"], e["event"]["reason"]) for e in r.events()])
            if "records" not in extra:  # the records' heads cut the token up
                lab.arrives(tok, extra)


def test_row11_refused_name_on_shared_address(lab):
    refused_hello(lab, "other-name", sni="shared.test")


def test_row11_unknown_name(lab):
    refused_hello(lab, "other-name", sni="evil.test")


def test_row11_no_sni(lab):
    refused_hello(lab, "no-sni")


def test_row11_literal_address(lab):
    refused_hello(lab, sni=topo.ALLOWED4)
    refused_hello(lab, sni="[%s]" % topo.ALLOWED6)


def test_row11_learned_address_other_port(lab):
    for to in BOTH:
        for port in (8443, 1234, 80, 22):
            tok = L.token()
            lab.works_bare("connect", tok, to=to, port=port, wait=0.3)
            tok = L.token()
            r, got = learned(lab, POLICY, ("connect", dict(to=to, port=port, token=tok)),
                             ("hello", dict(to=to, port=port, sni=NAME, token=tok)))
            for g in got:
                check(g["connect"] == "ECONNREFUSED" and L.fast(g["ms"]), to, port, g)
            lab.absent(tok)
            r.event(text=str(port))


def test_row11_not_learned(lab):
    """The right name, at an address that our resolver never gave for it."""
    for to in (topo.EVIL4, topo.EVIL6, *BOTH):
        tok = L.token()
        lab.works_bare("hello", tok, to=to, port=443, sni=NAME)
        tok = L.token()
        r = lab.run(POLICY, lab.attack("hello", to=to, port=443, sni=NAME, token=tok))
        check(r.json()["connect"] == "ECONNREFUSED", to, r.json())
        lab.absent(tok)
        r.event(text=to)


def test_row11_two_names_one_address(lab):
    """Each name only where it was given."""
    pol = L.policy(NAME, "other.test")
    tok = L.token()
    r = lab.run(pol, lab.attack("several", list=json.dumps([
        ["resolve", {"name": NAME}], ["resolve", {"name": "other.test"}],
        ["hello", {"to": topo.ALLOWED4, "port": 443, "sni": "other.test", "token": tok}]])))
    cut_short(r.json()["results"][2])
    lab.absent(tok)


def test_row11_port_used_again(lab):
    """The server resets a verified connection, and the next one comes from the same port. Its conntrack entry may
    be the old one; the old verdict does not hold."""
    for to, ends in ((topo.ALLOWED4, ("shared.test", None)), (topo.ALLOWED6, (None, "shared.test"))):
        server = puppets.Outside(lab, lab.net.net)
        server.listen("l", to, 8499)
        box = puppets.Inside(lab, L.policy("tls://%s:8499" % NAME))
        check(box.resolve(NAME, to) == to)
        box.connect("c", to, 8499, "", 40100)
        server.accept("l", "s")
        box.send_hex("c", wire.client_hello(NAME).hex())
        check(len(server.recv("s")) > 100)
        server.close("s", True)
        box.ask("recv", "c")
        box.close("c")
        for sni in ends:
            tok = L.token()
            box.connect("c", to, 8499, "", 40100)
            server.accept("l", "s")
            box.ask("send_hex", "c", (wire.client_hello(sni, tok.encode()) if sni else tok.encode()).hex())
            got = box.ask("recv", "c")
            check(got in ({"error": "ECONNRESET"}, {"error": "EPIPE"}), got)
            lab.absent(tok, "%s %s" % (to, sni))
            server.close("s", True)
            box.close("c")
        box.connect("c", to, 8499, "", 40100)  # and what is allowed is allowed again
        server.accept("l", "s")
        box.send_hex("c", wire.client_hello(NAME).hex())
        check(len(server.recv("s")) > 100)
        check({e["agentfw"]["code"] for e in box.result().events()} == {"other-name", "not-tls"})


def test_row12_split_at_every_offset(lab):
    for to in BOTH:
        r, (got,) = learned(lab, POLICY, ("splits", dict(to=to, port=443, sni=NAME, token=L.token())), timeout=60)
        check(got["results"] == {"answer": got["n"] - 1}, "allowed, cut in two:", got, r.events()[:2])
        tok = L.token()
        r, (got,) = learned(lab, POLICY, ("splits", dict(to=to, port=443, sni="evil.test", token=tok, step=3)),
                            timeout=60)
        check("answer" not in got["results"] and "TIMEOUT" not in got["results"], got)
        # Linux keeps a second small write back while the first one is held (autocorking), until it is
        # sent again after 200 ms.
        check(L.fast(got["slowest_ms"], 5 * L.FAST_MS), got)
        lab.absent(tok)


def test_row12_split_refused(lab):
    for extra in (dict(chunk=1), dict(chunk=40), dict(records=2), dict(records=25), dict(records=200, chunk=1)):
        refused_hello(lab, "other-name", sni="evil.test", fast="chunk" not in extra, wait=5, **extra)


def test_row12_fastopen(lab):
    """Data in the SYN."""
    for to in BOTH:
        for sni in ("evil.test", None):
            args = dict(to=to, port=443, **({"sni": sni} if sni else {}))
            lab.works_bare("fastopen", L.token(), **args)
            tok = L.token()
            r, (got,) = learned(lab, POLICY, ("fastopen", dict(token=tok, **args)))
            lab.absent(tok)
            check(not got["back"] and got["error"] != "TIMEOUT", got)
            r.event(text=to)
        lab.works_bare("fastopen", L.token(), to=topo.EVIL4, port=9000)
        tok = L.token()
        r, _ = learned(lab, POLICY, ("fastopen", dict(to=topo.EVIL4, port=9000, token=tok)))
        lab.absent(tok)


def test_row12_two_connections(lab):
    """The second connection from a port is not read as the end of the first one's hello."""
    tok = L.token()
    r, (got,) = learned(lab, POLICY, ("stitched", dict(to=topo.ALLOWED4, port=443, sni=NAME, evil="evil.test",
                                                       token=tok, seconds=8)), timeout=60)
    check(got["tries"] > 500, "too slow to show anything:", got)
    lab.absent(tok)
    check("evil.test" not in lab.far.snis, "the server was asked for it")


def test_row12_urgent(lab):
    for to in BOTH:
        tok = L.token()
        lab.works_bare("urgent", tok, to=to, port=443, sni="evil.test")
        tok = L.token()
        r, (got,) = learned(lab, POLICY, ("urgent", dict(to=to, port=443, sni="evil.test", token=tok)))
        lab.absent(tok)
        check(not got["back"], got)
        r.event(text=to, code=("urgent", "other-name"))


def test_row12_pages_changed_in_flight(lab):
    """The server is to get other bytes than those that were looked at: pages that the kernel sends by reference
    are rewritten."""
    for to in BOTH:
        for extra in (dict(how="sendfile", race=1), dict(how="sendfile"), dict(how="splice"), dict(how="zerocopy")):
            args = dict(to=to, port=443, sni=NAME, evil="api.refused.test", **extra)
            lab.works_bare("changed", L.token(), **args)
            tok = L.token()
            r, (got,) = learned(lab, POLICY, ("changed", dict(token=tok, **args)))
            lab.absent(tok)
            check(got["error"] in ("EINVAL", "ENOTSUP"), extra, got)  # programs have another way then


WAYS = ["plain", "reversed", "overlap, good first", "overlap, bad first", "same seq twice", "bad checksum",
        "low ttl", "wrong seq", "before the window", "ahead in the window", "fake rst", "fake fin", "fin with data", "rst with data",
        "syn with data", "no flags", "no ack", "urgent", "keepalive byte"]
# What a server's stack takes from a stranger; the rest is only tried (the wire itself shows it arrive).


def crafted(lab, to, how, tok, bare):
    args = dict(to=to, port=443, sni=NAME, evil="evil.test", how=how, token=tok, wait=0.1)
    if bare:
        return lab.bare(lab.attack("crafted", **args))
    return args


def crafted_case(lab, ways):
    """Segments made by hand, as root in the cgroup without the sandbox."""
    for to in BOTH:
        for how in ways:
            tok = L.token()
            crafted(lab, to, how, tok, True)
            if how != "keepalive byte":  # one byte a segment, always at the same place
                lab.arrives(tok, how)
    h = lab.start(ROOTPOL, resolved(NAME), wall=False)
    cg = h.cgroup()
    for to in BOTH:
        for how in ways:
            tok = L.token()
            r = lab.joining(cg, lab.attack("crafted", **crafted(lab, to, how, tok, False)))
            check(r.rc == 0, how, r.tell())
            lab.absent(tok, "%s %s" % (to, how))
    h.stop()
    check(h.record().events(text="443"), "no events")


def test_row12_crafted_control(lab):
    """By hand and allowed: it gets through, so the refusals are not about how the segments are made."""
    h = lab.start(ROOTPOL, resolved(NAME), wall=False)
    for to in BOTH:
        tok = L.token()
        r = lab.joining(h.cgroup(), lab.attack("crafted", to=to, port=443, sni=NAME, evil="x", how="good", token=tok))
        check(r.rc == 0, r.tell())
        L.until(lambda: lab.rec.saw(tok), 3, "%s did not arrive" % to)


def test_row12_order_and_overlap(lab):
    crafted_case(lab, WAYS[:5])


def test_row12_decoys(lab):
    """A hello with the allowed name that the server never gets, then the other one. (Not among them: one before
    or ahead in the window, by a process that kept CAP_NET_RAW; see docs/threat-model.md.)"""
    crafted_case(lab, [w for w in WAYS[5:10] if "the window" not in w])


def test_row12_odd_flags(lab):
    crafted_case(lab, WAYS[10:])


def refused_bytes(lab, data, **kw):
    for to in BOTH:
        lab.works_bare("raw_bytes", L.token(), to=to, port=443, hex=data.hex(), wait=0.3)
        tok = L.token()
        r, (got,) = learned(lab, POLICY, ("raw_bytes", dict(to=to, port=443, hex=data.hex(), token=tok, wait=13, **kw)),
                            timeout=40)
        lab.absent(tok)
        check(got["connect"] != "ok" or (not got["back"] and got["end"] != "TIMEOUT"), "left hanging:", data[:20], got)
        r.event(text=to)
        yield got


def test_row13_garbage(lab):
    for data in (b"TOKEN" * 3, b"\x16\x03\x01\xff\xffTOKEN", b"\x16\3\1\0\0TOKEN", b"\x17\3\3\0\5TOKEN",
                 b"\x15\3\1\0\2\1\0TOKEN", b"\x80\x2e\1\0\2TOKEN", b"\x16\3\1\0\x20\2\0\0\x1cTOKEN" + b"x" * 40,
                 b"\0" * 20 + b"TOKEN", b"SSH-2.0-TOKEN\r\n"):
        for got in refused_bytes(lab, data):
            if not data.startswith(b"\x16\3\1\xff"):
                check(L.fast(got.get("end_ms", 0)), "slow:", data[:20], got)


def test_row13_http_on_tls_port(lab):
    for data in (b"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\nX: TOKEN\r\n\r\n",
                 b"GET /TOKEN HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nTOKEN"):
        for got in refused_bytes(lab, data):
            check(L.fast(got.get("end_ms", 0)), "slow:", data[:20], got)


def test_row13_half_a_hello(lab):
    """The start of an allowed hello and then silence: what was held never arrives, and it ends."""
    half = wire.client_hello(NAME, b"TOKEN" * 4)[:120]
    check(b"TOKEN" in half)
    for _ in refused_bytes(lab, half):
        pass


def test_row13_silence(lab):
    """A connection over which nothing is said harms nobody, and goes on to work."""
    for to in BOTH:
        r, (got,) = learned(lab, POLICY, ("silence", dict(to=to, port=443, wait=1)))
        check(got["connect"] == "ok" and not got["back"], got)


def test_row13_server_first(lab):
    """The server's banner may come in; what the agent then says is not TLS and stays inside."""
    pol = L.policy("tls://%s:2525" % NAME)
    data = b"EHLO TOKEN\r\n"
    for to in BOTH:
        lab.works_bare("raw_bytes", L.token(), to=to, port=2525, hex=data.hex())
        tok = L.token()
        r = lab.run(pol, lab.attack("several", list=json.dumps([
            ["resolve", {"name": NAME}],
            ["raw_bytes", {"to": to, "port": 2525, "hex": data.hex(), "token": tok}]])))
        lab.absent(tok)
        r.event(text="2525")


def test_row13_large_hello(lab):
    """16 KB: the allowed one gets through or is refused at once and says so; the other never."""
    for to in BOTH:
        for pad in (3000, 8000, 15000):
            tok = L.token()
            r, (got,) = learned(lab, POLICY, ("hello", dict(to=to, port=443, sni=NAME, pad=pad, token=tok)))
            if not got.get("back"):
                cut_short(got)
                r.event(text=to, code="too-large")
            check(got.get("back") or pad > 3000, "3 KB is what post-quantum hellos reach:", got)
            tok = L.token()
            lab.works_bare("hello", tok, to=to, port=443, sni="evil.test", pad=pad)
            tok = L.token()
            r, (got,) = learned(lab, POLICY, ("hello", dict(to=to, port=443, sni="evil.test", pad=pad, token=tok)))
            lab.absent(tok)
            cut_short(got)


def test_row15_quic(lab):
    """Initials of any version: to where a name of ours points, and to where none does."""
    for how in ("v1", "v2", "negotiation", "unknown"):
        calls = [("quic", dict(to=to, port=443, how=how)) for to in (*BOTH, topo.EVIL4, topo.EVIL6)]
        lab.batch_bare(calls)
        r, got = lab.batch(POLICY, [("resolve", dict(name=NAME))] + calls)
        for g in got[1:]:
            check(g["error"] not in (None, "TIMEOUT") and L.fast(g["ms"]), how, g)
        for _, kw in calls:
            r.event(text=kw["to"])


def test_row16_ech(lab):
    refused_hello(lab, "ech", sni=NAME, ech=1)


def test_row16_ech_allowed_by_rule(lab):
    pol = POLICY.replace("  - \"%s\"" % NAME, "  - to: \"%s\"\n    tls: {ech: allow}" % NAME)
    for sni, ok in ((NAME, True), ("evil.test", False)):
        tok = L.token()
        r, (got,) = learned(lab, pol, ("hello", dict(to=topo.ALLOWED4, port=443, sni=sni, ech=1, token=tok)))
        (lab.arrives if ok else lab.absent)(tok, sni)


def test_row16_names(lab):
    """Upper case is the same name; the rest is not."""
    tok = L.token()
    r, (got,) = learned(lab, POLICY, ("hello", dict(to=topo.ALLOWED4, port=443, sni="API.Allowed.TEST", token=tok)))
    lab.arrives(tok, "upper case")
    for raw in (b"api.allowed.test\0", b"api.allowed.test\0.evil.test", b"\0api.allowed.test", b"api.allowed.test.evil.test",
                b"xapi.allowed.test", b"api.allowed.testx", b"allowed.test", b".api.allowed.test", b"api..allowed.test",
                b"api.allowed.test..", b"api.allowed.test:443", b"api.allowed.test\n", b"*.allowed.test", b"", b"test",
                b" api.allowed.test", "аpi.allowed.test".encode(), b"xn--pi-7kc.allowed.test"):
        tok = L.token()
        r, (got,) = learned(lab, POLICY, ("hello", dict(to=topo.ALLOWED4, port=443, sni_hex=raw.hex(), token=tok) if raw
                            else dict(to=topo.ALLOWED4, port=443, sni="", token=tok)))
        lab.absent(tok, raw)
        cut_short(got)
        r.event(text=topo.ALLOWED4)


def test_row16_wildcards(lab):
    pol = L.policy("*.cdn.test")
    for name, ok in (("a.cdn.test", 1), ("a.b.c.cdn.test", 1), ("cdn.test", 0), ("xcdn.test", 0), ("cdn.test.evil.test", 0)):
        tok = L.token()
        calls = [["resolve", {"name": "learn.cdn.test"}],
                 ["hello", {"to": topo.OTHER4, "port": 443, "sni": name, "token": tok}],
                 ["resolve", {"name": name}],
                 ["hello", {"to": topo.OTHER4, "port": 443, "sni": name, "token": tok}]]
        r = lab.run(pol, lab.attack("several", list=json.dumps(calls)))
        (lab.arrives if ok else lab.absent)(tok, name)
        check(bool(r.json()["results"][2]["addresses"]) == bool(ok), name, r.json())


def test_row16_wildcard_traps_in_policies(lab):
    for bad in ("*foo.com", "a.*", "a.*.com", "*.com", "*", "*.*.cdn.test", "**.cdn.test", "*.co.uk"):
        r = lab.run(L.policy(bad), ["/bin/true"])
        check(r.rc == 125 and ":3:" in r.err, bad, r.tell())
