# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain HTTP: immunity row 14. Every request's Host, as far as it is seen before verification."""
import json

import lab as L
import topo
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy("http://" + NAME)
BOTH = (topo.ALLOWED4, topo.ALLOWED6)


def send(lab, to, data, tok, pol=POLICY, **kw):
    calls = [["resolve", {"name": NAME}],
             ["raw_bytes", dict(to=to, port=80, hex=data.hex(), token=tok, **kw)]]
    r = lab.run(pol, lab.attack("several", list=json.dumps(calls)), timeout=30)
    return r, r.json()["results"][1]


def get(*lines, end=b"\r\n", body=b""):
    return end.join(lines) + end + end + body


GOOD = get(b"GET /TOKEN HTTP/1.1", b"Host: api.allowed.test")
BAD = {
    "other host": get(b"GET /TOKEN HTTP/1.1", b"Host: evil.test"),
    "two hosts, good first": get(b"GET /TOKEN HTTP/1.1", b"Host: api.allowed.test", b"Host: evil.test"),
    "two hosts, bad first": get(b"GET /TOKEN HTTP/1.1", b"Host: evil.test", b"Host: api.allowed.test"),
    "no host": get(b"GET /TOKEN HTTP/1.1", b"X: y"),
    "no host, 1.0": get(b"GET /TOKEN HTTP/1.0", b"X: y"),
    "empty host": get(b"GET /TOKEN HTTP/1.1", b"Host:"),
    "absolute against host": get(b"GET http://evil.test/TOKEN HTTP/1.1", b"Host: api.allowed.test"),
    "host against absolute": get(b"GET http://api.allowed.test/TOKEN HTTP/1.1", b"Host: evil.test"),
    "obs-fold": get(b"GET /TOKEN HTTP/1.1", b"Host:", b" evil.test", b"X: api.allowed.test"),
    "folded host": get(b"GET /TOKEN HTTP/1.1", b"X: y", b" Host: api.allowed.test", b"Host: evil.test"),
    "host is folded away": get(b"GET /TOKEN HTTP/1.1", b"X: y", b" Host: api.allowed.test"),
    "bare LF": get(b"GET /TOKEN HTTP/1.1", b"Host: evil.test", b"X: y\nHost: api.allowed.test"),
    "bare LF alone": get(b"GET /TOKEN HTTP/1.1", b"X: y\nHost: evil.test", b"Host: api.allowed.test"),
    "bare CR": get(b"GET /TOKEN HTTP/1.1", b"X: y\rHost: api.allowed.test", b"Host: evil.test"),
    "space before colon": get(b"GET /TOKEN HTTP/1.1", b"Host : api.allowed.test", b"Host: evil.test"),
    "NUL in host": get(b"GET /TOKEN HTTP/1.1", b"Host: api.allowed.test\0.evil.test"),
    "user part": get(b"GET /TOKEN HTTP/1.1", b"Host: api.allowed.test@evil.test"),
    "list of hosts": get(b"GET /TOKEN HTTP/1.1", b"Host: api.allowed.test, evil.test"),
    "other port": get(b"GET /TOKEN HTTP/1.1", b"Host: api.allowed.test:81"),
    "address as host": get(b"GET /TOKEN HTTP/1.1", b"Host: 203.0.113.10"),
    "CONNECT": get(b"CONNECT evil.test:443 HTTP/1.1", b"Host: api.allowed.test", body=b"TOKEN"),
    "pipelined": GOOD.replace(b"TOKEN", b"ok") + get(b"GET /TOKEN HTTP/1.1", b"Host: evil.test"),
    "body hides a request": get(b"POST /x HTTP/1.1", b"Host: api.allowed.test", b"Content-Length: 3",
                                b"Transfer-Encoding: chunked",
                                body=b"0\r\n\r\n" + get(b"GET /TOKEN HTTP/1.1", b"Host: evil.test")),
    "h2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"TOKEN" * 10,
    "garbage": b"TOKEN TOKEN TOKEN\r\n\r\n",
    "binary": b"\0\1\2\3TOKEN" * 5,
    "space before the line": b" GET /TOKEN HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n",
    "tls": b"\x16\3\1\2\0\1\0\1\xfc\3\3TOKEN" + b"x" * 600,
}


def test_control_allowed(lab):
    for to in BOTH:
        for kw in (dict(), dict(chunk=9), dict(chunk=1)):
            for data in (GOOD, GOOD.replace(b"api.allowed.test", b"API.allowed.Test"),
                         GOOD.replace(b"api.allowed.test", b"api.allowed.test:80")):
                tok = L.token()
                r, got = send(lab, to, data, tok, wait=5, **kw)
                check(bytes.fromhex(got.get("back", "")).startswith(b"HTTP/1.1 404"), kw, data, got, [
                    (e["agentfw"]["code"], e["event"]["reason"]) for e in r.events()])
                lab.arrives(tok)


def test_slow_writers(lab):
    """Nothing of the first payload is acknowledged before it is whole, and TCP still sends the rest of it."""
    for to in BOTH:
        for chunk, pause in ((1, 0), (1, 0.002), (1, 0.01), (1, 0.025), (20, 0.1), (30, 0.45), (60, 1.2)):
            tok = L.token()
            r, got = send(lab, to, GOOD, tok, wait=5, chunk=chunk, pause=pause)
            check(bytes.fromhex(got.get("back", "")).startswith(b"HTTP/1.1 404"), to, chunk, pause, got, [
                (e["agentfw"]["code"], e["event"]["reason"]) for e in r.events()])
            lab.arrives(tok)


