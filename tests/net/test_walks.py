# SPDX-License-Identifier: GPL-2.0-or-later
"""Random walks through what can live and die: daemon, engine, agentctl, agent, table (docs/design.md, "Life and death").

Each fence holds a sender that never ends and outlives its agentctl. The walk is played against a model that says who
must live, what `agentctl status` and the exit statuses are; after every step nothing of any sender's has arrived, and
at the end nothing is left.

    WALK_SEED=N       only this walk, and every step is printed
    WALK_SECONDS=N    for so long, instead of 20 s a case
    WALK_STEPS=N      so many steps a walk
"""
import json
import os
import random
import signal
import subprocess
import time

import lab as L
from agents import sender
from lab import check, kill, members, state

NAME = "api.allowed.test"
POLICY = L.policy(NAME)
SECONDS = 20
STEPS = int(os.environ.get("WALK_STEPS", 9))
KINDS = ("u4", "u6", "t4", "t6")


def wall_attached(cgroup):
    """Is there a program on the cgroup that closes it when the table is gone?"""
    try:
        out = subprocess.run(["bpftool", "-j", "cgroup", "show", cgroup], capture_output=True, text=True)
        return bool(out.stdout.strip()) and any("egress" in p.get("attach_type", "") for p in json.loads(out.stdout))
    except (OSError, ValueError):
        return False


class Fence:
    def __init__(self, walk):
        self.tok = L.token()
        walk.toks.append(self.tok)
        self.h = walk.lab.start(POLICY, sender(self.tok))
        self.cgroup = self.h.cgroup()
        self.name = os.path.basename(self.cgroup)
        self.maker = walk.parent
        self.lives = True       # the sender
        self.stopped = False    # agentctl
        self.killed = False     # agentctl, by -9
        self.status = None      # agentctl's, once it is due
        self.told_end = None    # the record has fence_ended: True, False; None: either

    def ctl_lives(self):
        return self.h.p.poll() is None


