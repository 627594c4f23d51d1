# SPDX-License-Identifier: GPL-2.0-or-later
"""One fence does what it can to hold up the others, and the daemon. Immunity row 24."""
import os
import signal
import time

import lab as L
import topo
from lab import check

NAME = "api.allowed.test"
CURL = "/usr/bin/curl"
SECONDS = 40  # on a machine that does many other things; alone it takes one


def beside(lab, flood):
    """While one fence floods, another begins, reaches what it may, is refused the rest, and ends."""
    for name, want in ((NAME, 0), ("other.test", 6)):
        start = time.monotonic()
        r = lab.run(L.policy(NAME), [CURL, "-sS", "--max-time", "20", "https://%s/" % name], timeout=60)
        took = time.monotonic() - start
        check(r.rc == want and took < SECONDS, "beside a flood:", took, "s", r.tell())
        check(not [e for e in r.lines() if e["event"]["action"] == "lost"], "the flood's losses are not ours:", r.lines())
    r.event(code="dns-name", text="other.test")
    flood.stop()


def test_row24_questions(lab):
    beside(lab, lab.start(L.policy(NAME), lab.attack("questions", server=topo.DNS4)))


def test_row24_loopback(lab):
    """Refused datagrams to loopback, among many sockets: who listens there is asked for each."""
    beside(lab, lab.start(L.policy(NAME), lab.attack("datagrams", to="127.0.0.1", port=9, sockets=900, token="x")))


def test_row24_large_datagrams(lab):
    beside(lab, lab.start(L.policy(NAME), lab.attack("datagrams", to=topo.EVIL4, port=9, size=60000, token="x")))


def test_row24_questions_without_answer(lab):
    """Allowed names whose server is silent: what waits is bounded, and others get their answers."""
    lab.zone.dead = True
    try:
        h = lab.start(L.policy("*.evil.test"), lab.attack("questions", server=topo.DNS4))
        engine, = lab.daemons(engine=True)
        size = lambda: int(open("/proc/%d/status" % engine).read().split("VmRSS:")[1].split()[0]) // 1024
        before = size()
        time.sleep(6)  # how much it grows in that time
        grown = size() - before
    finally:
        lab.zone.dead = False
    check(grown < 120, "the engine grew by %d MB" % grown)
    beside(lab, h)
    # The server has questions of the flood in its buffer; late answers would be forgeries to whoever has their port then.
    lab.run(L.policy(NAME), ["/usr/bin/getent", "hosts", NAME])


def test_row24_engine_dies_at_the_end(lab):
    """The engine dies with the question for its last counts unanswered: the fence ends all the same."""
    h = lab.start(L.policy(NAME), ["/bin/sh", "-c", "echo READY; read x"])
    engine, = lab.daemons(engine=True)
    os.kill(engine, signal.SIGSTOP)
    cgroup = h.cgroup()
    h.send("go")
    L.until(lambda: not L.members(cgroup), 5, "the command does not end")
    time.sleep(0.3)  # the question is under way: nobody else sees it
    os.kill(engine, signal.SIGKILL)
    r = h.result(10)
    check(r.rc == 0, r.tell())
    lab.wait_clean()


def test_row24_engine_hangs(lab):
    """An engine that does not answer is started anew; the fence lives on."""
    h = lab.start(L.policy(NAME), ["/bin/sh", "-c", "echo READY; read x; exec %s -sS https://%s/" % (CURL, NAME)])
    engine, = lab.daemons(engine=True)
    os.kill(engine, signal.SIGSTOP)
    L.until(lambda: lab.daemons(engine=True) not in ([], [engine]), 40, "the engine is left as it is")
    h.send("go")
    r = h.result(20)
    check(r.rc == 0 and "hello" in r.out, r.tell())
