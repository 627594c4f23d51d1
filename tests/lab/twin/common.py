# SPDX-License-Identifier: GPL-2.0-or-later
"""What the twin's driver, servers and clients agree on: ports, addresses, rules, and the bytes of bodies."""
import collections
import random
import zlib

import topo

# Offsets from a server's base port: what is spoken there, and which rule of the policy leads there.
HTTP, TLS, RAW, HTTP_ANY, TLS_ANY, UDP, BANNER, EARLY, UDP_ANY = range(9)
FAR, PIN, ADDR, OWN, INGRESS = 8100, 8200, 8300, 8400, 8500
SECOND = 200  # the second fence's own listeners are so much higher

# Names that the test's certificate has. SHORT's answers hold for a second.
NAME, SHORT = "api.allowed.test", "cdn.test"
PIN4, PIN6, PIN46 = "git.test", "npm.test", "pypi.test"
PINS = {PIN4: ["127.0.0.1"], PIN6: ["::1"], PIN46: ["127.0.0.1", "::1"]}

BIG = 1 << 20
BLOB = random.Random(1).randbytes(BIG) * 2

Target = collections.namedtuple("Target", "place family name address base")


def pattern(n, off):
    """Pieces of the body of n bytes that begins at off."""
    while n > 0:
        take = min(n, BIG)
        yield memoryview(BLOB)[off:off + take]
        n -= take


def body(n, off):
    return b"".join(pattern(n, off))


def checksum(n, off):
    crc = 0
    for piece in pattern(n, off):
        crc = zlib.crc32(piece, crc)
    return crc


def targets():
    """An endpoint that a fenced client may reach. place is its name in the statistics."""
    out = []
    for family, far, other, lo, agent in ((4, topo.ALLOWED4, topo.OTHER4, "127.0.0.1", topo.AGENT4),
                                          (6, topo.ALLOWED6, topo.OTHER6, "::1", topo.AGENT6)):
        pin = PIN4 if family == 4 else PIN6
        out += [Target("wire", family, NAME, far, FAR), Target("wire", family, NAME, far, FAR),
                Target("wire-ttl1", family, SHORT, far, FAR), Target("wire-addr", family, None, other, FAR),
                Target("lo-pin", family, pin, lo, PIN), Target("lo-pin", family, PIN46, lo, PIN),
                Target("lo-addr", family, None, lo, ADDR), Target("own", family, None, lo, OWN),
                Target("own", family, None, agent, OWN)]
    return out


def ingress_targets(role):
    out = [Target("in-" + role, 4, None, topo.AGENT4, INGRESS), Target("in-" + role, 6, None, topo.AGENT6, INGRESS)]
    if role == "host":
        out += [Target("in-lo", 4, None, "127.0.0.1", INGRESS), Target("in-lo", 6, None, "::1", INGRESS)]
    return out


def bracket(address):
    return "[%s]" % address if ":" in address else address


def policy():
    """Every kind of rule there is, each the only one for its address and port."""
    egress = []
    for names, base in (((NAME, SHORT), FAR), ((PIN4, PIN6, PIN46), PIN)):
        for n in names:
            egress += ["http://%s:%d" % (n, base + HTTP), "https://%s:%d" % (n, base + TLS),
                       "https://%s:%d" % (n, base + EARLY), "udp://%s:%d" % (n, base + UDP),
                       "udp://%s:%d" % (n, base + UDP_ANY)]
            egress += ["tcp://%s:%d" % (n, base + p) for p in (RAW, HTTP_ANY, TLS_ANY, BANNER)]
    for address, base in ((topo.OTHER4, FAR), (topo.OTHER6, FAR), ("127.0.0.1", ADDR), ("::1", ADDR)):
        egress += ["tcp://%s:%d" % (bracket(address), base + p) for p in range(8) if p != UDP]
        egress += ["udp://%s:%d" % (bracket(address), base + p) for p in (UDP, UDP_ANY)]
    here = [topo.AGENT4, topo.AGENT6, "127.0.0.1", "::1"]
    ingress = ["tcp://%s:%d" % (bracket(a), INGRESS + p) for a in here for p in range(7) if p != UDP]
    ingress += ["udp://%s:%d" % (bracket(a), INGRESS + p) for a in here for p in (UDP, UDP_ANY)]
    lines = ["version: 1", "egress:"] + ['  - "%s"' % e for e in egress]
    lines += ["ingress:"] + ['  - "%s"' % e for e in ingress]
    lines += ["dns:", '  servers: ["%s"]' % topo.DNS4, "  hosts:"]
    lines += ["    %s: [%s]" % (n, ", ".join('"%s"' % a for a in PINS[n])) for n in PINS]
    return "\n".join(lines) + "\nagent: {user: nobody}\n"
