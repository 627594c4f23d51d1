# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/net/twin [--seed N] [--seconds S] [--requests N] [--build DIR] [--load] [--bare]
               [--request K [--times M]] [--kind KIND] [--limit S]

The twin of the attacks: clients that do nothing wrong, random ones, over every kind of rule, and not one
may be refused, lose a byte or stall. A failure names the seed and the request; --seed N --request K does
that one again, --kind makes all requests of one kind. --load: beside programs that burn both processors and a
second fence with traffic. A stall is 5 s without a byte, 20 under load, or --limit. --bare: no fence, to
see that the twin itself is right.
"""
import argparse
import collections
import json
import os
import resource
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import servers
import topo
from twin import common as T, programs

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))

PYTHON = "/usr/bin/python3"
LIMIT, LIMIT_LOADED = 5, 20
SAID_MAX = 40  # failures in full
AGAIN = 200  # of so many exchanges by UDP one may find a full buffer


def arguments():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=secrets.randbelow(10 ** 6))
    ap.add_argument("--seconds", type=float, default=0)
    ap.add_argument("--requests", type=int, default=0)
    ap.add_argument("--build", default=os.environ.get("BUILD", "build"))
    ap.add_argument("--load", action="store_true")
    ap.add_argument("--bare", action="store_true")
    ap.add_argument("--request", type=int)
    ap.add_argument("--times", type=int, default=1)
    ap.add_argument("--kind")
    ap.add_argument("--limit", type=float, default=0)
    a = ap.parse_args()
    a.build = os.path.join(ROOT, a.build)
    if not a.seconds and not a.requests and a.request is None:
        a.seconds = 40
    return a


class Names:
    """The DNS server of the far end."""

    def __init__(self, net, bare):
        self.zone = servers.Zone()
        self.zone.set(T.NAME, topo.ALLOWED4, topo.ALLOWED6)
        self.zone.set(T.SHORT, topo.ALLOWED4, topo.ALLOWED6, ttl=1)
        for name in T.PINS if bare else ():
            self.zone.set(name, *T.PINS[name])
        for a in [topo.DNS4] + (topo.host_nameservers() if bare else []):
            s = net.socket(net.net, socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((a, 53))
            threading.Thread(target=self.loop, args=(s, a), daemon=True).start()

    def loop(self, s, address):
        while True:
            try:
                data, peer = s.recvfrom(4096)
                self.zone.answer(data, "udp", address, lambda m: s.sendto(m, peer))
            except OSError:
                pass  # who asked is gone
            self.zone.queries.clear()


class Twin:
    def __init__(self, args):
        self.a = args
        self.children, self.counts = [], collections.Counter()
        self.failures, self.notes, self.ready, self.ended = [], collections.Counter(), set(), set()
        self.tmp = tempfile.mkdtemp(prefix="afwt-twin-")
        os.chmod(self.tmp, 0o755)
        self.net = topo.Topology()
        self.sel = selectors.DefaultSelector()

    def file(self, name, text):
        path = os.path.join(self.tmp, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def ns(self, ns):
        return ["nsenter", "--net=" + self.net.path(ns)]

    def child(self, argv, **kw):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}
        env.update((k, v) for k, v in os.environ.items() if k == "AGENTFW_RUN_DIR")
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd="/",
                             start_new_session=True, preexec_fn=topo.die_with_parent, **kw)
        self.children.append(p)
        return p

    # -- the parts

    def config(self):
        pki = servers.Pki(self.tmp)
        os.chmod(pki.key, 0o644)  # of the test's own CA; a server inside the fence reads it
        docroot = os.path.join(self.tmp, "www")
        os.mkdir(docroot)
        servers.make_docroot(docroot)
        a = self.a
        self.limit = a.limit or (LIMIT_LOADED if a.load else LIMIT)
        self.pki = pki
        return self.file("config.json", json.dumps({
            "ca": pki.ca, "cert": pki.cert, "key": pki.key, "docroot": docroot, "seed": a.seed, "seconds": a.seconds,
            "requests": a.requests, "request": a.request, "times": a.times, "kind": a.kind, "load": a.load,
            "limit": self.limit, "java": self.file("Post.java", programs.JAVA)}))

    def start_servers(self, config):
        for ns, base, addresses in ((self.net.net, T.FAR, topo.NET4[:2] + topo.NET6[:2]),
                                    (self.net.agent, T.PIN, ["127.0.0.1", "::1"]),
                                    (self.net.agent, T.ADDR, ["127.0.0.1", "::1"])):
            p = self.child(self.ns(ns) + [PYTHON, HERE + "/server.py", config, str(base), *addresses])
            if p.stdout.readline() != b"READY\n":
                raise SystemExit("twin: no server at port %d" % base)
            for family in ("-4", "-6"):
                self.child(self.ns(ns) + ["openssl", "s_server", family, "-quiet", "-early_data", "-cert", self.pki.cert, "-key",
                                          self.pki.key, "-accept", str(base + T.EARLY)], stderr=subprocess.DEVNULL)

    def start_clients(self, config):
        policy = self.file("policy.yaml", T.policy())
        roles = ["inside"] + ["second"] * self.a.load + ["host", "net"]
        for role in roles:
            cmd = [PYTHON, HERE + "/client.py", config, role]
            if role in ("inside", "second") and not self.a.bare:
                cmd = [self.a.build + "/agentctl", "run", "-p", policy, "--log-dir", self.log_dir(role), "--", *cmd]
            elif self.a.bare:
                cmd = ["setpriv", "--reuid=nobody", "--clear-groups", *cmd]
            p = self.child(self.ns(self.net.net if role == "net" else self.net.agent) + cmd)
            p.buf, p.role = b"", role
            os.set_blocking(p.stdout.fileno(), False)
            self.sel.register(p.stdout, selectors.EVENT_READ, p)
            self.until(lambda role=role: role in self.ready, 20, "client '%s' does not start" % role)
        self.clients = [p for p in self.children if hasattr(p, "role")]

    def log_dir(self, role):
        return os.path.join(self.tmp, role + ".log")

    def burn(self, seconds):
        """Both processors, for a bounded time, whatever becomes of us."""
        for _ in range(os.cpu_count() or 1):
            pid = os.fork()
            if pid:
                continue
            topo.die_with_parent()
            for p in self.clients:  # they go on until this is closed
                p.stdin.close()
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                sum(range(10000))
            os._exit(0)

    # -- what the clients say

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise SystemExit("twin: %s within %d s" % (what, seconds))
            for key, _ in self.sel.select(0.5):
                self.read(key.data)

    def read(self, p):
        data = p.stdout.read()
        if data == b"":
            self.sel.unregister(p.stdout)
            if p.role not in self.ended:
                self.ended.add(p.role)
                self.fail("client '%s' ended early, exit %s" % (p.role, p.wait()))
        p.buf += data or b""
        *lines, p.buf = p.buf.split(b"\n")
        for line in lines:
            self.take(json.loads(line))

    def take(self, m):
        if "ready" in m:
            self.ready.add(m["ready"])
        elif "done" in m:
            self.ended.add(m["done"])
        elif "note" in m:
            self.notes[m["note"]] += m["count"]
        elif "fail" in m:
            self.fail("seed %d, %s" % (self.a.seed, m["fail"]))
        else:
            self.counts[m["kind"], m["place"], m["bad"]] += m["count"]

    def fail(self, text):
        self.failures.append(text)
        if len(self.failures) <= SAID_MAX:
            print("FAIL " + text, flush=True)
        elif len(self.failures) == SAID_MAX + 1:
            print("FAIL … and more", flush=True)

    def events(self):
        """The log tells nothing of a client that did nothing wrong."""
        for role in ("inside", "second"):
            path = os.path.join(self.log_dir(role), "events.jsonl")
            kinds = collections.Counter()
            for line in open(path) if os.path.exists(path) else ():
                e = json.loads(line)
                if e["event"]["action"] in ("denied", "lost", "would_deny"):
                    kinds[e["event"]["action"], e["agentfw"].get("code"), e["agentfw"].get("endpoint"),
                          e["event"].get("reason")] += 1
            for (action, code, endpoint, reason), n in kinds.most_common(12):
                self.fail("seed %d, log of '%s': %d x %s %s %s: %s" % (self.a.seed, role, n, action, code, endpoint, reason))

    def run(self):
        Names(self.net, self.a.bare)
        config = self.config()
        self.start_servers(config)
        self.start_clients(config)
        most = (self.a.seconds or 1200) + 2 * self.limit + programs.SLOW
        if self.a.load:
            self.burn(self.a.seconds or most)
        start = time.monotonic()
        for p in self.clients:
            p.stdin.write(b"go\n")
            p.stdin.flush()
        self.until(lambda: len(self.ended) == len(self.clients), most, "the clients do not end")
        self.took = time.monotonic() - start
        for p in self.clients:
            p.stdin.close()
        for p in self.clients:
            try:
                p.wait(15)
            except subprocess.TimeoutExpired:
                self.fail("client '%s' does not end" % p.role)
        self.events()

    def report(self):
        rows = collections.defaultdict(collections.Counter)
        for (kind, place, bad), n in self.counts.items():
            rows[kind][place] += n
            rows[kind]["bad", place] += n * bad
        again = sum(n for what, n in self.notes.items() if what.startswith("sent again"))
        if again * AGAIN > sum(rows.get("udp", {}).values()):
            self.fail("%d datagrams, or their answers, did not arrive" % again)
        total = sum(self.counts.values())
        for kind in sorted(rows):
            row = rows[kind]
            good = {p: n for p, n in row.items() if isinstance(p, str)}
            bad = ", ".join("%s %d of %d" % (p[1], n, row[p[1]]) for p, n in sorted(
                (p, n) for p, n in row.items() if not isinstance(p, str)) if n)
            print("%-11s %6d requests%s" % (kind, sum(good.values()), "   FAILED: " + bad if bad else ""))
        notes = "".join(", %s %d" % i for i in sorted(self.notes.items()) if i[1])
        print("seed %d: %d requests in %.0f s, %.0f a second, %d failures%s" % (
            self.a.seed, total, self.took, total / max(self.took, 0.001), len(self.failures), notes))
        return 1 if self.failures or not total else 0

    def close(self):
        for p in self.children:
            if p.poll() is None:
                p.terminate()
        end = time.monotonic() + 5
        for p in self.children:
            try:
                p.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                p.kill()
        self.net.remove()
        shutil.rmtree(self.tmp, ignore_errors=True)


def main():
    args = arguments()
    if os.geteuid():
        print("tests/net/twin needs root for its namespaces")
        return 1
    os.umask(0o022)
    topo.die_with_parent()
    topo.remove_stale()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print("seed %d" % args.seed, flush=True)
    twin = Twin(args)
    try:
        twin.run()
        return twin.report()
    finally:
        twin.close()
