# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways out of the box: other cgroups, namespaces, other processes, the daemon (row 23)."""
import glob
import os
import signal
import socket
import subprocess

import box as B
from box import check, modes, need

ALL = ("root", "user", "zero", "agent")


def scratch_cgroup(box):
    """A cgroup of this case's own that boxer may write to."""
    roots = [d for d in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(d + "/cgroup.procs")]
    need(roots, "no cgroup v2 is mounted")
    path = "%s/afws-%d" % (roots[0], os.getpid())
    os.mkdir(path)
    os.chown(path + "/cgroup.procs", B.UID, B.GID)

    def end():
        for pid in open(path + "/cgroup.procs").read().split():
            os.kill(int(pid), 9)
        B.until(lambda: not open(path + "/cgroup.procs").read(), 5, "processes do not end")
        os.rmdir(path)
    box.at_end(end)
    return path


@modes(*ALL)
def test_row23_cgroup(box):
    path = scratch_cgroup(box)
    box.attack("join_cgroup", _uid=0, path=path)


@modes("root", "user", "agent")
def test_row23_cgroup_that_the_profile_names(box):
    """Even then: it is on a file system that is read-only in the box."""
    path = scratch_cgroup(box)
    box.attack("join_cgroup", _uid=0, _profile=box.profile(read=[path]), path=path)


@modes(*ALL)
def test_row23_new_namespaces(box):
    for what in ("user", "net", "mount", "pid", "time", "ipc", "uts", "cgroup"):
        box.attack("unshare", _uid=0, what=what, _errors="EPERM")
        if what != "time":
            box.attack("clone", _uid=0, what=what, _errors="EPERM")


@modes("root", "user", "agent")
def test_row23_user_namespace_of_an_ordinary_user(box):
    box.attack("unshare", what="user", _errors="EPERM")
    box.attack("clone", what="user", _errors="EPERM")


@modes("zero", "agent")
def test_row23_setns(box):
    p = box.outsider(uid=0)
    box.attack("setns_pidfd", _uid=0, pid=p.pid, what="net")


@modes(*ALL)
def test_row23_trace_an_outsider(box):
    p = box.outsider(uid=0 if box.mode == "zero" else B.UID)
    box.attack("trace", pid=p.pid, _errors="EPERM ESRCH")
    box.attack("read_memory", pid=p.pid, _errors="EPERM ESRCH EACCES ENOENT")
    box.attack("read_mem_file", pid=p.pid, _errors="EACCES ENOENT EPERM")


def signalled(box, name, **kw):
    """Without the box the outsider dies of it."""
    uid = 0 if box.mode == "zero" else B.UID
    p = box.outsider(uid=uid)
    box.succeeds_bare(name, _uid=uid, pid=p.pid, **kw)
    check(p.wait(5) == -signal.SIGUSR1, "the outsider lives without a box")
    p = box.outsider(uid=uid)
    box.fails_boxed(name, pid=p.pid, **kw)
    B.stays(lambda: p.poll() is None, 0.2, "the outsider was killed from the box")


@modes(*ALL)
def test_row23_signal_an_outsider(box):
    signalled(box, "send_signal")


@modes(*ALL)
def test_row23_signal_by_pidfd(box):
    signalled(box, "pidfd_signal")


@modes("root", "user", "agent")
def test_row23_signal_the_group(box):
    """The caller's process group has processes outside: his shell."""
    script = ("import os,subprocess,sys,time\n"
              "p = subprocess.Popen(['/bin/sleep', '30'], preexec_fn=lambda: %s)\n"
              "r = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, preexec_fn=lambda: %s)\n"
              "try: p.wait(0.3)\nexcept subprocess.TimeoutExpired: pass\n"
              "print('sleeper', p.poll(), 'command', r.returncode)\n"
              "p.kill()\n")
    lower = "os.setresuid(%d, %d, %d)" % (B.UID, B.UID, B.UID)
    attack = [B.PYTHON, "-BIS", B.ATTACK, *box.words("send_signal", {"pid": "group"})]
    # SIGUSR1 ends agentctl's caller, if it gets that far: it is ignored by nobody
    guard = "import signal; signal.signal(10, signal.SIG_IGN)\n"
    r = box.call([B.PYTHON, "-c", guard + script % ("(signal.signal(10, signal.SIG_DFL), %s)" % lower, lower),
                  *attack], uid=0)
    check("sleeper -10" in r.out, "the group hears nothing without a box:", r.tell())
    if box.mode == "agent":
        box.new_network()
        agent = dict(box.profile(), exec=[{"path": B.PYTHON, "broad": True}, B.PYLIB + "/lib-dynload"])
        for key in ("command", "broad"):
            agent.pop(key)
        ctl = [B.CTL, "run", "-p", box.policy(agent=agent), "--log-dir", box.path("log"), "--"]
        kw = {"setup": box.enter_network, "env": {"AGENTFW_RUN_DIR": box.directory("run", 0)}}
    else:
        ctl = [B.CTL, "tool", "-p", box.policy({"t": dict(box.profile(), command=attack[:-2] + ["{args}"])}),
               "t", "--"]
        kw, attack = {}, attack[-2:]
    start = lower if box.mode == "user" else "None"
    r = box.call([B.PYTHON, "-c", guard + script % ("(signal.signal(10, signal.SIG_DFL), %s)" % lower, start),
                  *ctl, *attack], uid=0, **kw)
    check("sleeper None" in r.out, "a process outside was killed:", r.tell())


