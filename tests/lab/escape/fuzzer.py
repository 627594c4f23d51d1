# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/net/escape [--seed N] [--seconds S] [--programs N] [--rule KIND] [--build DIR] ...

Random programs of system calls, played by an ordinary user inside a fence, and a recorder at the far end
of his cable that knows where each payload may arrive. See docs/hacking.md.
"""
import argparse
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import lab
import servers
import topo
from escape import rules

ROUND_SECONDS = 20
CANARY = r"cNrY([0-9a-f]{10}[A-Z][0-9])"  # as in payload.c
LEAST_ROUNDS = 6  # in a short run, too
UNWALLED = ("no-socket-wall", "device", "udp")  # holes of fw/ipc/holes.h with which a fence has no socket wall


class NameServer:
    """Answers over UDP at the two addresses; a canary that comes here is the recorder's business."""

    def __init__(self, net):
        self.zone = servers.Zone()
        for name, addresses in rules.ZONE.items():
            self.zone.set(name, *addresses)
        for family, address in ((topo.socket.AF_INET, topo.DNS4), (topo.socket.AF_INET6, topo.DNS6)):
            s = net.socket(net.net, family, topo.socket.SOCK_DGRAM)
            s.bind((address, 53))
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        while True:
            data, peer = s.recvfrom(4096)
            self.zone.queries.clear()
            self.zone.answer(data, "udp", "", lambda m, peer=peer: s.sendto(m, peer))


class Leak:
    def __init__(self, line, start):
        (canary, self.what, self.place, proto, self.source, self.sport, self.to, self.dport, self.how,
         at) = line.split()[1:]
        self.proto = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}.get(int(proto), proto)
        self.program = int(canary[:8], 16) if len(canary) >= 12 else None
        self.step = int(canary[8:10], 16) if len(canary) >= 12 else None
        self.kind, self.name = (canary[10], canary[11]) if len(canary) >= 12 else ("-", "-")
        self.seconds = float(at) - start

    def signature(self):
        """What kind of a leak this is: two of the same are one find."""
        place = "wire" if self.place in ("r0", "i0", "far") else self.place
        inspected = self.dport if self.proto == "tcp" and self.dport in ("80", "443") else "*"
        return " ".join((place, self.proto, self.what, self.kind, "to", rules.kind_of(self.to) + ":" + inspected,
                         self.how)).replace(" -", "")

    def tell(self):
        name = rules.NAMES[int(self.name)] if self.name.isdigit() and int(self.name) < 4 else "-"
        return "%s of kind %s (name %s) arrived at %s: %s from %s port %s to %s port %s %s" % (
            self.what, self.kind, name, self.place, self.proto, self.source, self.sport, self.to, self.dport,
            self.how)


class Recorder:
    """One of the programs that look what arrives."""

    def __init__(self, run, command, table):
        self.p = run.start(command)
        self.leaks, self.seen, self.lock = [], (0, 0, 0), threading.Lock()
        self.ready = threading.Event()
        self.said = threading.Event()
        self.start = time.monotonic()
        self.p.stdin.write(table + "go\n")
        self.p.stdin.flush()
        threading.Thread(target=self._read, daemon=True).start()
        if not self.ready.wait(20):
            self.close()
            raise RuntimeError("%s does not start: %s" % (" ".join(command), open(run.err).read()[-600:]))

    def _read(self):
        for line in self.p.stdout:
            if line.startswith("LEAK"):
                with self.lock:
                    self.leaks.append(Leak(line, self.start))
            elif line.startswith("seen"):
                self.seen = tuple(int(n) for n in line.split()[1:])
                self.said.set()
            elif line.startswith("READY"):
                self.ready.set()

    def take(self):
        with self.lock:
            leaks, self.leaks = self.leaks, []
        return leaks

    def flush(self):
        """All that had arrived before is judged."""
        self.said.clear()
        try:
            self.p.stdin.write("\n")
            self.p.stdin.flush()
        except OSError:
            pass
        if not self.said.wait(10):
            raise RuntimeError("%s does not answer (exit %s)" % (" ".join(self.p.args), self.p.poll()))

    def close(self):
        self.p.stdin.close()
        self.p.wait(10)


