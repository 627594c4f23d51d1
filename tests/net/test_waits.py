# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever waits for the daemon can be interrupted, and does not wait for ever: for one that starts, or is to start, to
answer, or to end. Connecting and the summary are in test_deaths.py, sending in tests/unit/test_client.c."""
import contextlib
import fcntl
import os
import signal
import subprocess
import time

import lab as L
from lab import check
from namespaces import namespaces

POLICY = L.policy("api.allowed.test")
ENDS = ((signal.SIGINT, 130), (signal.SIGTERM, 143))
PROMPT = 2  # seconds


class Held:
    """A network namespace whose daemon cannot get ready: its lock is somebody's who does not listen."""

    def __init__(self, lab, n):
        self.lab, self.n, self.name = lab, n, n.add()
        n.run(n.enter(self.name))
        self.path = n.of(self.name) + "/lock"
        self.lock = open(self.path)
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def start(self, *argv):
        return subprocess.Popen(self.n.enter(self.name) + list(argv), env=dict(self.lab.env(), **self.n.env),
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")

    def run(self):
        """agentctl run, whose daemon waits for the lock: (it, the daemon's pid)."""
        before = L.opened_by(self.path)
        p = self.start(L.AGENTCTL, "run", "-p", self.lab.file(".yaml", POLICY), "--log-dir", self.lab.file(".log"), "--",
                       "/bin/true")
        return p, L.until(lambda: L.opened_by(self.path) - before, 10, "nobody asks for the lock").pop()

    def pids(self):
        out = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout
        return {int(pid) for pid in out.split()}


@contextlib.contextmanager
def held(lab):
    with namespaces(lab) as n:
        h = Held(lab, n)
        try:
            yield h
        finally:
            h.lock.close()
            L.until(lambda: not h.pids(), 20, lambda: "they stay: %s" % [L.command_line(p) for p in h.pids()])


def test_start_is_interrupted(lab):
    """Also where the daemon is stopped before it is ready; what was started goes by itself."""
    with held(lab) as h:
        for stop in (False, True):
            for sig, status in ENDS:
                p, daemon = h.run()
                if stop:
                    os.kill(daemon, signal.SIGSTOP)
                p.send_signal(sig)
                try:
                    p.wait(PROMPT)
                finally:
                    os.kill(daemon, signal.SIGCONT)
                check(p.returncode == status, sig, stop, p.returncode, p.stderr.read())


def test_start_has_a_limit(lab):
    """Of thirty seconds; then who does not get ready is ended."""
    with held(lab) as h:
        p, daemon = h.run()
        os.kill(daemon, signal.SIGSTOP)
        try:
            p.wait(40)
            check(p.returncode == 125, p.returncode)
            err = p.stderr.read()
            check("did not start" in err and "thirty seconds" in err and "hint: " in err, err)
            L.until(lambda: L.gone(daemon), 5, "it stays")
        finally:
            L.kill(daemon, signal.SIGCONT)


def test_daemon_that_waits_for_another(lab):
    """SIGTERM and Ctrl-C end it while it waits for the lock."""
    with held(lab) as h:
        for sig, _ in ENDS:
            p = h.start(os.path.join(L.BUILD, "agentfwd"))
            L.until(lambda: p.pid in L.opened_by(h.path), 10, "it does not ask for the lock")
            p.send_signal(sig)
            began = time.monotonic()
            p.wait(20)
            check(p.returncode in (71, -sig) and time.monotonic() - began < PROMPT, p.returncode, time.monotonic() - began)


def test_status_is_interrupted(lab):
    lab.run(POLICY, ["/bin/true"])
    pid = lab.daemons(engine=False)[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        for sig, status in ENDS:
            p = subprocess.Popen(lab.enter() + ["env", "--default-signal=INT", L.AGENTCTL, "status"], env=lab.env(), stdout=subprocess.DEVNULL)
            L.until(lambda: L.in_call(p.pid, 7), 5, "it does not wait")
            p.send_signal(sig)
            p.wait(PROMPT)
            check(p.returncode in (status, -sig), p.returncode)
    finally:
        os.kill(pid, signal.SIGCONT)
    lab.wait_clean()



test_start_has_a_limit.weight = 30