HALF = """
import socket, sys, time
socket.getaddrinfo("api.allowed.test", 80)
s = socket.create_connection((%r, 80))
s.sendall(b"GET /%s HTTP/1.1\\r\\nHost: evil.te")
time.sleep(%g)  # held, or given back to TCP by then
"""


def test_row14_half_at_the_end(lab):
    """What is held of a request when its fence ends is told, and in the capture."""
    for to in BOTH:
        for pause in (0.005, 0.3):
            tok = L.token()
            r = lab.run(POLICY, [L.PYTHON, "-c", HALF % (to, tok, pause)])
            r.event(code="silence", text=to)
            check(any(tok.encode() in p for p in r.packets()), to, pause, r.tell())
            lab.absent(tok)


def bad_cases(lab, names, **kw):
    for what in names:
        data = BAD[what]
        for to in BOTH:
            lab.works_bare("raw_bytes", L.token(), to=to, port=80, hex=data.hex(), wait=0.05)
            tok = L.token()
            r, got = send(lab, to, data, tok, wait=8, **kw)
            lab.absent(tok, what)
            check(got["connect"] != "ok" or got["end"] != "TIMEOUT", what, "left hanging:", got)
            check(L.fast(got.get("end_ms", 0), L.FAST_MS if not kw else 1000), what, "slow:", got)
            e = r.event(text=to)
            L.check_packet(r, e)


def test_row14_hosts(lab):
    bad_cases(lab, list(BAD)[:8])


def test_row14_lines(lab):
    bad_cases(lab, list(BAD)[8:18])


def test_row14_rest(lab):
    bad_cases(lab, list(BAD)[18:])


def test_row14_in_pieces(lab):
    bad_cases(lab, ["other host", "two hosts, good first", "absolute against host", "bare LF"], chunk=3)


def test_row14_second_request(lab):
    """Host on the second request of a kept-alive connection."""
    first = GOOD.replace(b"TOKEN", b"ok")
    second = get(b"GET /TOKEN HTTP/1.1", b"Host: evil.test")
    for to in BOTH:
        lab.works_bare("raw_bytes", L.token(), to=to, port=80, hex=first.hex(), then_hex=second.hex(), wait=0.3)
        tok = L.token()
        r, got = send(lab, to, first, tok, then_hex=second.hex())
        check(bytes.fromhex(got["back"]).startswith(b"HTTP/1.1 404"), got)
        lab.absent(tok, "second request")
        r.event(text="evil.test")


def test_row14_second_request_allowed(lab):
    first = GOOD.replace(b"TOKEN", b"ok")
    tok = L.token()
    r, got = send(lab, topo.ALLOWED4, first, tok, then_hex=GOOD.hex())
    check(bytes.fromhex(got.get("back2", "")).startswith(b"HTTP/1.1 404"), got, r.events()[:2])
    lab.arrives(tok)


def test_row14_broken_off(lab):
    """What was held of a connection is refused, and told, when the next one has its port."""
    tok = L.token()
    calls = [["resolve", {"name": NAME}],
             ["broken_off", dict(to=topo.ALLOWED4, port=80, hex=GOOD.replace(b"TOKEN", b"ok").hex(), token=tok)]]
    r = lab.run(POLICY, lab.attack("several", list=json.dumps(calls)), timeout=30)
    got = r.json()["results"][1]
    check(all(bytes.fromhex(b).startswith(b"HTTP/1.1 404") for b in got["backs"]), got)
    lab.absent(tok)
    r.event(code="silence")


def test_http_rule_is_not_tls(lab):
    """An http rule lets no hello through, an https rule no request on port 80."""
    tok = L.token()
    r = lab.run(POLICY, lab.attack("several", list=json.dumps([
        ["resolve", {"name": NAME}],
        ["hello", {"to": topo.ALLOWED4, "port": 80, "sni": NAME, "token": tok}],
        ["hello", {"to": topo.ALLOWED4, "port": 443, "sni": NAME, "token": tok}]])))
    lab.absent(tok)
    r, got = send(lab, topo.ALLOWED4, GOOD, tok, pol=L.policy(NAME))
    check(got["connect"] == "ECONNREFUSED", got)
    lab.absent(tok)


def test_row25_marks_of_the_host(lab):
    """Rules of the host put each connection's mark on its packets, as guides to several uplinks say: what stands
    there is no word of the engine's, and the second request is looked at as the first."""
    lab.bare(["nft", "-f", "-"], stdin="""table inet host {
chain a { type filter hook prerouting priority mangle; meta mark set ct mark
}
chain b { type filter hook input priority mangle; meta mark set ct mark
}
chain c { type filter hook output priority mangle; meta mark set ct mark
}
}
""")
    check("meta mark set ct mark" in lab.bare(["nft", "list", "ruleset"]).out)
    try:
        for to in (topo.ALLOWED4, topo.ALLOWED6):
            tok = L.token()
            first, second = (b"GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (p, h.encode()) for p, h in
                             ((b"one", NAME), (b"TOKEN", "evil.test")))
            r = lab.run(POLICY, lab.attack("several", list=json.dumps([["resolve", {"name": NAME}], ["raw_bytes", dict(
                to=to, port=80, hex=first.hex(), then_hex=second.hex(), token=tok)]])))
            got = r.json()["results"][1]
            check(got["back"], "the first one is answered:", got)
            lab.absent(tok)
            r.event(code="other-name", text="evil.test")
    finally:
        lab.bare(["nft", "delete", "table", "inet", "host"])
