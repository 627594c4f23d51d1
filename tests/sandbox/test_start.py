# SPDX-License-Identifier: GPL-2.0-or-later
"""The start of a box: what happens at its worst moments, and on hosts that give it little."""
import os
import resource
import signal
import subprocess
import time

import box as B
from box import check, gone, modes, until


def child_of(pid):
    """The box's first process, as soon as there is one: born in namespaces of its own, not as the one that compiles the
    policy."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            children = f.read().split()
        for child in children:
            try:
                if os.readlink("/proc/%s/ns/pid" % child) != os.readlink("/proc/%d/ns/pid" % pid):
                    return int(child)
            except OSError:
                pass
    raise AssertionError("no process was started")


@modes("root", "user")
def test_agentctl_killed_during_the_start(box):
    """The box has all that it waits for when agentctl goes: nothing is started for nobody."""
    mark = box.work + "/mark"
    path = box.policy({"t": dict(box.profile(write=[box.work]), command=["/bin/sh", "-c", "echo > %s; sleep 20" % mark],
                                 exec=["/bin/sleep"])})
    for _ in range(20):  # until it was stopped early enough
        p = subprocess.Popen([B.CTL, "tool", "-p", path, "t"], cwd=box.work, env=dict(B.ENV, HOME=B.HOME),
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             preexec_fn=B.demote(B.UID, B.GID) if box.mode == "user" else None)
        first = child_of(p.pid)
        os.kill(first, signal.SIGSTOP)
        early = not B.comes(lambda: os.path.exists(mark), 0.3)
        p.kill()
        p.wait()
        os.kill(first, signal.SIGCONT)
        try:
            until(lambda: gone(first), 2, "what agentctl has started is still there")
        finally:
            if not gone(first):
                os.kill(first, signal.SIGKILL)
        if early:
            break
        os.unlink(mark)
    check(not os.path.exists(mark), "the command ran" if early else "the moment was never met")


@modes("user")
def test_little_memory(box):
    """A limit is the command's: the start needs next to nothing of it."""
    for memory in ("2M", "12M"):
        r = box.tool(dict(box.profile(limits={"memory": memory}), command=["/bin/true"]))
        check(r.rc == 0, memory, r.tell())


@modes("root", "user")
def test_script_without_interpreter_line(box):
    """The C library hands it to the shell with all its arguments, however many."""
    script = box.file("script", "echo $#\n", 0o755)
    p = dict(box.profile(), command=[script, "{args}"], exec=[{"path": "/bin/sh", "broad": True}], read=[script])
    words = ["x"] * 60000
    r = box.tool(p, *words)
    check(r.rc == 0 and r.out == "60000\n", r.tell()[-300:])


@modes("root", "user")
def test_no_files_may_be_written(box):
    r = box.tool(dict(box.profile(), command=["/bin/true"]), env={"AGENTFW_RUN_DIR": box.path("run")},
                 setup=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    check(r.rc == 0, r.tell())


@modes("root", "user")
def test_library_directory_that_is_closed(box):
    """The loader's settings name a directory that is not for everybody, and a file."""
    check(B.libc.unshare(B.CLONE_NEWNS) == 0, "no mount namespace")
    B.mount(None, "/", flags=B.MS_REC | B.MS_PRIVATE)
    d = box.directory("closed", 0)
    conf = box.file("ld.so.conf", "%s\n%s\n%s\n" % (open("/etc/ld.so.conf").read(), d, B.ATTACK), 0o644, 0)
    B.mount(conf, "/etc/ld.so.conf", flags=B.MS_BIND)
    for mode in (0o700, 0o711, 0o744):
        os.chmod(d, mode)
        r = box.tool(dict(box.profile(), command=["/bin/true"]))
        check(r.rc == 0, oct(mode), r.tell())


@modes("root", "user")
def test_started_without_streams(box):
    """No descriptor of agentctl's own comes to the command in their place."""
    look = "import os\nfor i in range(3):\n print(i, os.readlink('/proc/self/fd/%d' % i), file=open({0!r}, 'a'))\n"
    for limits in ({}, {"output": "10K"}):
        for closed in ((0,), (1,), (2,), (0, 1, 2)):
            path = box.file("work/streams", "")
            p = dict(box.profile(write=[box.work], limits=limits), command=[B.PYTHON, "-c", look.format(path)])
            r = box.tool(p, setup=lambda: [os.close(fd) for fd in closed], timeout=10)
            got = dict(line.split() for line in open(path))
            check(r.rc == 0 and len(got) == 3, closed, r.tell(), got)
            for fd in closed:
                check(got[str(fd)] == "/dev/null" or fd and limits and got[str(fd)].startswith("pipe:"), fd, got)
