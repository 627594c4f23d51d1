# SPDX-License-Identifier: GPL-2.0-or-later
"""The policies of the escape fuzzer, and for each where a payload may arrive: the table of far.c."""
import ipaddress

import topo

NAMES = ("api.allowed.test", "other.test", "shared.test", "evil.test")  # as in program.c
ALLOWED, OTHER = (topo.ALLOWED4, topo.ALLOWED6), (topo.OTHER4, topo.OTHER6)
LOOPBACK = ("127.0.0.1", "::1")
THIRTY, THIRTYONE = ("203.0.113.30", "2001:db8::30"), ("203.0.113.31", "2001:db8::31")
ZONE = {NAMES[0]: ALLOWED, NAMES[2]: ALLOWED, NAMES[1]: OTHER, NAMES[3]: (topo.EVIL4, topo.EVIL6)}


class Rule:
    """egress and more lines of a policy; may: (protocol, addresses, port, kinds, names of canaries)."""

    def __init__(self, egress=(), may=(), deny=(), more=(), peers=(), here=()):
        self.egress, self.may, self.deny, self.more, self.peers, self.here = egress, may, deny, more, peers, here


RULES = {
    "https": Rule(["api.allowed.test", "other.test"],
                  [("tcp", ALLOWED, 443, "TDN", "0"), ("tcp", OTHER, 443, "TDN", "1")]),
    "http": Rule(["http://api.allowed.test"], [("tcp", ALLOWED, 80, "HBN", "0")]),
    "tcp": Rule(["tcp://api.allowed.test:5432"], [("tcp", ALLOWED, 5432, "*", "*")]),
    "udp": Rule(["udp://api.allowed.test:9999"], [("udp", ALLOWED, 9999, "*", "*")]),
    "address": Rule(["tcp://203.0.113.30:9000", "tcp://[2001:db8::30]:9000", "udp://203.0.113.30:9000",
                     "udp://[2001:db8::30]:9000"],
                    [("tcp", THIRTY, 9000, "*", "*"), ("udp", THIRTY, 9000, "*", "*")]),
    "deny": Rule(["tcp://203.0.113.24/29:9001", "udp://203.0.113.24/29:9001", "tcp://[2001:db8::30/124]:9001",
                  "udp://[2001:db8::30/124]:9001"],
                 [(p, THIRTY, 9001, "*", "*") for p in ("tcp", "udp")], ["203.0.113.31", "[2001:db8::31]"]),
    "localhost": Rule(["localhost:11434", "udp://localhost:11435", "udp://localhost:8125"],
                      here=[(proto, a, port) for a in LOOPBACK
                            for proto, port in (("tcp", 11434), ("udp", 11435), ("udp", 8125))]),
    "ingress": Rule(more=["ingress:", "  - {to: \"0.0.0.0/0:7000\", from: [%s], broad: true}" % topo.ALLOWED4,
                          "  - {to: \"[::/0]:7000\", from: [\"%s\"], broad: true}" % topo.ALLOWED6],
                    peers=[(a, 7000) for a in ALLOWED]),
}


def chosen(rule):
    return list(RULES.values()) if rule == "all" else [RULES[rule]]


def policy(rule):
    egress = [e for r in chosen(rule) for e in r.egress]
    deny = [d for r in chosen(rule) for d in r.deny]
    lines = ["version: 1", "egress:" if egress else "egress: []"] + ["  - \"%s\"" % e for e in egress]
    if deny:
        lines += ["deny:"] + ["  - \"%s\"" % d for d in deny]
    lines += [l for r in chosen(rule) for l in r.more]
    lines += ["dns:", "  servers: [\"%s\"]" % topo.DNS4, "agent: {user: nobody}"]
    return "\n".join(lines) + "\n"


def table(rule, unwalled=False):
    """What escape_far and escape_outsiders read; unwalled: the fence has no socket wall."""
    lines = ["quiet %s" % topo.DNS4]
    for r in chosen(rule):
        lines += ["%s %s %d %s %s" % (proto, a, port, kinds, names) for proto, addresses, port, kinds, names in r.may
                  for a in addresses]
        lines += ["peer %s %d" % p for p in r.peers]
        lines += ["here %s %s %d" % h for h in r.here]
    return "\n".join(lines + walls(unwalled)) + "\n"


def walls(unwalled):
    return ["unwalled"] if unwalled else []


def other_policy():
    """Of the other fence on the machine: nobody may speak to it, and it speaks to nobody."""
    return "version: 1\negress: []\nagent: {user: nobody}\n"


def other_table(unwalled):
    return "".join(line + "\n" for line in walls(unwalled))


def kind_of(address):
    """Whose an address is, for people and for signatures of leaks."""
    known = {"allowed": ALLOWED, "other": OTHER, "evil": (topo.EVIL4, topo.EVIL6), "rule": THIRTY,
             "denied": THIRTYONE, "nameserver": (topo.DNS4, topo.DNS6), "own": (topo.AGENT4, topo.AGENT6, "fe80::2"),
             "router": (topo.ROUTER4, topo.ROUTER6, "fe80::1"), "broadcast": ("255.255.255.255", "198.51.100.255")}
    a = ipaddress.ip_address(address)
    for name, addresses in known.items():
        if address in addresses:
            break
    else:
        name = ("loopback" if a.is_loopback else "multicast" if a.is_multicast else "any" if a.is_unspecified
                else "link-local" if a.is_link_local else "elsewhere")
    return "%s%d" % (name, a.version)
