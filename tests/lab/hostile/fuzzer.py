# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/net/hostile engine|client [--seconds S] [--seed N] [--life N] [--build DIR]

engine: agentfwd with an engine that somebody has taken over, which says random things to parent, gate and asker.
client: agentfwd, and clients of its control socket who say random things, those who may speak and those who may not.
Meanwhile fences begin and end. See docs/hacking.md.
"""
import argparse
import os
import secrets
import signal
import sys

import lab
import topo
from hostile.daemon import Daemon, Found
from hostile.players import Players

WARM_SECONDS = 2
MOST_BYTES = 128 << 10  # that the parent may hold more of after a run: tables of its libraries that grow once
MOST_FDS = 8  # three sockets and a pipe lead to engine, gate and asker, while they live


class Run:
    def __init__(self, args):
        self.args = args
        self.daemon = Daemon(args)
        self.players = Players(self.daemon, args)

    def play(self, seconds):
        """All who play, for so many seconds; then none of them is left, and the daemon has nothing to do."""
        self.players.play(seconds)
        return self.daemon.quiet()

    def run(self):
        d = self.daemon
        d.prepare()
        outside = d.outside()
        d.start()
        self.play(WARM_SECONDS)
        d.warm()
        base = self.play(WARM_SECONDS)
        rules = d.own_rules()
        end = self.play(max(1, self.args.seconds - 2 * WARM_SECONDS))
        if end["bytes"] > base["bytes"] + MOST_BYTES:
            raise Found("the parent's memory grows: %d bytes, and %d at the end" % (base["bytes"], end["bytes"]))
        if end["fds"] > base["fds"] + MOST_FDS:
            raise Found("the parent's descriptors grow: %d, and %d at the end: %s" % (base["fds"], end["fds"], d.fds()))
        d.same("rules of our own", rules, d.own_rules())
        d.stop()
        d.same("state of the host", outside, d.outside())
        d.same("cgroups", [], d.cgroups())

    def close(self):
        self.players.close()
        self.daemon.close()


def arguments():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("who", choices=("engine", "client"))
    ap.add_argument("--seed", type=int)
    ap.add_argument("--seconds", type=float, default=60)
    ap.add_argument("--life", type=int, help="each start of the engine is this one")
    ap.add_argument("--build", default=lab.BUILD, help="of agentctl; the daemon is of DIR-hostile")
    args = ap.parse_args()
    args.seed = secrets.randbelow(1 << 31) if args.seed is None else args.seed
    args.build = os.path.abspath(args.build)
    return args


def main():
    args = arguments()
    if os.geteuid():
        print("tests/net/hostile needs root for its namespaces")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.nice(10 - os.nice(0))
    topo.remove_stale()
    print("seed %d" % args.seed, flush=True)
    run, found = Run(args), None
    try:
        run.run()
    except Found as e:
        found = e
        print("FOUND %s\n%s" % (e, run.daemon.tell()))
    finally:
        run.close()
        lab.remove_cgroups()
    print("%s, seed %d: %s; %s" % (args.who, args.seed, run.daemon.counts(),
                                   "FOUND: %s" % str(found).splitlines()[0] if found else "nothing found"))
    return 1 if found else 0
