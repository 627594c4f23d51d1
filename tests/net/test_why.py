# SPDX-License-Identifier: GPL-2.0-or-later
"""agentctl why: it says what the policy does, and does not answer for many endpoints at once."""
import lab as L
from lab import check

POLICY = """version: 1
egress:
  - openai
  - "*.cdn.example"
  - http://repo.example:8080
  - tcp://db.example:5432
  - 10.1.2.0/24:8443
  - localhost:80
  - 127.0.0.1:81
deny:
  - {to: "*.up.cdn.example", reason: go away}
  - 10.1.2.3
  - "[::1]:80"
tools:
  t: {command: [/usr/bin/true], egress: [c.example]}
  n: {command: [/usr/bin/true]}
"""


def why(lab, path, endpoint, *options):
    return lab.bare([L.AGENTCTL, "why", endpoint, "-p", path, *options])


def test_answers(lab):
    lab.need_product()
    path = lab.file(".yaml", POLICY)
    for endpoint, rc, line, *words in (
            ("api.openai.com", 0, 3, "group openai", "SNI"), ("https://x.cdn.example:443", 0, 4, "SNI"),
            ("x.up.cdn.example", 1, 11, "because: go away"), ("http://repo.example:8080", 0, 5, "Host"),
            ("tcp://db.example:5432", 0, 6, "addresses"), ("10.1.2.4:8443", 0, 7), ("10.1.2.3:8443", 1, 12),
            ("127.0.0.1:80", 0, 8), ("[::1]:80", 1, 13), ("localhost:80", 1, 13), ("localhost:81", 1, None, "- localhost:81"),
            ("cdn.example", 1, None, "- cdn.example"), ("[2001:db8::1]", 1, None, "- \"[2001:db8::1]\""),
            ("repo.example:80,443", 1, None, "- repo.example:80", "- repo.example\n")):
        r = why(lab, path, endpoint)
        check(r.rc == rc and ("allowed" in r.out) == (rc == 0), endpoint, r.tell())
        check("by %s:%s:" % (path, line) in r.out if line else "no rule speaks of it" in r.out, endpoint, r.tell())
        check(all(w in r.out for w in words), endpoint, r.tell())
    for endpoint, tool, rc, word in (("c.example", "t", 0, "allow c.example"), ("d.example", "t", 1, "add to t's egress"),
                                     ("c.example", "n", 1, "no network")):
        r = why(lab, path, endpoint, "--tool", tool)
        check(r.rc == rc and word in r.out, endpoint, tool, r.tell())


def test_what_it_suggests_allows(lab):
    """The line that agentctl why says makes the endpoint pass once added."""
    for endpoint in ("a.example", "http://a.example", "tcp://a.example:22", "udp://10.1.1.1:123", "[2001:db8::1]:443", "icmp://10.1.1.1"):
        r = why(lab, lab.file(".yaml", "version: 1\n"), endpoint)
        line = r.out.splitlines()[-1]
        check(r.rc == 1 and line.startswith("      - "), r.tell())
        r = why(lab, lab.file(".yaml", "version: 1\negress:\n" + line + "\n"), endpoint)
        check(r.rc == 0, endpoint, line, r.tell())


def test_many_at_once(lab):
    """Of these some may pass and others not."""
    path = lab.file(".yaml", POLICY)
    for endpoint, *words in (("*.cdn.example", "many names", "www.cdn.example"), ("*", "many names"),
                             ("10.1.2.0/24:8443", "many addresses"), ("openai", "is a group", "agentctl policy groups openai"),
                             ("quic://api.openai.com", "no QUIC", "https://"), ("udp://10.1.1.1:53", "own resolver", "names"), ("a b", "is not an endpoint")):
        r = why(lab, path, endpoint)
        check(r.rc == 125 and not r.out and all(w in r.err for w in words), endpoint, r.tell())


def test_audit_mode(lab):
    path = lab.file(".yaml", POLICY.replace("version: 1", "version: 1\nmode: audit"))
    r = why(lab, path, "evil.example")
    check(r.rc == 1 and "in audit mode it passes" in r.out, r.tell())
    r = why(lab, path, "x.cdn.example")
    check(r.rc == 0 and "audit" not in r.out, r.tell())
