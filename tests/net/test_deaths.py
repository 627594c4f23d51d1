# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that die, are stopped or cannot start: what is said then, and what they leave. Everything is ended by
its pid, and only in this test's own network namespace."""
import os
import resource
import signal
import subprocess
import time

import lab as L
import topo
from agents import Trier, sender
from lab import check
from namespaces import namespaces

NAME = "api.allowed.test"
POLICY = L.policy(NAME)
MARK = "user.agentfw.net"
POLL = 7  # the system call
ROOT = next((c for c in L.CGROOTS if os.path.isdir(os.path.dirname(c)) and
             os.path.exists(os.path.dirname(c) + "/cgroup.procs")), L.CGROOTS[0])


def canary(lab, tok, pol=POLICY):
    """A fence with a sender that survives its agentctl: (the run, its cgroup)."""
    h = lab.start(pol, sender(tok))
    return h, h.cgroup()


def parent(lab):
    return L.until(lambda: lab.daemons(engine=False), 5, "no daemon")[0]


# ---- a daemon that died ------------------------------------------------------------------------

def later_daemon(lab, also_agentctl, unmarked):
    tok = L.token()
    h, cg = canary(lab, tok)
    inside = L.members(cg)
    L.kill(parent(lab))
    L.until(lambda: not lab.daemons(), 5, "the engine outlives its parent")
    if also_agentctl:
        os.kill(h.ctl_pid(), signal.SIGKILL)
        h.p.wait()
    L.until(lambda: L.members(cg), 1, "the canary is dead already")
    if unmarked:
        os.removexattr(cg, MARK)
    r = lab.run(POLICY, ["/bin/true"])
    check(r.rc == 0, r.tell())
    check("its daemon died" in r.err and os.path.basename(cg) in r.err, "nobody was told:", r.tell())
    check(not os.path.exists(cg), "the cgroup of the dead daemon's fence is there")
    check(all(L.gone(p) for p in inside if p != h.p.pid), "they live")
    lab.wait_clean()
    lab.absent(tok, "after the second daemon went")
    if not also_agentctl:
        done = h.result()
        check(done.rc == 137 and "firewall daemon has gone" in done.err, done.tell())


def test_later_daemon_frees_nobody(lab):
    for also_agentctl in (False, True):
        for unmarked in (False, True):
            later_daemon(lab, also_agentctl, unmarked)


def test_others_are_left_alone(lab):
    """Fences of another network namespace stand in the same directory."""
    with namespaces(lab) as n:
        name = n.add()
        pol = lab.file(".yaml", POLICY)
        other = subprocess.Popen(n.enter(name) + [L.AGENTCTL, "run", "-p", pol, "--log-dir", lab.file(".log"), "--", "/bin/sh",
                                                  "-c", "echo READY; exec sleep 60"], stdout=subprocess.PIPE,
                                 env=dict(lab.env(), **n.env))
        try:
            check(b"READY" in other.stdout.readline(), "the other does not start")
            theirs = L.cgroups_of(other.pid)
            check(len(theirs) == 1, theirs)
            for unmark in (False, True):
                h, cg = canary(lab, L.token())
                if unmark:
                    os.removexattr(theirs[0], MARK)
                L.kill(parent(lab))
                r = lab.run(POLICY, ["/bin/true"])
                check(r.rc == 0 and not os.path.exists(cg), r.tell())
                check(L.members(theirs[0]) and other.poll() is None, "the other's fence was ended")
                h.stop()
                lab.wait_clean()
                check(L.members(theirs[0]) and other.poll() is None, "the other's fence was ended, later")
        finally:
            other.terminate()
            other.wait(10)


def test_rules_stay_while_somebody_is_in_there(lab):
    """Whoever made the cgroup: a daemon that has nothing to do stays."""
    h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
    by_hand = "%s/by-hand.%d" % (ROOT, os.getpid())
    os.mkdir(by_hand)
    p = None
    try:
        p = subprocess.Popen(lab.enter() + ["/bin/sh", "-c", "echo $$ > %s/cgroup.procs; exec sleep 60" % by_hand])
        L.until(lambda: L.members(by_hand), 5, "not in there")
        h.result()
        L.stays(lambda: lab.daemons(engine=False) and "agentfw" in lab.rules(), 7,
                lambda: "the rules went: %s" % lab.left_over())  # an idle daemon goes after five seconds
        os.kill(parent(lab), signal.SIGTERM)
        L.until(lambda: not lab.daemons(), 10, "it does not go")
        check("agentfw" in lab.rules(), "SIGTERM took the rules away")
        check(p.poll() is None, "it was killed")
    finally:
        if p:
            p.kill()
            p.wait()
        L.until(lambda: not os.path.exists(by_hand) or not L.members(by_hand), 5, "still in there")
        if os.path.exists(by_hand):
            os.rmdir(by_hand)
    lab.run(POLICY, ["/bin/true"])
    lab.wait_clean()


