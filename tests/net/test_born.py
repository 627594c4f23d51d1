# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon serves everybody, so it begins with nothing of who happened to call first (agentctl/daemon/birth.c):
seen from outside by its pid, after callers who have as much as possible that it must not have."""
import os
import re
import resource
import signal
import subprocess

import lab as L
import processes
import topo
from lab import check
from namespaces import namespaces

NAME = "api.allowed.test"
POLICY = L.policy(NAME)
SECRET = "s3cret-of-the-caller"
LIMITS = "-c unlimited -v 3000000 -d 2000000 -s 1024 -t 100 -f 1 -n 16 -l 64 -i 100 -q 4096"
PIPE = 1 << (signal.SIGPIPE - 1)
SYS_RESOURCE = 24
FLOOD = 3000


# All signals, and one descriptor that is inherited.
BLOCKED = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
os.set_inheritable(7, True)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def read(pid, name):
    with open("/proc/%d/%s" % (pid, name), "rb") as f:
        return f.read()


def status(pid):
    return {k: v.strip() for k, v in (line.split(":", 1) for line in read(pid, "status").decode().splitlines())}


def may_raise():
    return int(status(os.getpid())["CapEff"], 16) >> SYS_RESOURCE & 1


def first(lab, before, command=("/bin/true",), env=None, **kw):
    """A run behind other programs, where there is no daemon: (the run, the daemon's pid)."""
    for pid in lab.daemons(engine=False):
        os.kill(pid, signal.SIGTERM)
    L.until(lambda: not lab.daemons(), 10, "a daemon does not end")
    log_dir, argv = lab.argv(POLICY, command)
    at = argv.index(L.AGENTCTL)
    r = lab._call(argv[:at] + list(before) + argv[at:], 20, log_dir, env=dict(env or {}), **kw)
    pids = lab.daemons(engine=False)
    return r, pids[0] if pids else None


def shell(text):
    return ["/bin/bash", "-c", text + '; exec "$@"', "bash"]


def engine(lab):
    return L.until(lambda: lab.daemons(engine=True), 5, "no engine")[0]


# As many as the engine and the record can take.
MANY = """
import socket, sys, time
s, sent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
while sent < int(sys.argv[2]):
    try:
        s.sendto(b"x" * 64, (sys.argv[1], 9999))
        sent += 1
        if sent % 50 == 0:
            time.sleep(0.005)
    except OSError:
        pass
print(sent)
"""


def records_all(lab):
    """All that the next caller's fence refuses is in that caller's record."""
    r = lab.run(POLICY, [L.PYTHON, "-c", MANY, topo.EVIL4, str(FLOOD)], timeout=30)
    check(r.rc == 0, r.tell())
    lost = sum(e["agentfw"]["lost"] for e in r.lines() if e["event"]["action"] == "lost")
    check(lost == 0 and len(r.packets()) == int(r.out) >= FLOOD, int(r.out), "sent", len(r.packets()), "recorded", lost,
          "lost", r.tell())


# -- limits, environment, and what a process has of its parent

def check_limits(pid):
    for name in dir(resource):
        if not name.startswith("RLIMIT_") or name in ("RLIMIT_OFILE", "RLIMIT_NOFILE"):
            continue
        mine, want = (resource.prlimit(p, getattr(resource, name)) for p in (pid, 1))
        if name == "RLIMIT_CORE":
            want = (0, want[1])
        hard = min(want[1], resource.getrlimit(getattr(resource, name))[1], key=lambda n: n & (1 << 64) - 1)
        check(mine[0] == want[0] or mine[0] == hard, name, mine, "the first process has", want)
        check(mine[1] in (want[1], hard), name, mine, "the first process has", want)
    files = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    check(files[0] >= min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]), "files", files)


def test_limits(lab):
    """Soft ones, which root may always raise: the next caller's record has no hole."""
    r, pid = first(lab, shell("ulimit -S %s" % LIMITS))
    check(r.rc == 0 and not r.err, r.tell())
    check_limits(pid)
    records_all(lab)
    check(lab.daemons(engine=False) == [pid], "another daemon")


