# SPDX-License-Identifier: GPL-2.0-or-later
"""/run/agentfw/net-N: those of namespaces that are gone are removed by the next daemon, no other ever is."""
import fcntl
import os
import signal
import subprocess

import lab as L
from lab import check
from namespaces import namespaces

POLICY = L.policy("api.allowed.test")


def epoch(path):
    return int(open(path + "/epoch").read())


def test_of_dead_namespaces_only(lab):
    with namespaces(lab) as n:
        dead, held, named, locked = [n.add() for _ in range(4)]
        at = {}
        for name in (dead, held, named, locked):
            n.run(n.enter(name))
            at[name] = n.of(name)
        L.need(os.path.exists(at[dead] + "/ns"), "the kernel has no file handles of namespaces (Linux 6.18)")
        open(at[dead] + "/t-1", "w").close()  # a tool's socket of an agentctl that was killed
        before = {name: epoch(at[name]) for name in at}
        strangers = ["net-1", "net-2", "net-3", "other"]
        for name in strangers:
            os.mkdir("%s/%s" % (n.dir, name))
        open(n.dir + "/net-2/lock", "w").close()
        open(n.dir + "/net-3/lock", "w").close()
        open(n.dir + "/net-3/ns", "wb").write(open(at[dead] + "/ns", "rb").read()[:-1])
        fd = os.open("/run/netns/" + held, os.O_RDONLY)
        lock = open(at[locked] + "/lock")
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in (dead, held, locked):
            n.remove(name)
        n.run(lab.enter(), stay=3)
        check(not os.path.exists(at[dead]), "it stays", os.listdir(n.dir))
        for name in (held, named, locked):
            check(epoch(at[name]) == before[name], name, at[name])
        for name in strangers:
            check(os.path.isdir("%s/%s" % (n.dir, name)), name)
        n.run(n.enter(named))
        check(epoch(at[named]) == before[named] + 1, "a number of a generation was used again", epoch(at[named]))
        os.close(fd)
        lock.close()
        n.run(lab.enter(), stay=3)
        check(not os.path.exists(at[held]) and not os.path.exists(at[locked]), os.listdir(n.dir))
        check(os.path.exists(at[named] + "/epoch"), os.listdir(n.dir))


def test_what_cannot_be_seen_is_not_removed(lab):
    """Root of a user namespace is told of every other namespace that it is gone."""
    with namespaces(lab) as n:
        name = n.add()
        n.run(n.enter(name))
        code = """
import ctypes, os, subprocess, sys
mapped, inside = os.pipe(), os.pipe()
pid = os.fork()
if pid:
    os.read(inside[0], 1)
    for kind in ("uid", "gid"):
        open("/proc/%%d/%%s_map" %% (pid, kind), "w").write("0 0 65536")
    os.write(mapped[1], b"1")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
assert ctypes.CDLL(None).unshare(0x50000000) == 0, "no user and network namespace"
os.write(inside[1], b"1")
os.read(mapped[0], 1)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
p = subprocess.Popen([%r, "--idle-exit", "--ready-fd", "1"], stdout=subprocess.PIPE, env=os.environ)
assert p.stdout.read(1) == b"1", "it did not start"
import time
time.sleep(3)  # by then it has looked
p.terminate()
sys.exit(p.wait(10))
""" % os.path.join(L.BUILD, "agentfwd")
        r = lab._call([L.PYTHON, "-c", code], 20, env=n.env)
        check(r.rc == 0, r.tell())
        check(os.path.exists(n.of(name) + "/epoch"), "that of a live namespace is gone")
        check(len([d for d in os.listdir(n.dir) if d.startswith("net-")]) == 2, "it did not run", os.listdir(n.dir))


def test_taken_while_it_is_removed(lab):
    """A daemon that starts where the directory of a dead namespace is being removed, for the number of its inode is used
    again, does not lose its lock."""
    with namespaces(lab) as n:
        name = n.add()
        n.run(n.enter(name))
        path = n.of(name)
        lock = open(path + "/lock")
        fcntl.flock(lock, fcntl.LOCK_EX)
        p = subprocess.Popen(n.enter(name) + [L.AGENTCTL, "run", "-p", lab.file(".yaml", POLICY), "--log-dir",
                                              lab.file(".log"), "--", "/bin/true"],
                             env=dict(lab.env(), **n.env), stderr=subprocess.PIPE, text=True)
        L.until(lambda: L.opened_by(path + "/lock"), 10, "nobody asks for the lock")
        for f in os.listdir(path):
            os.unlink(path + "/" + f)
        os.rmdir(path)
        lock.close()
        said = p.communicate(timeout=20)[1]
        check(p.returncode == 0, said)
        check(os.path.exists(path + "/lock") and os.path.exists(path + "/epoch"), os.listdir(n.dir))
        pid = n.daemon(n.enter(name))
        check(pid, "what runs cannot be found")
        os.kill(pid, signal.SIGTERM)
