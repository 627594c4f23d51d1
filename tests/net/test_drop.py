# SPDX-License-Identifier: GPL-2.0-or-later
"""What processes have given up, seen from outside by their pids: engine, gate and asker (fw/ipc/shut_in.c), and the
child that compiles a policy (policy/child/drop.c). All begin with more than usual, so that each thing that is given up
was there: groups, inheritable and ambient capabilities, descriptors, cores, mounts that are passed on."""
import fcntl
import os
import re
import signal
import subprocess
import time

import lab as L
from lab import check

NOBODY = "65534"
NET_ADMIN = 1 << 12
NAMES = 150000  # the child takes a second or more for them: time to stop it
SUID_DUMPABLE = "/proc/sys/fs/suid_dumpable"
ROLES = ("engine", "gate", "asker")
RICH = ["--groups=4,20", "--inh-caps=+chown,+net_raw", "--ambient-caps=+chown"]


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return {k: v.strip() for k, v in (line.split(":", 1) for line in f)}


def capability(s, which):
    return int(s["Cap" + which], 16)


def limits(pid):
    """name: (soft, hard)"""
    with open("/proc/%d/limits" % pid) as f:
        return {line[:26].strip(): tuple(line[26:].split()[:2]) for line in f}


def descriptors(pid):
    d = "/proc/%d/fd" % pid
    return {int(n): os.readlink(os.path.join(d, n)) for n in os.listdir(d)}


def kinds(fds):
    return {n: re.sub(r":\[\d+\]$", "", to) for n, to in fds.items()}


def gone(pid):
    try:
        return status(pid)["State"][0] in "ZX"
    except OSError:
        return True


def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    L.until(lambda: status(pid)["State"][0] == "T", 5, "a process does not stop")


def check_unprivileged(pid, s, uid, gid, groups, caps, bounding):
    check(s["Uid"].split() == [uid] * 4, "uid", s["Uid"])
    check(s["Gid"].split() == [gid] * 4, "gid", s["Gid"])
    check(s["Groups"].split() == groups, "groups", s["Groups"])
    for which, want in (("Inh", 0), ("Prm", caps), ("Eff", caps), ("Bnd", bounding), ("Amb", 0)):
        check(want is None or capability(s, which) == want, "Cap" + which, s["Cap" + which])
    check(s["NoNewPrivs"] == "1", "no_new_privs", s["NoNewPrivs"])
    check(s["Seccomp"] == "2", "seccomp", s["Seccomp"])
    # what may not be traced or dumped belongs to root here
    st = os.stat("/proc/%d/status" % pid)
    check((st.st_uid, st.st_gid) == (0, 0), "it is dumpable: its files in /proc belong to", st.st_uid, st.st_gid)


