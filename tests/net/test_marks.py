# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's own rules set, save and restore marks of packets and connections: what is allowed works, and what is not
arrives nowhere."""
import contextlib
import os
import socket
import subprocess
import tempfile
import time

import lab as L
import topo
from lab import check
from test_found import BOTH, NAME, POLICY, nothing_arrived, targets

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
    "a mark in our bits, set last": ("", "500", "meta mark set 0x20010000;"),
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
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
        s.bind((to, 7041))
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
                s.connect((to, 7041))
                s.send(b"payload")
            except OSError:
                pass
            s.close()
"""


def test_row42_restored_marks_between_fences(lab):
    """One fence may send there by its rules, the other lets nobody in: whatever marks the host's rules restore."""
    rules = [p + to + ":7041" for p in ("tcp://", "udp://") for to in ("127.0.0.1", "[::1]")]
    for hook in ("prerouting", "input"):
        for rule in RESTORED:
            with host_rules(lab, RESTORE % (hook, rule)):
                server = lab.start(L.policy("api.allowed.test"), [L.PYTHON, "-c", LISTENS])
                r = lab.run(L.policy(*rules), [L.PYTHON, "-c", SENDS])
                server.send("end")
                s = server.result()
                check(r.rc == 0 and "GOT 0" in s.out and s.events(code="inbound"), hook, rule, r.tell(), s.tell())


# Rules that change a packet's mark, on its way out or where it comes in.
MARKED = [("output", p, r) for p in ("mangle", "filter") for r in ("meta mark set 0x1", "meta mark set meta mark or 0x1")] + [
    ("output", "mangle", "ct mark set 5; meta mark set ct mark"), ("postrouting", "mangle", "meta mark set 0x1"),
    ("postrouting", "500", "meta mark set 0x1"), ("prerouting", "mangle", "meta mark set 0x1"),
    ("prerouting", "mangle", "meta mark set ct mark and 0xff"), ("input", "mangle", "meta mark set 0")]


def test_row42_marks_and_services_of_the_host(lab):
    """A service of the host's, in no fence, gets nothing of one whose rules name nobody."""
    with tempfile.TemporaryFile("w+") as out:
        p = subprocess.Popen(lab.enter() + [L.PYTHON, "-c", LISTENS], stdin=subprocess.PIPE, stdout=out, text=True, env=lab.env())
        try:
            L.until(lambda: (out.seek(0), "READY" in out.read())[1], 5, "no service")
            for hook, priority, rule in MARKED:
                text = "table inet host {\n  chain p { type %s hook %s priority %s; %s\n  }\n}" % (
                    "route" if hook == "output" else "filter", hook, priority, rule)
                with host_rules(lab, text):
                    r = lab.run(L.policy(), [L.PYTHON, "-c", SENDS])
                    check(r.rc == 0 and r.events(), hook, priority, rule, r.tell())
        finally:
            p.communicate("end\n", timeout=10)
        out.seek(0)
        check(out.read().split()[-2:] == ["GOT", "0"], "a service of the host's got something")


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