def test_hard_limits(lab):
    """Raised by who may; else no daemon is born that would serve everybody badly, and the next caller's is as
    ever."""
    for letter, value, what in (("f", 1, "size of files"), ("t", 2, "processor time"), ("v", 500000, "address space"),
                                ("d", 400000, "data")):
        r, pid = first(lab, shell("ulimit -%s %d" % (letter, value)))
        if may_raise():
            check(r.rc == 0, letter, r.tell())
            check_limits(pid)
        else:
            check(r.rc == 125 and what in r.err and "ulimit -H" + letter in r.err and "hint: " in r.err, letter, r.tell())
            check(not pid, "a daemon")
    records_all(lab)


def test_environment(lab):
    r, pid = first(lab, [], env={"API_KEY": SECRET, "LD_PRELOAD": "/no/" + SECRET, "TZ": SECRET, "AGENTFW_X": SECRET})
    check(r.rc == 0, r.tell())
    for p in (pid, engine(lab)):
        names = [v.split(b"=")[0] for v in read(p, "environ").split(b"\0") if v]
        check(set(names) <= {b"AGENTFW_RUN_DIR"}, p, names)
        check(SECRET.encode() not in read(p, "environ") + read(p, "cmdline"))


def test_process(lab):
    """Session, terminal, signals, mask, turns, directory, descriptors, groups, personality."""
    r, pid = first(lab, ["setpriv", "--groups=4,20", "--inh-caps=+chown", "--ambient-caps=+chown", "setarch", "-R", "taskset",
                         "-c", "0", "nice", "-n", "19", "ionice", "-c", "3", "chrt", "-i", "0", "choom", "-n", "500", "--",
                         *shell("trap '' HUP INT TERM USR1 USR2 CHLD; umask 0777; exec 7</etc/passwd; cd /tmp"), L.PYTHON,
                         "-c", BLOCKED])
    check(r.rc == 0, r.tell())
    s, fields = status(pid), processes.stat(pid)
    check(s["Umask"] == "0022" and not s["Groups"] and not int(s["CapAmb"], 16), s["Umask"], s["Groups"], s["CapAmb"])
    check(int(s["SigIgn"], 16) & ~PIPE == 0, "ignored", s["SigIgn"])
    own = sum(1 << (n - 1) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    check(int(s["SigBlk"], 16) == own, "blocked", s["SigBlk"])
    check(int(fields[3]) == pid and int(fields[2]) == pid, "session", fields[3], "group", fields[2])
    check(fields[4] == "0", "terminal", fields[4])
    check(int(fields[16]) == 0 and fields[38] == "0", "nice", fields[16], "policy", fields[38])
    check(os.sched_getaffinity(pid) == os.sched_getaffinity(1), "processors", os.sched_getaffinity(pid))
    check(subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True).stdout.startswith("none"), "ionice")
    check(int(read(pid, "oom_score_adj")) in ((-900,) if may_raise() else (-900, 0)), read(pid, "oom_score_adj"))
    check(int(read(pid, "personality"), 16) == 0, read(pid, "personality"))
    check(os.readlink("/proc/%d/cwd" % pid) == "/")
    for p in (pid, engine(lab)):
        to = {n: os.readlink("/proc/%d/fd/%s" % (p, n)) for n in os.listdir("/proc/%d/fd" % p)}
        check(to["0"] == to["1"] == "/dev/null" and to["2"].startswith("pipe:"), to)  # a pipe bounds what it holds
        odd = [t for n, t in to.items() if int(n) > 2 and not re.match(r"socket:|anon_inode:|/memfd:agentfw-ring|/.*/lock$", t)]
        check(len(odd) <= 3 and not "".join(odd).strip("pipe:[0123456789]"), p, odd)  # to the gate, and of the ring
    lab.run(POLICY, ["/bin/true"])
    check(lab.daemons(engine=False) == [pid], "the next caller has another daemon")


# -- cgroups

def own_cgroup(controller=None):
    base = "/sys/fs/cgroup/" + controller if controller else os.path.dirname(
        next((c for c in L.CGROOTS if os.path.exists(os.path.dirname(c) + "/cgroup.procs")), "/nowhere/x"))
    L.need(os.path.exists(base + "/cgroup.procs"), "no cgroups of %s" % (controller or "version 2"))
    path = "%s/afwt-born-%d" % (base, os.getpid())
    os.mkdir(path)
    return path


def put(path, text):
    with open(path, "w") as f:
        f.write(text)


def remove(path):
    for pid in L.members(path):
        L.kill(pid)
    L.until(lambda: not L.members(path), 5, "processes stay in " + path)
    os.rmdir(path)