def test_sigterm_ends_fences(lab):
    for stop_engine in (False, True):
        tok = L.token()
        h, cg = canary(lab, tok)
        if stop_engine:
            L.kill(lab.daemons(engine=True)[0], signal.SIGSTOP)
        os.kill(parent(lab), signal.SIGTERM)
        r = h.result()
        check(r.rc == 137 and "was told to end" in r.err, r.tell())
        L.until(lambda: not lab.left_over() and not os.path.exists(cg), 10, lambda: "left: %s" % lab.left_over())
        lab.absent(tok)
        ends = [e for e in r.lines() if e["event"].get("action") == "fence_ended"]
        check(len(ends) == 1, "the record does not say that it ended", len(ends))


def test_next_waits_for_one_that_goes(lab):
    """While a daemon ends its fences the next run waits for it, and works."""
    h, _ = canary(lab, L.token())
    L.kill(lab.daemons(engine=True)[0], signal.SIGSTOP)
    os.kill(parent(lab), signal.SIGTERM)
    r = lab.run(POLICY, ["/usr/bin/curl", "-sS", "--max-time", "5", "https://%s/" % NAME], timeout=30)
    check(r.rc == 0 and "hello" in r.out, r.tell())
    check(h.result().rc == 137)
    lab.wait_clean()


# ---- an engine that cannot start ---------------------------------------------------------------

def cannot_start(lab, before, *words, user="nobody"):
    _, argv = lab.argv(L.policy(NAME, user=user), ["/bin/true"])
    at = argv.index(L.AGENTCTL)
    r = lab._call(argv[:at] + before + argv[at:], 30)
    check(r.rc == 125 and all(w in r.err for w in words), before, r.tell())
    check("agentfwd did not start" in r.err and "hint:" in r.err, r.tell())
    check(not lab.left_over(), lab.left_over())
    check(not os.path.exists(lab.run_dir() + "/control"), "the socket stays")
    check(r.ms < 12000, "it took", r.ms)


def test_engine_cannot_start(lab):
    lab.wait_clean()
    cannot_start(lab, ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"], "empty root", "SYS_ADMIN")
    cannot_start(lab, ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "/bin/sh", "-c",
                       "ulimit -n 40; exec \"$@\"", "sh"], "40 files", "ulimit -n")
    # agentctl, and its own child, take the rights of daemon, who is 1; the engine becomes one of the others
    nosys = ["/usr/bin/env", "SUDO_UID=1", L.PYTHON, os.path.join(L.HERE, "nosys.py")]
    cannot_start(lab, nosys + ["117:1:60578-61183,105:1"], "privileges", "must be mapped", user="daemon")


def test_one_user_is_mapped(lab):
    """In such a user namespace the engine cannot become anybody else."""
    with namespaces(lab) as n:
        r = lab._call(["unshare", "-U", "-r", "-n", "/bin/sh", "-c", "ip link set lo up; exec %s/agentfwd --idle-exit"
                       % L.BUILD], 20, env=n.env)
        check(r.rc == 71 and "users' numbers" in r.err and "must be mapped" in r.err, r.tell())
        check(r.err.count("must be mapped") == 1, "told more than once", r.tell())
        left = [f for _, _, files in os.walk(n.dir) for f in files]
        check("control" not in left, left)


def test_engine_that_dies_again_and_again(lab):
    """The engine is then started seldom. A new fence fails meanwhile, with the reason; the old ones go on
    afterwards."""
    trier = Trier(lab, POLICY, "https://%s/" % NAME)
    pid = parent(lab)
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, hard))  # enough for the daemon, too few for an engine
    start = time.monotonic()
    try:
        L.kill(lab.daemons(engine=True)[0])
        r = lab.run(POLICY, ["/bin/true"], timeout=30)
        check(r.rc == 125 and "the engine does not take the fence" in r.err and "open files" in r.err, r.tell())
        check(r.ms < 15000, "it took", r.ms)
        time.sleep(max(0, 8 - (time.monotonic() - start)))  # how often in eight seconds is the question
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    restarts = lab.status()["engine"]["restarts"]
    check(3 <= restarts <= 6, restarts, "engines in eight seconds")
    L.until(lambda: trier.ask() == [200], 20, lambda: "it does not recover: " + trier.h.text)
    told = [e for e in trier.h.result().lines() if e["event"].get("action") == "engine_restarted"]
    check(len(told) == 1, "told", len(told), "times")
    lab.wait_clean()


# ---- an asker that has to wait for its turn ----------------------------------------------------

OWN = """
import socket, sys
server = socket.create_server((sys.argv[1], 5000), family=socket.AF_INET6)
print("READY", flush=True)
for line in sys.stdin:
    with socket.create_connection((sys.argv[1], 5000), timeout=20) as c, server.accept()[0] as s:
        c.sendall(b"hello"); print(s.recv(9).decode(), line, flush=True)
"""


def test_asker_that_is_slow(lab):
    """What was asked is not refused for want of an answer: it waits; and an asker that never answers is replaced."""
    h = lab.start(POLICY, [L.PYTHON, "-c", OWN, topo.AGENT6])
    for seconds in (1, 30):
        asker, = lab.daemons(role="asker")
        os.kill(asker, signal.SIGSTOP)
        h.send("after %d" % seconds)
        if seconds == 1:
            time.sleep(seconds)
            os.kill(asker, signal.SIGCONT)
        else:
            L.until(lambda: L.gone(asker), seconds, "it stays")
        h.expect("hello after %d" % seconds, 25)
    r = h.result()
    check(r.rc == 0 and not r.events(code="no-rule"), r.tell())