class Far:
    """Everybody outside the fence: escape_far, and escape_outsiders in no fence and in another one."""

    def __init__(self, run, rule):
        self.meet = os.path.join(run.tmp, "meet")
        os.makedirs(self.meet, exist_ok=True)
        os.chmod(self.meet, 0o777)
        self.other_log = os.path.join(run.tmp, "other_log")
        ns = ["nsenter", "--net=" + run.net.path(run.net.agent)]
        outsiders = run.tool("escape_outsiders")
        self.unwalled = run.unwalled
        table = rules.table(rule, run.unwalled)
        self.all = []
        try:
            self.all.append(Recorder(run, [run.tool("escape_far")] + [run.net.path(n) for n in (
                run.net.agent, run.net.router, run.net.net)], table))
            self.all.append(Recorder(run, ns + [outsiders, self.meet + "/outsiders"], table))
            self.all.append(Recorder(run, run.agentctl(rules.other_policy(), self.other_log, [
                outsiders, "--fenced", self.meet + "/fenced"]), rules.other_table(run.unwalled)))
        except BaseException:
            self.close()
            raise

    @property
    def seen(self):
        return tuple(sum(n) for n in zip(*(r.seen for r in self.all)))

    def take(self):
        return [leak for r in self.all for leak in r.take()]

    def end(self):
        """What leaked until now, when nobody plays any more."""
        self.flush()
        return self.take() + ([] if self.unwalled else self.recorded())

    def flush(self):
        time.sleep(0.1)  # for what is under way on the cable
        for r in self.all:
            r.flush()

    def recorded(self):
        """Canaries in the record of the other fence: somebody made it ask for names."""
        try:
            with open(os.path.join(self.other_log, "events.jsonl")) as f:
                found = set(re.findall(CANARY, f.read(), re.I))
        except OSError:
            found = ()
        return [Leak("LEAK %s name fence2-record 17 :: 0 :: 0 - %f" % (c, time.monotonic()), self.all[0].start)
                for c in sorted(found)]

    def close(self):
        for r in self.all:
            r.close()


