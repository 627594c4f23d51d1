# SPDX-License-Identifier: GPL-2.0-or-later
"""What others know and what the tool must not get: environments, descriptors, terminals, privileges
(row 28)."""
import os
import pty
import resource
import stat
import struct
import subprocess

import box as B
from box import check, modes, need

BOTH = ("root", "user", "agent")


@modes("root", "user", "agent")
def test_row28_environment_of_an_outsider(box):
    p = box.outsider(env={"SECRET": "hunter2"})
    B.until(lambda: b"hunter2" in open("/proc/%d/environ" % p.pid, "rb").read(), 5, "no environment")
    box.attack("environ_of", pid=p.pid, want="hunter2", _errors="ENOENT EACCES EPERM")


@modes("root", "user", "agent")
def test_row28_environment_of_the_parent(box):
    call = {"env": {"SECRET": "hunter2"}}
    r = box.call(["/bin/sh", "-c", '"$@"; true', "sh", B.PYTHON, "-BIS", B.ATTACK,
                  *box.words("environ_of", {"pid": "parent", "want": "hunter2"})], **call)
    check(r.report()["done"], r.tell())
    box.fails_boxed("environ_of", pid="parent", want="hunter2", _call=call, _errors="EACCES EPERM")


def test_row28_own_environment(box):
    """Also that of the init process, which once had the caller's."""
    call = {"env": {"SECRET": "hunter2", "GIVEN": "yes"}}
    got = box.boxed("environment", _call=call, _profile=box.profile(env=["GIVEN", "MISSING", {"set": {"A": "b c"}}]))
    env = got.report()["env"]
    check(env.get("GIVEN") == "yes" and env.get("A") == "b c" and "MISSING" not in env, env)
    check("SECRET" not in env, "the environment is passed on:", env)
    check(set(env) == {"GIVEN", "A", "PATH", "HOME", "USER", "LOGNAME", "LANG"}, env)
    check(env["HOME"] == "/tmp" and env["USER"] == B.NAME and env["LANG"] == "C.UTF-8", env)
    box.fails_boxed("environ_of", pid=1, want="", _errors="EACCES EPERM")


@modes("root", "user")
def test_row28_proc_of_an_outsider(box):
    p = box.outsider()
    for what in ("cwd", "root", "exe", "fd", "maps", "mem", "auxv"):
        box.attack("look_at", pid=p.pid, what=what, _errors="ENOENT EACCES EPERM")


@modes("agent")
def test_row28_proc_of_an_outsider_agent(box):
    p = box.outsider()
    for what in ("cwd", "root", "exe", "fd", "maps", "mem", "auxv"):
        box.attack("look_at", pid=p.pid, what=what, _errors="ENOENT EACCES EPERM")


@modes("zero")
def test_row28_environment_of_roots_processes(box):
    p = box.outsider(uid=0, env={"SECRET": "hunter2"})
    box.attack("environ_of", pid=p.pid, want="hunter2", _errors="ENOENT EACCES EPERM")


def on_terminal(box, start):
    """Runs start(slave) on a terminal of its own; what was pushed into its input."""
    master, slave = pty.openpty()
    box.at_end(lambda: (os.close(master), os.close(slave)))
    os.set_blocking(slave, False)
    import termios
    mode = termios.tcgetattr(slave)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    os.fchown(slave, B.UID, B.GID)

    def setup():  # the terminal controls the new session
        import fcntl
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    r = start({"stdin": slave, "setup": setup})
    try:
        return r, os.read(slave, 100)
    except BlockingIOError:
        return r, b""


@modes("root", "user", "agent")
def test_row28_tiocsti(box):
    if box.mode == "agent":
        box.new_network()
    r, pushed = on_terminal(box, lambda call: box.bare("push_input", _uid=0, _call=call, text="id\n"))
    check(pushed == b"id\n", "the terminal takes nothing without a box:", r.tell())

    def boxed(call):
        if box.mode == "agent":
            terminal = call["setup"]
            box.enter, box.enter_network = box.enter_network, lambda: (box.enter(), terminal())
            call = {"stdin": call["stdin"]}
        return box.boxed("push_input", _call=call, text="id\n")
    r, pushed = on_terminal(box, boxed)
    check(pushed == b"" and r.report()["error"] == "EPERM", "input was pushed:", r.tell(), pushed)


def unlimited():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def need_cores():
    """sudo sets the limit of core dumps to 0, and only CAP_SYS_RESOURCE lifts it."""
    try:
        subprocess.run(["/bin/true"], preexec_fn=unlimited)
    except subprocess.SubprocessError:
        need(False, "core dumps are limited here, and that cannot be lifted")


@modes("root", "user", "agent")
def test_row28_core_dumps(box):
    need_cores()
    if open("/proc/sys/kernel/core_pattern").read().strip() == "core":
        box.succeeds_bare("crash", _call={"setup": unlimited}, dir=box.work)
        for name in os.listdir(box.work):
            os.unlink(box.work + "/" + name)
        call = {} if box.mode == "agent" else {"setup": unlimited}
        box.fails_boxed("crash", _profile=box.profile(write=[box.work], read=[box.work]), _call=call, dir=box.work)
        check(not os.listdir(box.work), "a core dump is there")