class Walk:
    def __init__(self, lab, seed, verbose):
        self.lab, self.seed, self.verbose = lab, seed, verbose
        self.rnd = random.Random(seed)
        self.fences, self.toks, self.path = [], [], []
        self.parent = None      # pid of the daemon that lives
        self.stopped = False    # it
        self.term_pending = False
        self.engine_stopped = False
        self.table = False
        self.idled = False

    # -- what is there

    def living(self):
        return [f for f in self.fences if f.lives]

    def engine(self):
        return (self.lab.daemons(engine=True) or [None])[0]

    def find_parent(self):
        return (self.lab.daemons(engine=False) or [None])[0]

    def gone_daemon(self, in_order):
        """Model: the daemon is dead."""
        self.parent, self.stopped, self.engine_stopped, self.term_pending = None, False, False, False
        self.table = self.table and not in_order

    def end_fence(self, f, status, told_end):
        """Model: the sender dies, and agentctl with it where it can."""
        f.lives, f.told_end = False, told_end
        if f.status is None and not f.killed:
            f.status = status

    # -- steps: name -> (is it possible?, what it does)

    def steps(self):
        s = [("run", 3 if len(self.living()) < 3 else 0), ("short", 1), ("flush", 1), ("delete", 1)]
        if self.parent:
            s += [("kill_parent", 2), ("term_parent", 1)]
            s += [("cont_parent", 4)] if self.stopped else [("stop_parent", 1)]
            if self.engine():
                s += [("kill_engine", 1), ("cont_engine" if self.engine_stopped else "stop_engine", 1)]
            if not self.stopped and not self.idled and not self.living() and not self.engine_stopped:
                s += [("idle", 1)]
        for i, f in enumerate(self.fences):
            if f.ctl_lives():
                s += [("kill_agentctl %d" % i, 0.6), ("cont_agentctl %d" % i, 2) if f.stopped
                      else ("stop_agentctl %d" % i, 0.3)]
                if not f.stopped and f.lives:
                    s += [("end %d" % i, 0.8)]
        return s

    def step(self):
        names, weights = zip(*self.steps())
        name, _, arg = self.rnd.choices(names, weights)[0].partition(" ")
        self.path.append(name + (" " + arg if arg else ""))
        if self.verbose:
            print("  %s" % self.path[-1], flush=True)
        getattr(self, name)(*([self.fences[int(arg)]] if arg else []))
        self.look()

    def new_daemon(self):
        """Model: one has started. What was left of dead ones has been ended before."""
        self.parent, self.table = self.find_parent(), True
        check(self.parent, "no daemon")
        for f in self.living():
            if f.maker != self.parent:
                self.end_fence(f, 137, False)

    def blocked(self):
        """A new run would wait."""
        return self.parent and (self.stopped or self.engine_stopped)

    def waits(self):
        """It does; a signal ends that at once."""
        p = subprocess.Popen(self.lab.argv(POLICY, ["/bin/true"])[1], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, env=self.lab.env(), cwd="/")
        L.stays(lambda: p.poll() is None, 0.5, lambda: "it did not wait: %s %s" % (p.returncode, p.stderr.read()))
        p.send_signal(signal.SIGTERM)
        try:
            check(p.wait(3) == 143, "status", p.returncode)
        finally:
            p.kill()
            p.wait()
            p.stderr.close()

    def run(self):
        if self.blocked():
            return self.waits()
        before = self.parent
        f = Fence(self)
        if not before:
            self.new_daemon()
        f.maker = self.parent
        f.lives, f.status, f.told_end = True, None, None
        self.fences.append(f)

    def short(self):
        if self.blocked():
            return self.waits()
        r = self.lab.run(POLICY, ["/bin/true"], timeout=30)
        check(r.rc == 0, r.tell())
        if not self.parent:
            check(not self.living() or "its daemon died" in r.err, "nobody was told of", [f.name for f in self.living()],
                  r.tell())
            self.new_daemon()

    def kill_parent(self):
        kill(self.parent)
        L.until(lambda: not self.lab.daemons(), 5, "the engine outlives its parent")
        for f in self.fences:  # one that was being ended is no more
            if not f.lives and f.told_end and f.maker == self.parent and self.engine_stopped:
                f.told_end = None
        self.gone_daemon(False)

    def term_parent(self):
        kill(self.parent, signal.SIGTERM)
        if self.stopped:
            self.term_pending = True
            return
        self.went()

    def went(self):
        L.until(lambda: not self.lab.daemons(), 10, "it does not go")
        for f in self.living():
            if f.maker == self.parent:
                self.end_fence(f, 137, True)
        self.gone_daemon(True)

    def stop_parent(self):
        kill(self.parent, signal.SIGSTOP)
        self.stopped = True

    def cont_parent(self):
        kill(self.parent, signal.SIGCONT)
        self.stopped = False
        if self.term_pending:
            return self.went()
        for f in self.living():  # it hears only now that their agentctl is gone
            if f.maker == self.parent and not f.ctl_lives():
                self.end_fence(f, None, True)

    def kill_engine(self):
        kill(self.engine())
        self.engine_stopped = False
        if not self.stopped:
            L.until(self.engine, 12, "no engine comes back")

    def stop_engine(self):
        kill(self.engine(), signal.SIGSTOP)
        self.engine_stopped = True

    def cont_engine(self):
        kill(self.engine(), signal.SIGCONT)
        self.engine_stopped = False

    def kill_agentctl(self, f):
        f.h.p.kill()
        f.h.p.wait()
        f.killed = True
        self.recheck()
        if f.lives and f.maker == self.parent and not self.stopped:
            self.end_fence(f, None, True)

    def recheck(self):
        """The kernel lets a process group with a stopped process go on when who started it ends."""
        if self.engine_stopped and self.engine() and state(self.engine()) != "T":
            self.engine_stopped = False
        if self.stopped and state(self.parent) != "T":
            self.cont_parent()

    def stop_agentctl(self, f):
        kill(f.h.p.pid, signal.SIGSTOP)
        f.stopped = True

    def cont_agentctl(self, f):
        kill(f.h.p.pid, signal.SIGCONT)
        f.stopped = False

    def end(self, f):
        """The command ends by a signal that agentctl passes on; where the daemon does not answer another ends the wait."""
        deadline = time.monotonic() + 8
        while f.ctl_lives():
            kill(f.h.p.pid, signal.SIGTERM)
            check(time.monotonic() < deadline, "agentctl does not end")
            L.comes(lambda: not f.ctl_lives(), 0.4)
        heard = f.maker == self.parent and not self.stopped and not self.engine_stopped
        self.recheck()
        self.end_fence(f, 143, True if heard else None if f.maker == self.parent else False)

    def idle(self):
        self.idled = True
        L.until(lambda: not self.lab.daemons(), 9, "an idle daemon stays")
        self.gone_daemon(True)

    def flush(self):
        self.destroy(["nft", "flush", "ruleset"])

    def delete(self):
        self.destroy(["nft", "delete", "table", "inet", "agentfw"])

    def destroy(self, how):
        if not self.parent and not all(wall_attached(f.cgroup) for f in self.living()):
            return
        self.lab.bare(how)
        if not self.parent:
            self.table = False

    # -- is it as the model says?

    def look(self):
        for f in self.fences:
            if not f.lives:
                L.until(lambda: not members(f.cgroup), 8, lambda: "the sender of %s lives" % f.name)
            elif not members(f.cgroup):
                check(False, "the sender of", f.name, "is dead")
            if f.status is not None and not f.stopped and not f.killed:
                L.until(lambda: not f.ctl_lives(), 8, lambda: "agentctl of %s does not end" % f.name)
                check(f.h.p.returncode == f.status, f.name, "exit status", f.h.p.returncode, "not", f.status)
        check(("agentfw" in self.lab.rules()) == self.table, "table:", self.lab.rules(), "the model says", self.table)
        now = self.find_parent()
        check(now == self.parent, "daemon", now, "not", self.parent)
        self.ask()
        self.lab.none_arrives(self.toks, 0.1)

    def ask(self):
        if self.stopped:
            return
        r = self.lab.bare([L.AGENTCTL, "status", "--json"])
        check(r.rc == (0 if self.parent else 3), "status:", r.tell())
        want = {f.name for f in self.living() if f.maker == self.parent}
        L.until(lambda: {f["name"] for f in json.loads(self.lab.bare([L.AGENTCTL, "status", "--json"]).out)["fences"]}
                   == want, 5, lambda: "status does not say %s" % sorted(want))

    # -- the end

    def clean_up(self):
        for pid in self.lab.daemons():
            kill(pid, signal.SIGCONT)
        self.stopped = self.engine_stopped = False
        for f in self.fences:
            if f.ctl_lives():
                kill(f.h.p.pid, signal.SIGCONT)
                kill(f.h.p.pid, signal.SIGTERM)

    def finish(self):
        self.clean_up()
        for f in self.fences:
            L.until(lambda: not f.ctl_lives(), 25, lambda: "agentctl of %s does not end" % f.name)
        r = self.lab.run(POLICY, ["/bin/true"], timeout=40)  # ends what nobody holds any more
        check(r.rc == 0, "the last run:", r.tell())
        kill(self.find_parent(), signal.SIGTERM)
        self.lab.wait_clean()
        for f in self.fences:
            check(not os.path.exists(f.cgroup), f.cgroup, "is left")
            ends = sum(e["event"].get("action") == "fence_ended" for e in f.h.record().lines())
            check(f.told_end is None or ends == f.told_end, f.name, "fence_ended", ends, "times; the model says", f.told_end)
        for tok in self.toks:
            self.lab.absent(tok, "at the end")
        for f in self.fences:
            f.h.stop()
        self.lab.held = []

    def go(self):
        try:
            for _ in range(STEPS):
                self.step()
            self.path.append("finish")
            self.finish()
        except Exception as e:
            self.clean_up()
            raise AssertionError("WALK_SEED=%d: %s: %s: %s" % (self.seed, ", ".join(self.path), type(e).__name__, e)) from e


def sender_is_heard(lab):
    """Without a fence each of its ways arrives, or the walks prove nothing."""
    tok = L.token()
    p = subprocess.Popen(lab.enter() + sender(tok), start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        for kind in KINDS:
            L.until(lambda: lab.rec.saw(tok + kind), 5, lambda: "%s does not arrive without a fence" % kind)
    finally:
        for pid in lab.netns_pids():
            if tok in open("/proc/%d/cmdline" % pid).read():
                kill(pid)
        p.wait()


def walks(lab):
    seed, seconds = os.environ.get("WALK_SEED"), int(os.environ.get("WALK_SECONDS", SECONDS))
    lab.need_product()
    sender_is_heard(lab)
    if seconds > SECONDS:
        signal.alarm(seconds + 120)
    end, done = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        n = int(seed) if seed else random.SystemRandom().randrange(1 << 31)
        print("     walk: WALK_SEED=%d" % n, flush=True)
        lab.reset()
        lab.wait_clean()
        Walk(lab, n, bool(seed)).go()
        done += 1
        if seed:
            break
    check(done, "no walk")


def test_walks(lab):
    walks(lab)


def test_more_walks(lab):
    if not os.environ.get("WALK_SEED"):
        walks(lab)