class Run:
    def __init__(self, args):
        self.args = args
        self.build = os.path.abspath(args.build)
        self.seed = args.seed
        self.net = topo.Topology()
        self.tmp = tempfile.mkdtemp(prefix="afwt-escape-")
        os.chmod(self.tmp, 0o755)
        topo.run("ip", "-n", self.net.router, "-6", "addr", "add", "fe80::1/64", "dev", "r0", "nodad")
        topo.run("ip", "-n", self.net.agent, "-6", "addr", "add", "fe80::2/64", "dev", "a0", "nodad")
        self.names = NameServer(self.net)
        self.err = os.path.join(self.tmp, "err")
        self.unwalled = os.environ.get("AGENTFW_HOLE") in UNWALLED
        self.far = None
        self.found = {}  # signature: (programs before it, seconds, leak, mode, rule)
        self.done, self.played = 0, 0.0
        self.n = 0

    def tool(self, name):
        return os.path.join(os.environ.get("ESCAPE_TOOLS", os.path.join(lab.BUILD, "tests/lab")), name)

    def close(self):
        if self.far:
            self.far.close()
        self.net.remove()
        shutil.rmtree(self.tmp, ignore_errors=True)

    # ---- one fence

    def agentctl(self, policy, log, command):
        """A command in a fence, not started yet; log: the directory of its record."""
        shutil.rmtree(log, ignore_errors=True)
        with open(log + ".yaml", "w") as f:
            f.write(policy)
        return ["nsenter", "--net=" + self.net.path(self.net.agent), os.path.join(self.build, "agentctl"), "run",
                "-p", log + ".yaml", "--log-dir", log, "--"] + command

    def start(self, command):
        """What it says on standard error is in self.err."""
        env = {k: os.environ[k] for k in ("PATH", "AGENTFW_RUN_DIR", "AGENTFW_HOLE") if k in os.environ}
        with open(self.err, "w") as err:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True,
                                    bufsize=1, cwd="/", env=env, preexec_fn=topo.die_with_parent)

    def _agentctl(self, rule, command):
        return self.start(self.agentctl(rules.policy(rule), os.path.join(self.tmp, "log"), command))

    def _cgroup(self, pid):
        return lab.until(lambda: lab.cgroups_of(pid), 10, "no cgroup of the fence")[0]

    def fence(self, rule, no_filter, options, each_line, seconds):
        """Plays in a fence of its own; each_line gets what the player says, and ends it by returning true."""
        player = [self.tool("escape_player"), "--seed", str(self.seed), "--meet", self.far.meet] + options
        holder = None
        try:
            if no_filter:
                holder = self._agentctl(rule, ["/bin/sh", "-c", "echo READY; exec sleep 100000"])
                if "READY" not in holder.stdout.readline():
                    raise RuntimeError("agentctl run: " + open(self.err).read()[-600:])
                p = self.start(["nsenter", "--net=" + self.net.path(self.net.agent)] + player +
                               ["--cgroup", self._cgroup(holder.pid)])
            else:
                p = self._agentctl(rule, player)
            self._follow(p, each_line, seconds)
        finally:
            if holder:
                self._end(holder)

    def _follow(self, p, each_line, seconds):
        killer = threading.Timer(seconds + 20, p.kill)  # a hang is an end, too
        killer.start()
        said = ""
        try:
            for line in p.stdout:
                said = line
                if each_line(line):
                    break
        finally:
            killer.cancel()
            self._end(p)
        if not said:
            raise RuntimeError("the player said nothing: " + open(self.err).read()[-600:])

    @staticmethod
    def _end(p):
        try:
            p.stdin.close()
        except OSError:
            pass
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        p.stdout.close()

    def new_far(self, rule):
        if self.far:
            self.far.close()
            self.far = None
        self.far = Far(self, rule)

    # ---- rounds

    def round(self, rule, no_filter, seconds, count):
        """One fence for some seconds; True when something leaked and that is the end."""
        self.new_far(rule)
        start, told = time.monotonic(), [0.0]
        state = {"done": 0}
        first = self.done

        def line(text):
            if text.startswith("done"):
                state["done"] = int(text.split()[1])
            self._collect(self.far.take(), rule, no_filter, first + state["done"], start)
            now = time.monotonic() - start
            if now - told[0] > 5:
                told[0] = now
                print("    %8d programs, %d a second, %d frames, %d canaries arrived" % (
                    first + state["done"], state["done"] / now, *self.far.seen[:2]), flush=True)
            return self.found and not self.args.keep_going
        options = ["--first", str(self.n), "--workers", str(self.args.workers), "--seconds",
                   str(max(1, int(seconds)))]
        if count:
            options += ["--count", str(count)]
        self.fence(rule, no_filter, options, line, seconds)
        self._collect(self.far.end(), rule, no_filter, first + state["done"], start)
        took = time.monotonic() - start
        self.n += max(state["done"] * 2, 1000)  # numbers of programs are not used again
        self.done += state["done"]
        print("round: rule %s, %s: %d programs in %.1f s (%d a second), %d frames, %d canaries arrived, %d leaks"
              % (rule, "no filter" if no_filter else "agentctl run", state["done"], took, state["done"] / took,
                 *self.far.seen), flush=True)
        return bool(self.found) and not self.args.keep_going

    def known(self, leak):
        """A limit of threat-model.md: a socket that is bound to a network's broadcast address, and connected, sends from an
        address that the route chooses; an error about that goes to who has the port there."""
        return leak.place.endswith("-error") and leak.program is not None and re.search(
            r" bind \S+\.255%", self.text(leak.program)) is not None

    def _collect(self, leaks, rule, no_filter, done, start):
        for leak in leaks:
            sig = leak.signature()
            if sig in self.found or self.known(leak):
                continue
            self.found[sig] = leak
            print("LEAK after %d programs, %.1f s of play: %s" % (
                done, self.played + time.monotonic() - start, sig), flush=True)
            print("  " + leak.tell())
            self.show(leak, rule, no_filter)

    def replay_line(self, program, rule, no_filter, skip=()):
        return "tests/net/escape --seed %d --program %d --rule %s%s%s%s" % (
            self.seed, program, rule, " --no-filter" if no_filter else "",
            " --build %s" % self.args.build if self.args.build != lab.BUILD else "",
            " --skip %s" % ",".join(map(str, skip)) if skip else "")

    def show(self, leak, rule, no_filter, skip=()):
        if leak.program is None:
            print("  (no payload, so no program is known)", flush=True)
            return
        print("  seed %d, program %d, step %d:" % (self.seed, leak.program, leak.step))
        print(self.text(leak.program, skip), end="")
        print("  again: " + self.replay_line(leak.program, rule, no_filter, skip), flush=True)

    def text(self, program, skip=()):
        return topo.run(self.tool("escape_player"), "--seed", str(self.seed), "--program", str(program), "--list",
                        *(["--skip", ",".join(map(str, skip))] if skip else []))

    # ---- one program

    def replay(self, program, rule, no_filter, skip=(), repeat=1, loud=False):
        """What leaks when this program is played alone."""
        options = ["--program", str(program), "--repeat", str(repeat), "--seconds", "20"]
        if skip:
            options += ["--skip", ",".join(map(str, skip))]
        if loud:
            options.append("--print")

        def line(text):
            if loud and text.startswith((" ", "no")):
                print(text, end="")
        self.fence(rule, no_filter, options, line, 30)
        return [leak for leak in self.far.end() if not self.known(leak)]

    def shorten(self, program, rule, no_filter, repeat):
        """The steps that can be left out while the program still leaks. The best of some tries: threads meet by
        chance."""
        steps = [int(line.split()[0]) for line in self.text(program).splitlines()]
        skip = []
        for s in reversed(steps):
            if self.replay(program, rule, no_filter, skip + [s], repeat):
                skip.append(s)
        return skip


