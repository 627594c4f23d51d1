# SPDX-License-Identifier: GPL-2.0-or-later
"""An engine that somebody has taken over (tests/lab/hostile_engine.c, in a build with planted holes): outside of its own
fences' traffic nothing changes, and the daemon goes on."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time

import lab as L
import topo
from lab import check

BUILD = L.BUILD + "-holes"
HOSTILE = os.path.join(BUILD, "tests/lab/hostile_engine")
POLICY = L.policy("api.allowed.test")
TO = topo.OTHER4
PORTS = range(7000, 7010)
KILLED = "the engine died (signal %d)" % signal.SIGSYS


def need():
    L.need(os.access(HOSTILE, os.X_OK), "no %s: make holes" % HOSTILE)


class Taken:
    """A daemon with such an engine, and a fence: the deed is done once it has that."""
    def __init__(self, lab, deed):
        for pid in lab.daemons(engine=False):
            os.kill(pid, signal.SIGTERM)
        L.until(lambda: not lab.daemons(), 10, "a daemon does not end")
        self.lab, self.tok = lab, L.token()
        ready, w = os.pipe()
        env = dict(lab.env(), AGENTFW_HOSTILE=HOSTILE, AGENTFW_HOSTILE_DO=deed, AGENTFW_HOSTILE_TO=TO,
                   AGENTFW_HOSTILE_TOKEN=self.tok)
        self.p = subprocess.Popen(lab.enter() + [os.path.join(BUILD, "agentfwd"), "--ready-fd", str(w)], pass_fds=[w],
                                  env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace")
        os.close(w)
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(self.p.stdout), daemon=True).start()
        said = os.read(ready, 1)
        os.close(ready)
        check(said == b"1", "agentfwd does not start:", self.said())
        self.h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; exec sleep 1000"])

    def said(self):
        return "".join(self.lines)

    def until_said(self, text, seconds=10):
        L.until(lambda: text in self.said(), seconds, lambda: "not said: %s: %s" % (text, self.said()))

    def answers(self):
        r = self.lab.bare([L.AGENTCTL, "status", "--json"], timeout=10)
        check(r.rc == 0 and r.ms < 3000, "the daemon does not answer:", r.tell(), self.said()[-500:])

    def stop(self):
        self.h.stop(signal.SIGKILL)
        self.p.terminate()
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
            raise AssertionError("the daemon does not end: " + self.said()[-500:])


@contextlib.contextmanager
def taken(lab, deed):
    need()
    t = Taken(lab, deed)
    try:
        yield t
    finally:
        t.stop()


def host_state(lab):
    """All that a capability for the network could have changed, but our own table and what counts."""
    out = [lab.bare(["nft", "list", "table", "inet", "host"]).out]
    out += [lab.bare(["ip", "-o", *what]).out for what in (["link"], ["addr"], ["route", "show", "table", "all"], ["rule"])]
    return "\n".join(out)


def test_netlink(lab):
    """By whatever it holds: the host's table, its connections, its devices."""
    r = lab.bare(["nft", "-f", "-"], stdin="table inet host {\n chain c {\n  type filter hook input priority 0;\n }\n}\n")
    check(r.rc == 0, r.tell())
    try:
        before = host_state(lab)
        with taken(lab, "netlink") as t:
            t.until_said("hostile: done")
            check("table inet host" in before and host_state(lab) == before, before, host_state(lab))
            t.answers()
    finally:
        lab.bare(["nft", "delete", "table", "inet", "host"])


def test_send(lab):
    """By the resolver's sockets and one to a name server: to nobody else, far or near."""
    near = []
    for port in PORTS:
        s = lab.net.socket(lab.net.agent, socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", port))
        s.setblocking(False)
        near.append(s)
    with taken(lab, "send") as t:
        t.until_said("hostile: done")
        time.sleep(0.5)
        lab.absent(t.tok, "sent by the engine")
        for s in near:
            try:
                raise AssertionError("the engine reaches a service of the host's: %s" % s.recv(100))
            except BlockingIOError:
                s.close()
        rule = [l for l in lab.bare(["nft", "list", "counter", "inet", "agentfw", "engine_astray"]).out.splitlines()
                if "packets" in l]
        check(rule and "packets 0 " not in rule[0], "nothing was sent at all: the test proves nothing", rule)


def test_reply(lab):
    """An accomplice begins a flow with the port of one of its sockets: it may not reply."""
    with lab.net.socket(lab.net.net, socket.AF_INET, socket.SOCK_DGRAM) as far, taken(lab, "reply") as t:
        far.bind((topo.OTHER4, 7000))
        far.settimeout(0.2)
        t.until_said("hostile: port")
        port = int(re.search(r"hostile: port (\d+)", t.said()).group(1))
        for _ in range(5):
            far.sendto(b"x", (topo.AGENT4, port))
            try:
                raise AssertionError("the engine replies: %s" % far.recv(100))
            except socket.timeout:
                pass
        t.until_said("hostile: done")
        t.answers()


def test_learns_without_end(lab):
    """The kernel's sets take no more than they were made for."""
    with taken(lab, "learn") as t:
        t.until_said("hostile: done", 20)
        t.answers()
        elements = lab.bare(["nft", "list", "set", "inet", "agentfw", "learned4_1"], timeout=60).out.count("tcp . ")
        check(1000 < elements <= 1 << 18, elements)


def garbage(deed):
    """Without sense, and a lot of it: who listens lives on, and so does the daemon."""
    def case(lab):
        with taken(lab, deed) as t:
            before = {role: lab.daemons(role=role) for role in ("gate", "asker")}
            t.until_said("hostile: begins")
            t.answers()
            t.until_said("hostile: done")
            check({role: lab.daemons(role=role) for role in before} == before, "one has ended:", t.said())
            t.answers()
    return case


test_garbage_for_the_gate = garbage("gate")
test_garbage_for_the_asker = garbage("asker")


def test_garbage_in_the_ring(lab):
    """The parent sees that it is broken, and has all of them begin anew."""
    with taken(lab, "ring") as t:
        t.until_said("hostile: begins")
        t.answers()
        t.until_said("is started anew")
        t.answers()


def test_endless_messages(lab):
    """The parent goes on with its other work, and ends when it is told to."""
    with taken(lab, "messages") as t:
        t.until_said("hostile: begins")
        for _ in range(5):
            t.answers()
            time.sleep(0.2)


def may_not(deed):
    def case(lab):
        with taken(lab, deed) as t:
            t.until_said(KILLED)
            check("hostile: done" not in t.said(), t.said())
    return case


for _deed in ("exec-memory", "mprotect", "socket", "connect", "setsockopt", "open", "fork", "kill"):
    globals()["test_may_not_" + _deed.replace("-", "_")] = may_not(_deed)