def test_end_of_the_first_unit(lab):
    """A unit or session that is stopped takes the daemon's clients along, not the daemon, nor others' fences."""
    unit = own_cgroup()
    try:
        r, pid = first(lab, shell("echo $$ > %s/cgroup.procs" % unit))
        check(r.rc == 0, r.tell())
        other = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
        check(not L.members(unit), "in the unit's cgroup:", L.members(unit))
        put(unit + "/cgroup.kill", "1")
        at = [l for l in read(pid, "cgroup").decode().splitlines() if l.startswith("0::")][0]
        check(at == "0::/agentfwd", at)
        r = other.result()
        check(r.rc in (0, 1) and lab.daemons(engine=False) == [pid], r.tell())
    finally:
        remove(unit)


def test_limits_of_the_first_cgroup(lab):
    """Its memory and its number of processes bind who called."""
    unit = own_cgroup("pids")
    try:
        put(unit + "/pids.max", "40")
        r, pid = first(lab, shell("echo $$ > %s/cgroup.procs" % unit))
        check(r.rc == 0, r.tell())
        for p in (pid, engine(lab)):
            at = read(p, "cgroup").decode().splitlines()
            check(all(l.endswith(":/") for l in at if not l.startswith("0::")), at)
        put(unit + "/pids.max", "0")
        L.kill(engine(lab))
        L.until(lambda: lab.daemons(engine=True), 10, "no engine can be started")
        records_all(lab)
    finally:
        remove(unit)


def test_cgroup_goes(lab):
    """With the last of them, or one that others are in stays."""
    first(lab, [])
    for pid in lab.daemons(engine=False):
        os.kill(pid, signal.SIGTERM)
    L.until(lambda: not lab.daemons(), 10, "it does not end")
    dirs = [os.path.dirname(c) + "/agentfwd" for c in L.CGROOTS]
    L.until(lambda: all(not os.path.isdir(d) or L.members(d) for d in dirs), 10, "its cgroup stays, empty")


# -- mounts

# The first process of a process namespace: processes in it see no more of the machine.
MACHINE = """
import os, subprocess, sys
r = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, text=True)
print("READY", r.returncode, os.readlink("/proc/self/ns/mnt"), r.stderr.replace(chr(10), " "), flush=True)
sys.stdin.readline()
"""


def machine(lab, n, name, caller):
    """A caller there, in mounts of their own: (the machine, its mounts, what is said, the daemon's pid)."""
    argv = ["unshare", "-m", "--propagation", "private", *shell(caller), L.AGENTCTL, "run", "-p", lab.file(".yaml", POLICY),
            "--log-dir", lab.file(".log"), "--", "/bin/true"]
    p = subprocess.Popen(n.enter(name) + ["unshare", "-mpf", "--propagation", "private", "--mount-proc", "--kill-child", L.PYTHON, "-c", MACHINE,
                                          *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(lab.env(), **n.env))
    word, rc, mounts, said = (p.stdout.readline().rstrip("\n") + "   ").split(" ", 3)
    check(word == "READY" and rc == "0", word, rc, said)
    out = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout
    found = [int(pid) for pid in out.split() if (L.command_line(int(pid)) or "").startswith("agentfwd --idle")]
    check(len(found) == 1, found)
    return p, mounts, found[0]


def test_mounts_of_the_first_caller(lab):
    """A caller with another /etc and /var shapes nothing; one with a run directory of their own is a world of their
    own, and so is their daemon."""
    for private, caller in ((False, "mount -t tmpfs none /var; mkdir -p /var/log; mount -t tmpfs none /mnt"),
                            (True, "mkdir -p $AGENTFW_RUN_DIR; mount -t tmpfs -o mode=755 none $AGENTFW_RUN_DIR")):
        with namespaces(lab) as n:
            name = n.add()
            p, mounts, pid = machine(lab, n, name, caller)
            try:
                theirs = os.readlink("/proc/%d/ns/mnt" % pid)
                check((theirs == mounts) != private, theirs, "the first process has", mounts)
                points = [l.split()[4] for l in read(pid, "mountinfo").decode().splitlines()]
                check(private or "/mnt" not in points, points)
            finally:
                os.kill(pid, signal.SIGTERM)
                L.until(lambda: L.gone(pid), 10, "it does not end")
                p.communicate("\n", timeout=10)
