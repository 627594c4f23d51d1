# SPDX-License-Identifier: GPL-2.0-or-later
"""Random words of an engine that was taken over, and of clients (tests/net/hostile): some seconds with a seed of their own,
and that the search still sees a check that is missing."""
import os
import subprocess

import lab as L
import topo
from lab import check, need

SECONDS = 12
HOLE_SECONDS = 40
LAST = -1  # they take whole processors: not beside cases that measure
START_SECONDS = 90  # the daemon with its sanitizers, and an engine that keeps a fence waiting
PROGRAM = os.path.join(L.BUILD + "-hostile", "tests/lab/hostile_daemon")
# Checks that AGENTFW_HOLE takes away in that build (fw/ipc/holes.h).
HOLES = {"engine": ("ring-length", "learn-count", "gate-count"), "client": ("seals", "passed", "speaks")}


def hostile(who, seconds, **env):
    """The exit status (0: nothing was found, 1: something) and what was said."""
    need(os.access(PROGRAM, os.X_OK), "no %s: make hostile" % PROGRAM)
    p = subprocess.Popen([os.path.join(L.ROOT, "tests/net/hostile"), who, "--seconds", str(seconds)],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, **env),
                         preexec_fn=topo.die_with_parent)
    try:
        said = p.communicate(timeout=seconds + START_SECONDS)[0]
    finally:
        if p.poll() is None:
            p.terminate()
            p.wait(20)
    check(p.returncode in (0, 1) and ", seed " in said, "the fuzzer:", said[-1500:])
    return p.returncode, said


def finds_nothing(who):
    def case(lab):
        lab.need_product()
        rc, said = hostile(who, SECONDS)
        check(rc == 0, said.strip().splitlines()[-1], "\n" + said[-12000:])
        print("       hostile: " + said.strip().splitlines()[-1], flush=True)
    case.seconds = SECONDS + START_SECONDS + 30
    case.weight = LAST
    return case


def still_sees(who, hole):
    def case(lab):
        lab.need_product()
        rc, said = hostile(who, HOLE_SECONDS, AGENTFW_HOLE=hole)
        check(rc == 1 and "FOUND" in said, "without the check '%s' nothing is found:" % hole, said[-1500:])
    case.seconds = HOLE_SECONDS + START_SECONDS + 30
    case.weight = LAST
    return case


for _who, _holes in HOLES.items():
    globals()["test_" + _who] = finds_nothing(_who)
    for _hole in _holes:
        globals()["test_%s_without_%s" % (_who, _hole.replace("-", "_"))] = still_sees(_who, _hole)