def rounds(run, args):
    start = time.monotonic()
    alone = list(rules.RULES)
    turn = args.seed % len(alone)  # a short run does not come to all of them
    kinds = [args.rule] if args.rule else ["all", *alone[turn:], *alone[:turn]]
    length = min(ROUND_SECONDS, max(5, args.seconds / LEAST_ROUNDS))
    number = 0
    while True:
        run.played = time.monotonic() - start
        left = args.seconds - run.played
        count = args.programs - run.done if args.programs else 0
        if left < 1 or (args.programs and count <= 0):
            break
        rule = kinds[number // 2 % len(kinds)]
        no_filter = args.no_filter or (not args.filter and number % 2 == 1)
        if run.round(rule, no_filter, min(length, left), count):
            break
        number += 1
    took = time.monotonic() - start
    print("seed %d: %d programs in %.0f s, %d a second; %s" % (
        run.seed, run.done, took, run.done / max(took, 0.1),
        "%d kinds of leaks:" % len(run.found) if run.found else "no leak"))
    for sig in run.found:
        print("  " + sig)
    return 1 if run.found else 0


def one(run, args):
    rule = args.rule or "all"
    skip = [int(s) for s in args.skip.split(",")] if args.skip else []
    run.new_far(rule)
    print(run.text(args.program, skip), end="")
    leaks = run.replay(args.program, rule, args.no_filter, skip, args.repeat, loud=args.repeat == 1)
    for leak in {l.signature(): l for l in leaks}.values():
        print("LEAK %s\n  %s" % (leak.signature(), leak.tell()))
    if not leaks:
        print("no leak")
        return 0
    if args.shorten:
        skip = run.shorten(args.program, rule, args.no_filter, max(args.repeat, 3))
        print("short:\n" + run.text(args.program, skip), end="")
        print("again: " + run.replay_line(args.program, rule, args.no_filter, skip))
    return 1


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("--seed", type=int)
    ap.add_argument("--seconds", type=float, default=60)
    ap.add_argument("--programs", type=int, default=0)
    ap.add_argument("--rule", choices=["all", *rules.RULES])
    ap.add_argument("--build", default=lab.BUILD)
    ap.add_argument("--no-filter", action="store_true", help="only as far as the fence's rules")
    ap.add_argument("--filter", action="store_true", help="only under agentctl run")
    ap.add_argument("--workers", type=int, default=6)
    ap.add_argument("--keep-going", action="store_true", help="tell each kind of leak once, and go on")
    ap.add_argument("--program", type=int, help="play this one")
    ap.add_argument("--repeat", type=int, default=1)
    ap.add_argument("--skip", help="steps of the program that are left out: 1,4")
    ap.add_argument("--shorten", action="store_true")
    args = ap.parse_args()
    if os.geteuid():
        print("tests/net/escape needs root for its namespaces")
        return 2
    args.seed = secrets.randbelow(1 << 31) if args.seed is None else args.seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    topo.remove_stale()
    print("seed %d" % args.seed, flush=True)
    run = Run(args)
    try:
        return rounds(run, args) if args.program is None else one(run, args)
    finally:
        run.close()
        lab.remove_cgroups()