@modes("root", "user")
def test_processes_outside_are_not_seen(box):
    p = box.outsider()
    box.succeeds_bare("pids", pid=p.pid)
    got = box.fails_boxed("pids", pid=p.pid)
    check(got["pids"][0] == 1 and len(got["pids"]) <= 3, got)


@modes("root", "user")
def test_row23_the_first_process(box):
    """It is no way out: it cannot be ended, traced or read."""
    for name, kw in (("send_signal", {"signal": 9}), ("send_signal", {"signal": 19})):
        r = box.boxed(name, pid=1, **kw)
        check(r.rc == 0 and r.out, "the command's first process is at the command's mercy:", r.tell())
    for name in ("trace", "read_memory", "read_mem_file"):
        box.fails_boxed(name, pid=1)
    for what in ("fd", "cwd", "root", "exe", "maps", "mem", "auxv"):
        box.fails_boxed("look_at", pid=1, what=what, _errors="EACCES EPERM")


@modes(*ALL)
def test_row23_mounts(box):
    d = box.directory("mnt")
    mounted = lambda: d in open("/proc/mounts").read()
    inside = {"setup": lambda: (B.libc.unshare(B.CLONE_NEWNS),)}
    for kw in ({"target": d}, {"target": d, "type": "proc"},
               {"target": d, "source": "/", "type": "none", "flags": B.MS_BIND}):
        box.succeeds_bare("mount", _uid=0, _call=inside, **kw)
        box.fails_boxed("mount", _errors="EPERM", **kw)
        check(not mounted(), "something is mounted outside")
    box.succeeds_bare("umount", _uid=0, _call=inside, target="/srv")
    for target in ("/tmp", "/proc", "/dev/null", "/srv"):
        box.fails_boxed("umount", target=target, _errors="EPERM")
    box.succeeds_bare("chroot", _uid=0, path=box.dir)
    box.fails_boxed("chroot", path=box.dir, _errors="EPERM")


@modes("root", "user", "agent")
def test_nothing_outlives_the_command(box):
    path = box.path("work/mark")
    box.succeeds_bare("linger", path=path, seconds=0.3)
    B.until(lambda: os.path.exists(path), 5, "the process does not outlive its parent without a box")
    os.unlink(path)
    r = box.boxed("linger", _profile=box.profile(write=[box.work]), path=path, seconds=0.5)
    check(r.rc == 0, r.tell())
    B.stays(lambda: not os.path.exists(path), 1, "a process outlived the command")


def first_with_a_child(pid):
    """The box's first process; the one that compiles the policy has none."""
    for child in open("/proc/%d/task/%d/children" % (pid, pid)).read().split():
        try:
            if open("/proc/%s/task/%s/children" % (child, child)).read():
                return int(child)
        except OSError:
            pass
    return None


@modes("root", "user")
def test_nothing_outlives_agentctl(box):
    policy = box.policy({"t": box.profile(write=[box.work])})
    p = subprocess.Popen([B.CTL, "tool", "-p", policy, "t", "--",
                          *box.words("hog_time", {"seconds": 0.8}), ],
                         stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                         preexec_fn=B.demote(B.UID, B.GID) if box.starter else None)
    first = B.until(lambda: first_with_a_child(p.pid), 5, "no command")
    p.kill()
    p.wait()
    B.until(lambda: not os.path.exists("/proc/%d" % first), 2, "the box outlives agentctl")
    check(p.stdout.read() == b"", "the command went on")
    p.stdout.close()


@modes("root", "user", "agent")
def test_row23_the_daemon(box):
    """Its control socket, where that is not below /run either."""
    d = box.directory("daemon", 0)
    s = box.listener(socket.AF_UNIX, address=d + "/control")
    os.chmod(d + "/control", 0o777)
    box.succeeds_bare("unix_connect", path=d + "/control", token="x")
    B.heard(s)
    # even a profile that names the directory does not get in
    profile = box.profile(read=[d])
    if box.mode == "agent":
        return  # whose run directory is that of a daemon which runs
    r = box.boxed("unix_connect", _profile=profile, path=d + "/control", token="x",
                  _call={"env": {"AGENTFW_RUN_DIR": d}})
    check(r.out and not r.report()["done"] and B.heard(s) is None, "the daemon was reached:", r.tell())


@modes("agent")
def test_row23_the_daemon_of_a_running_fence(box):
    box.new_network()
    run_dir = box.directory("run", 0)
    r = box.boxed("several", list=[["unix_connect", {"path": run_dir + "/control", "token": "x"}],
                                   ["listing", {"path": run_dir, "want": "control"}]])
    got = r.report()
    check(not got["done"], "the daemon was reached:", r.tell())
    check(glob.glob(run_dir + "/*"), "there was no daemon in", run_dir)