@modes("root", "user", "agent")
def test_row28_core_dumps_to_a_handler(box):
    """A host's handler (a pipe in core_pattern) is called with a limit of 0, too, and not with 1."""
    need_cores()
    box.attack("core_limit")


def setuid_program(box):
    return box.copy("/usr/bin/id", "bin/id", mode=0o4755, owner=0)


@modes("root", "user")
def test_row28_setuid(box):
    program = setuid_program(box)
    r = box.call([program])
    check("euid=0" in r.out, "setuid does nothing here without a box:", r.tell())
    r = box.tool({"command": [program]})
    check(r.rc == 0 and "uid=%d" % B.UID in r.out and "euid" not in r.out, r.tell())


@modes("agent")
def test_row28_setuid_agent(box):
    program = setuid_program(box)
    profile = box.profile(exec=[program])
    box.succeeds_bare("say", argv=[program], want="euid=0")
    got = box.fails_boxed("say", _profile=profile, argv=[program], want="euid=0")
    check("uid=%d" % B.UID in got["out"], got)


@modes("root", "user")
def test_row28_file_capabilities(box):
    program = box.copy("/usr/bin/cat", "bin/cat")
    cap = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # effective, CAP_NET_RAW
    os.setxattr(program, "security.capability", cap)
    argv = [program, "/proc/self/status"]
    r = box.call(argv)
    check("CapEff:\t%016x" % (1 << 13) in r.out, "capabilities of files do nothing here:", r.tell())
    r = box.tool({"command": argv})
    check(r.rc == 0 and "CapEff:\t%016x" % 0 in r.out, r.tell())


@modes("root", "user", "zero", "agent")
def test_row28_no_privileges(box):
    s = box.boxed("status").report()["status"]
    for cap in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        check(int(s[cap], 16) == 0, cap, s[cap])
    check(s["NoNewPrivs"] == "1" and s["Seccomp"] == "2", s)
    uid = 0 if box.mode == "zero" else B.UID
    check(s["Uid"].split() == [str(uid)] * 4, s["Uid"])
    check(s["Groups"].split() in ([], [str(B.GID)], ["0"]), s["Groups"])


@modes("root", "user", "zero", "agent")
def test_row28_become_somebody(box):
    box.succeeds_bare("become", _uid=0, how="setuid")
    box.succeeds_bare("become", _uid=0, how="setgroups")
    if box.mode != "zero":
        box.fails_boxed("become", how="setuid", _errors="EPERM EINVAL")
    box.fails_boxed("become", how="setgroups", _errors="EPERM")


@modes("root", "user", "agent")
def test_row28_keyring(box):
    name = "afws-%d" % os.getpid()
    box.succeeds_bare("add_key", name=name, text="hunter2")
    box.attack("keyring", name=name, want="hunter2", _errors="EPERM")
    box.attack("add_key", name=name, text="changed", _errors="EPERM")


@modes("root", "user")
def test_row28_message_queue(box):
    name = "/afws-%d" % os.getpid()
    text = """
import ctypes, sys
m = ctypes.CDLL("librt.so.1")
m.mq_open(b"%s", 0o102, 0o600, None) if sys.argv[1] == "make" else m.mq_unlink(b"%s")
""" % (name, name)
    box.call([B.PYTHON, "-c", text, "make"])
    box.at_end(lambda: box.call([B.PYTHON, "-c", text, "remove"]))
    box.attack("message_queue", name=name[1:], _errors="ENOENT")


@modes("root", "user")
def test_row28_shared_memory(box):
    key = 0x41465800 + os.getpid() % 256
    text = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
n = libc.shmget(%d, 4096, 0o1600)
if sys.argv[1] == "make":
    ctypes.memmove(libc.shmat(n, None, 0), b"hunter2", 7)
else:
    libc.shmctl(n, 0, None)
""" % key
    box.call([B.PYTHON, "-c", text, "make"])
    box.at_end(lambda: box.call([B.PYTHON, "-c", text, "remove"]))
    box.attack("shared_memory", key=key, want="hunter2", _errors="ENOENT")


@modes("root", "user", "agent")
def test_row28_dev_shm(box):
    path = "/dev/shm/afws-%d" % os.getpid()
    B.write(path, "hunter2", 0o644)
    box.at_end(lambda: os.unlink(path))
    box.attack("read", path=path, want="hunter2", _errors="ENOENT EACCES")


@modes("zero")
def test_row28_kernel_settings(box):
    """Root in the box is not root of the machine."""
    path = "/proc/sys/kernel/domainname"
    was = open(path).read()
    box.attack("write", path=path, text=was)
    before = os.stat("/etc/passwd")
    box.fails_boxed("change", path="/etc/passwd", how="chmod", _errors="EROFS")
    check(stat.S_IMODE(os.stat("/etc/passwd").st_mode) == stat.S_IMODE(before.st_mode), "the mode changed")