# ---- a daemon that is stopped ------------------------------------------------------------------

def test_stopped_daemon(lab):
    """agentctl waits 20 seconds for it, then names it; a signal ends the wait at once; a command's status is not
    held back."""
    lab.run(POLICY, ["/bin/true"])  # the kernel lets a stopped daemon go on when who started it ends
    ending = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x; exit 7"])
    pid = parent(lab)
    os.kill(pid, signal.SIGSTOP)
    try:
        began, calls, waiting = time.monotonic(), {}, []
        for word, argv in (("run", lab.argv(POLICY, ["/bin/true"])[1]), ("status", lab.enter() + [L.AGENTCTL, "status"])):
            calls[word] = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=lab.env(), cwd="/")
        for sig in (signal.SIGTERM, signal.SIGINT):
            p = subprocess.Popen(lab.argv(POLICY, ["/bin/true"])[1], stderr=subprocess.PIPE, text=True, env=lab.env(),
                                 cwd="/")
            waiting.append((sig, p))
        ending.p.stdin.close()
        L.stays(lambda: all(p.poll() is None for _, p in waiting), 1, "one did not wait")
        for sig, p in waiting:
            p.send_signal(sig)
            p.wait(2)
            check(p.returncode == 128 + sig, sig, p.returncode)
        for word, p in calls.items():
            _, err = p.communicate(timeout=30)
            check(p.returncode == 125, word, p.returncode, err)
            check("pid %d" % pid in err and "stopped" in err and "kill -CONT %d" % pid in err, word, err)
        check(15 < time.monotonic() - began < 25, "it took", time.monotonic() - began)
        check(ending.p.wait(10) == 7, "status", ending.p.returncode)
        check("pid %d" % pid in open(ending.errpath).read(), open(ending.errpath).read())
    finally:
        os.kill(pid, signal.SIGCONT)
    lab.wait_clean(20)


def test_signal_ends_the_last_wait(lab):
    h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x; exit 7"])
    pid = parent(lab)
    cg = h.cgroup()
    os.kill(pid, signal.SIGSTOP)
    try:
        h.p.stdin.close()
        L.stays(lambda: h.p.poll() is None, 1, lambda: "it did not wait: %s" % h.p.returncode)
        h.p.send_signal(signal.SIGTERM)
        check(h.p.wait(3) == 7, "the command's status is", h.p.returncode)
        check(not os.path.exists(cg), "the cgroup stays")
    finally:
        os.kill(pid, signal.SIGCONT)
    lab.wait_clean()


def takes_no_more(lab):
    """More wait at the daemon's socket than it has said."""
    at = [l.split() for l in lab.bare(["ss", "-xlH"]).out.splitlines() if lab.run_dir() + "/control" in l]
    return at and int(at[0][2]) > int(at[0][3])


def test_stopped_and_nobody_taken_in(lab):
    """Where more wait than the socket holds, connecting is bounded too."""
    lab.run(POLICY, ["/bin/true"])
    pid = parent(lab)
    os.kill(pid, signal.SIGSTOP)
    waiting = []
    try:
        for _ in range(131):
            waiting.append(subprocess.Popen(lab.enter() + [L.AGENTCTL, "status"], stderr=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, env=lab.env()))
        L.until(lambda: takes_no_more(lab), 20, "the socket takes all of them in")
        p = subprocess.Popen(lab.argv(POLICY, ["/bin/true"])[1], env=lab.env(), stderr=subprocess.PIPE)
        L.until(lambda: L.in_call(p.pid, POLL), 5, "it does not wait to be taken in")
        p.send_signal(signal.SIGTERM)
        p.wait(2)
        check(p.returncode == 128 + signal.SIGTERM, p.returncode, p.stderr.read())
    finally:
        for w in waiting:
            w.kill()
            w.wait()
        os.kill(pid, signal.SIGCONT)
    lab.wait_clean()


# ---- the number of the last generation ---------------------------------------------------------

def test_epoch_file(lab):
    with namespaces(lab) as n:
        name = n.add()
        n.run(n.enter(name))
        path = n.of(name) + "/epoch"
        for text in ("", "x\n", "-5\n", "99999999999\n", "12 monkeys\n", "7", "\0\0\0\n", "0\n"):
            open(path, "w").write(text)
            r = lab._call(n.enter(name) + [L.AGENTCTL, "run", "-p", lab.file(".yaml", POLICY), "--log-dir",
                                           lab.file(".log"), "--", "/bin/true"], 20, env=n.env)
            check(r.rc == 0 and "epoch" in r.err and "random" in r.err, repr(text), r.tell())
            now = open(path).read()
            check(int(now) > 0 and now.endswith("\n"), repr(now))
            n.run(n.enter(name))
            check(int(open(path).read()) == int(now) + 1, "numbers do not go on")