class dumpable:
    """The kernel lets a process that has changed its uid stay dumpable, so that only its own word counts. It is a
    setting of the whole machine: one at a time, and a process of its own puts it back whatever becomes of us."""
    def __enter__(self):
        self.lock = open("/tmp/afwt-suid_dumpable.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        with open(SUID_DUMPABLE) as f:
            was = f.read().strip()
        self.undo = subprocess.Popen(["sh", "-c", "cat; echo %s > %s" % (was, SUID_DUMPABLE)], stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            with open(SUID_DUMPABLE, "w") as f:
                f.write("1")
        except OSError as e:
            raise L.Skip("%s: %s" % (SUID_DUMPABLE, e.strerror))

    def __exit__(self, *_):
        self.undo.stdin.close()
        self.undo.wait(5)
        self.lock.close()


# -- engine, gate, asker

class Daemon:
    """agentfwd in mounts of its own, which are passed on to copies of them, as most hosts have it."""
    def __init__(self, lab):
        for pid in lab.daemons(engine=False):
            os.kill(pid, signal.SIGTERM)
        L.until(lambda: not lab.daemons(), 10, "a daemon does not end")
        ready, w = os.pipe()
        spare = os.open("/etc/passwd", os.O_RDONLY)
        self.log = lab.file(".daemon")
        self.p = subprocess.Popen(
            lab.enter() + ["unshare", "-m", "--propagation", "private", "sh", "-c",
                           "mount --make-rshared / && ulimit -c unlimited && exec \"$@\"", "sh", "setpriv", *RICH,
                           os.path.join(L.BUILD, "agentfwd"), "--ready-fd", str(w)],
            pass_fds=[w, spare], env=lab.env(), cwd="/tmp", stdin=subprocess.DEVNULL, stdout=open(self.log, "w"),
            stderr=subprocess.STDOUT)
        os.close(w)
        os.close(spare)
        said = os.read(ready, 1)
        os.close(ready)
        check(said == b"1", "agentfwd does not start:", open(self.log).read())
        self.parent = self.p.pid
        self.pids = {role: lab.daemons(role=role)[0] for role in ROLES}
        self.engine = self.pids["engine"]

    def stop(self):
        if self.p.poll() is None:
            self.p.terminate()
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


def check_root(d, pid):
    root, cwd = "/proc/%d/root" % pid, "/proc/%d/cwd" % pid
    st, fs = os.stat(root), os.statvfs(root)
    check(os.listdir(root) == [], "its root has files", os.listdir(root)[:5])
    check(st.st_uid == 0 and st.st_mode & 0o7777 == 0o555, "its root: owner, mode", st.st_uid, oct(st.st_mode))
    for flag in ("RDONLY", "NOSUID", "NODEV", "NOEXEC"):
        check(fs.f_flag & getattr(os, "ST_" + flag), "its root is not", flag)
    check(fs.f_blocks * fs.f_frsize <= 4096, "its root has room", fs.f_blocks * fs.f_frsize)
    check(os.path.samefile(root, cwd), "it stands elsewhere than in its root")
    ns = [os.readlink("/proc/%d/ns/mnt" % pid) for pid in (d.parent, pid)]
    check(ns[0] != ns[1], "its mounts are those of its parent")
    with open("/proc/%d/mountinfo" % d.parent) as f:
        proc = [line for line in f if line.split()[4] == "/proc"]
    check(all(" - proc " in line for line in proc), "its mount has come back to its parent:", proc)


def check_shut_in(d):
    parent, uids = limits(d.parent), set()
    for role, pid in d.pids.items():
        s = status(pid)
        uid = s["Uid"].split()[0]
        uids.add(uid)
        check(60578 <= int(uid) <= 61183, role, "has a number that may be somebody's:", uid)
        check_unprivileged(pid, s, uid, uid, [], NET_ADMIN if role == "gate" else 0, 0)
        check(s["Seccomp_filters"] == "1", role, "filters", s["Seccomp_filters"])
        for name in ("Max core file size", "Max file size", "Max processes"):
            check(parent[name][0] != "0", "the parent has it already:", name)
            check(limits(pid)[name] == ("0", "0"), role, name, limits(pid)[name])
        check_root(d, pid)
    check(len(uids) == len(ROLES), "two have one user's number:", uids)


def check_began_rich(pid, ambient=True):
    """Else the other cases prove nothing."""
    s = status(pid)
    check(s["Groups"].split() == ["4", "20"] and capability(s, "Inh") and s["NoNewPrivs"] == "0", s)
    check(not ambient or capability(s, "Amb"), s)


def test_processes(lab):
    with dumpable():
        d = Daemon(lab)
    try:
        check_began_rich(d.parent)
        check("/etc/passwd" in descriptors(d.parent).values(), descriptors(d.parent))
        check_shut_in(d)
        fds = kinds(descriptors(d.engine))
        check(fds == {0: "/dev/null", 1: d.log, 2: d.log, 3: "socket", 4: "/memfd:agentfw-ring (deleted)",
                      5: "pipe", 6: "pipe", 7: "socket", 8: "anon_inode:[eventpoll]"},
              "descriptors", descriptors(d.engine))
        std = {0: "/dev/null", 1: d.log, 2: d.log}
        check(kinds(descriptors(d.pids["gate"])) == {**std, 3: "socket", 4: "pipe", 5: "socket"}, "the gate's",
              descriptors(d.pids["gate"]))
        check(kinds(descriptors(d.pids["asker"])) == {**std, **{n: "socket" for n in range(3, 7)}}, "the asker's",
              descriptors(d.pids["asker"]))
        r = lab.run(L.policy("api.allowed.test"), ["/usr/bin/curl", "-sS", "https://api.allowed.test/"])
        check(r.rc == 0, r.tell())
        check_shut_in(d)
    finally:
        d.stop()


def test_engine_with_a_fence(lab):
    """Then it has more sockets, and nothing else."""
    d = Daemon(lab)
    try:
        before = descriptors(d.engine)
        h = lab.start(L.policy("api.allowed.test"), ["/bin/sh", "-c", "echo READY; exec sleep 1000"])
        more = {to for n, to in descriptors(d.engine).items() if n not in before}
        check(more and all(to.startswith("socket:") for to in more), "descriptors", more)
        h.stop()
    finally:
        d.stop()


def test_they_die_with_their_parent(lab):
    """Also one that is stopped, and so cannot see that its socket was closed."""
    d = Daemon(lab)
    try:
        for pid in d.pids.values():
            stopped(pid)
        os.kill(d.parent, signal.SIGKILL)
        for role, pid in d.pids.items():
            L.until(lambda: gone(pid), 5, "the %s has outlived its parent" % role)
    finally:
        if not gone(d.engine):
            os.kill(d.engine, signal.SIGKILL)
        d.stop()
        lab.bare(["nft", "delete", "table", "inet", "agentfw"])


# -- the child that compiles a policy

class Child:
    """The child is stopped in the middle of its work; the process that started it waits."""
    def __init__(self, lab, command, who=(), env=None, behind=()):
        self.path = lab.file(".yaml", "version: 1\nagent: {user: nobody}\negress:\n" +
                             "".join("  - n%d.example\n" % i for i in range(NAMES)))
        spare = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(3)]
        self.p = subprocess.Popen(["sh", "-c", "ulimit -c unlimited && exec \"$@\"", "sh", "setpriv", *RICH, *who,
                                   *command, self.path, *behind],
                                  pass_fds=spare, env=dict(lab.env(), SECRET="s3cret", **(env or {})), text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for fd in spare:
            os.close(fd)
        self.pid = L.until(self.find, 20, "no child that has dropped its rights")
        stopped(self.pid)

    def find(self):
        check(self.p.poll() is None, "it has ended", self.p.poll())
        try:
            with open("/proc/%d/task/%d/children" % (self.p.pid, self.p.pid)) as f:
                pids = [int(p) for p in f.read().split()]
            return pids[0] if pids and status(pids[0])["Seccomp"] == "2" else None
        except OSError:
            return None

    def end(self, seconds=60):
        out, err = self.p.communicate(timeout=seconds)
        return L.Result(self.p.returncode, out, err, 0, None)

    def stop(self):
        if not gone(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        if self.p.poll() is None:
            self.p.kill()
            self.p.communicate()


def check_child(c, uid, gid, groups=(), bounding=0):
    check_unprivileged(c.pid, status(c.pid), uid, gid, list(groups), 0, bounding)
    fds = kinds(descriptors(c.pid))
    check(fds == {0: "pipe", 1: "/memfd:agentfw-policy (deleted)"}, "descriptors", descriptors(c.pid))
    has, had = limits(c.pid), limits(c.p.pid)
    for name, most in (("Max core file size", "0"), ("Max file size", str(256 << 20)), ("Max processes", "0"),
                       ("Max open files", "0"), ("Max address space", str(2 << 30))):
        check(had[name][0] != most, "the caller has it already:", name)
        check(has[name] == (most, most), name, has[name])
    with open("/proc/%d/environ" % c.pid, "rb") as f:
        check(not f.read().strip(b"\0"), "it has its caller's environment")


CHECK, DAEMON_CHECK = [L.AGENTCTL, "policy", "check"], [os.path.join(L.BUILD, "agentfwd"), "-n"]


def refused(c, status_, *words):
    r = c.end()
    check(r.rc == status_ and not r.out and all(w in r.err for w in words), r.tell())


def test_child_of_root(lab):
    for command, rc in ((CHECK, 125), (DAEMON_CHECK, 1)):
        c = Child(lab, command)
        try:
            check_began_rich(c.p.pid)
            check_child(c, NOBODY, NOBODY)
            os.kill(c.pid, signal.SIGKILL)
            refused(c, rc, "compiling '%s' failed" % c.path, "killed by signal 9")
        finally:
            c.stop()


def test_child_of_sudo(lab):
    """It becomes who called sudo."""
    for env, who in ((("1234", "1235"), ("1234", "1235")), (("0", "x"), (NOBODY, NOBODY))):
        c = Child(lab, CHECK, env={"SUDO_UID": env[0], "SUDO_GID": env[1]})
        try:
            check_child(c, *who)
        finally:
            c.stop()


def test_child_of_a_user(lab):
    """Has no rights to give up but these, and does not become anybody else, which would keep it from being traced by
    itself. Groups stay, since only root can leave them."""
    c = Child(lab, CHECK, ["--reuid=1000", "--regid=1000"])
    try:
        check_began_rich(c.p.pid)
        check_child(c, "1000", "1000", ["4", "20"], None)
        os.kill(c.pid, signal.SIGCONT)
        r = c.end()
        check(r.rc == 0 and "ok, %d rules" % NAMES in r.out, r.tell())
    finally:
        c.stop()


def test_child_of_a_root_without_rights(lab):
    """The child cannot become anybody else: then nothing is read."""
    path = lab.file(".yaml", "version: 1\n")
    for cap in ("setuid", "setgid", "setpcap"):
        r = lab.bare(["setpriv", "--bounding-set=-" + cap, "--inh-caps=-" + cap, *CHECK, path])
        check(r.rc == 125 and not r.out and "compiling '%s': cannot" % path in r.err and "hint: " in r.err, cap, r.tell())
    r = lab.bare(["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid", "--reuid=1000", "--clear-groups", *CHECK, path])
    check(r.rc == 0, r.tell())


def test_child_that_stands_still(lab):
    """The child has its time, and no more."""
    mark = os.path.join(lab.env()["HOME"], "ran")
    c = Child(lab, [L.AGENTCTL, "run", "-p"], behind=["/usr/bin/touch", mark])
    try:
        start = time.monotonic()
        refused(c, 125, "took more than", "seconds")
        check(time.monotonic() - start < 25, "it was waited for", time.monotonic() - start)
        check(gone(c.pid) and not os.path.exists(mark))
    finally:
        c.stop()


def test_child_dies_with_its_caller(lab):
    c = Child(lab, CHECK)
    try:
        c.p.kill()
        L.until(lambda: gone(c.pid), 5, "the child has outlived its caller")
    finally:
        c.stop()
