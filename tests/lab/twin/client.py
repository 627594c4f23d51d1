# SPDX-License-Identifier: GPL-2.0-or-later
"""The twin's client: does the requests of one role, and says which of them failed.

    client.py CONFIG ROLE     inside, second: behind a fence, with listeners of their own;
                                   host, net: outside of it, they call the listener inside
Request number K of a seed is the same wherever and whenever it is done: everything about it comes from
random.Random("SEED/K").
"""
import collections
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from twin import common as T, kinds, programs, way  # noqa: E402

KINDS = dict(kinds.KINDS, **programs.KINDS)
# Processes and threads in each; most threads wait, and most of the traffic is to be behind the fence.
CREW = {"inside": (2, 8), "second": (1, 6), "host": (1, 1), "net": (1, 1)}


def role_of(k, two_fences):
    return {15: "net", 14: "host", 13: "second", 12: "second"}.get(k % 16, "inside") if two_fences else \
           {15: "net", 14: "host"}.get(k % 16, "inside")


class Request:
    def __init__(self, seed, k, role, only=None):
        self.k, self.r = k, random.Random("%s/%d" % (seed, k))
        outside = role in ("host", "net")
        kinds = [n for n, (_, weight, both) in KINDS.items() if (both or not outside) and weight]
        drawn = self.r.choices(kinds, [KINDS[n][1] for n in kinds])[0]
        self.kind = only or drawn
        self.t = self.r.choice(T.ingress_targets(role) if outside else T.targets())
        if role == "second" and self.t.base == T.OWN:
            self.t = self.t._replace(base=T.OWN + T.SECOND)
        self.what = ""

    def do(self):
        for self.what in KINDS[self.kind][0](self.r, self.t):
            pass

    def __str__(self):
        return "request %d: %s to %s IPv%d (%s): %s" % (self.k, self.kind, self.t.place, self.t.family,
                                                       self.t.name or self.t.address, self.what)


class Worker:
    """One process."""

    def __init__(self, config, role, index):
        self.c, self.role, self.index = config, role, index
        self.lock, self.done, self.failed = threading.Lock(), collections.Counter(), 0
        self.numbers = self.mine()

    def mine(self):
        if self.c["kind"] and self.role in ("host", "net") and not KINDS[self.c["kind"]][2]:
            return
        if self.c["request"] is not None:
            k = self.c["request"]
            if role_of(k, self.c["load"]) == self.role and self.index == 0:
                yield from itertools.repeat(k, self.c["times"])
            return
        own = (k for k in itertools.count() if role_of(k, self.c["load"]) == self.role)
        for k in itertools.islice(own, self.index, None, CREW[self.role][0]):
            if self.c["requests"] and k >= self.c["requests"]:
                return
            yield k

    def next(self):
        with self.lock:
            if self.c["seconds"] and time.monotonic() > self.c["until"]:
                return None
            return next(self.numbers, None)

    def loop(self):
        while (k := self.next()) is not None:
            q = Request(self.c["seed"], k, self.role, self.c["kind"])
            start = time.monotonic()
            try:
                q.do()
                bad = 0
            except programs.Gone:
                bad = 0
            except Exception as e:
                bad = 1
                self.tell(q, e, time.monotonic() - start)
            with self.lock:
                self.done[q.kind, q.t.place, bad] += 1

    def tell(self, q, e, took):
        if isinstance(e, TimeoutError):
            e = "stalled: nothing for %g s" % self.c["limit"]
        elif not isinstance(e, (OSError, EOFError, way.Wrong)):
            e = "%r %s" % (e, traceback.format_exc().splitlines()[-2:-1])
        with self.lock:
            self.failed += 1
        line = "%s: %s, after %.1f s" % (q, str(e)[:300], took)
        say({"fail": line, "kind": q.kind, "place": q.t.place})

    def run(self):
        threads = [threading.Thread(target=self.loop, daemon=True) for _ in range(CREW[self.role][1])]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for (kind, place, bad), n in self.done.items():
            say({"count": n, "kind": kind, "place": place, "bad": bad})
        for what, n in way.NOTES.items():
            say({"note": what, "count": n})


def say(message):
    os.write(1, (json.dumps(message) + "\n").encode())  # one write: lines of several processes do not mix


def serve(config, role):
    """The listeners inside the fence, each a process."""
    out = []
    for base in (T.OWN + T.SECOND,) if role == "second" else (T.OWN, T.INGRESS):
        p = subprocess.Popen([sys.executable, HERE + "/server.py", config, str(base), "127.0.0.1", "::1",
                              T.topo.AGENT4, T.topo.AGENT6], stdout=subprocess.PIPE)
        if p.stdout.readline() != b"READY\n":
            raise SystemExit("no server at %d" % base)
        out.append(p)
    return out


def main():
    path, role = sys.argv[1:]
    T.topo.die_with_parent()
    config = json.load(open(path))
    servers = serve(path, role) if role in ("inside", "second") else []
    say({"ready": role})
    sys.stdin.readline()
    config["until"] = time.monotonic() + config["seconds"]
    way.setup(config)
    programs.setup(config)
    children = []
    for i in range(CREW[role][0]):
        pid = os.fork()
        if not pid:
            T.topo.die_with_parent()
            Worker(config, role, i).run()
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    say({"done": role})
    sys.stdin.readline()  # others still call our listeners
    for p in servers:
        p.send_signal(signal.SIGTERM)
        p.wait()


if __name__ == "__main__":
    main()
