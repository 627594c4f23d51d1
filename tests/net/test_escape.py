# SPDX-License-Identifier: GPL-2.0-or-later
"""The escape fuzzer (tests/net/escape): a minute of random programs with a seed of its own, and that it
still sees a hole where there is one."""
import os
import subprocess

import lab as L
import topo
from lab import check, need

SECONDS = 60
START_SECONDS = 60  # namespaces, rounds' fences and the end, on a busy machine
HOLES_BUILD = L.BUILD + "-holes"  # `make holes`: with -DAGENTFW_HOLES
# Holes that the daemon of that build has when AGENTFW_HOLE names one (fw/ipc/holes.h): seconds within which it is found.
HOLES = {
    "burst": 100,
    "device": 60,
    "own": 60,
    "udp": 100,
}
# One wall taken away: the other holds alone.
WALLS = {
    "no-socket-wall": 20,
    "no-kernel-wall": 10,
}


def escape(*options, seconds, build=L.BUILD, **env):
    """The fuzzer's exit status (0: nothing, 1: a leak) and what it said."""
    tools = os.path.join(L.BUILD, "tests/lab")
    need(os.access(tools + "/escape_outsiders", os.X_OK), "no %s/escape_outsiders: make escape" % tools)
    p = subprocess.Popen([os.path.join(L.ROOT, "tests/net/escape"), "--seconds", str(seconds), "--build", build, *options],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env=dict(os.environ, ESCAPE_TOOLS=tools, **env), preexec_fn=topo.die_with_parent)
    try:
        said = p.communicate(timeout=seconds + START_SECONDS)[0]
    finally:
        if p.poll() is None:
            p.terminate()
            p.wait(20)
    check(p.returncode in (0, 1) and "programs in" in said, "the fuzzer:", said[-1500:])
    return p.returncode, said


def test_nothing_escapes(lab):
    """The seed is in what is said: a leak is told with the line that plays it again."""
    lab.need_product()
    rc, said = escape(seconds=SECONDS)
    check(rc == 0, said[-4000:])
    last = said.strip().splitlines()[-1]
    check("no leak" in last, last)
    print("       escape: " + last, flush=True)


def need_holes():
    daemon = os.path.join(HOLES_BUILD, "agentfwd")
    need(os.access(daemon, os.X_OK), "no %s: make holes" % daemon)
    with open(daemon, "rb") as f:
        need(b"AGENTFW_HOLE" in f.read(), "%s has no planted holes" % daemon)


def holds_alone(hole, seconds):
    def case(lab):
        need_holes()
        rc, said = escape(seconds=seconds, build=HOLES_BUILD, AGENTFW_HOLE=hole)
        check(rc == 0, hole, said[-4000:])
    case.seconds = seconds + START_SECONDS + 30
    return case


def still_sees(hole, seconds):
    def case(lab):
        need_holes()
        rc, said = escape(seconds=seconds, build=HOLES_BUILD, AGENTFW_HOLE=hole)
        check(rc == 1 and "LEAK" in said, "the fuzzer does not see hole '%s' within %d s:" % (hole, seconds),
              said[-1500:])
    case.seconds = seconds + START_SECONDS + 30
    return case


test_nothing_escapes.seconds = SECONDS + START_SECONDS + 30
for hole_name, bound in WALLS.items():
    globals()["test_holds_with_" + hole_name.replace("-", "_")] = holds_alone(hole_name, bound)
for hole_name, bound in HOLES.items():
    globals()["test_still_sees_" + hole_name.replace("-", "_")] = still_sees(hole_name, bound)
