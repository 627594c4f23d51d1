# SPDX-License-Identifier: GPL-2.0-or-later
"""What a process can learn of other processes, and of their secrets."""
import ctypes
import fcntl
import os
import resource
import signal
import subprocess

from common import libc, raise_errno, sys_call


def environ_of(a):
    pid = os.getppid() if a["pid"] == "parent" else a["pid"]
    return {"done": a["want"].encode() in open("/proc/%d/environ" % pid, "rb").read()}


def look_at(a):
    """The other things that /proc tells of a process: cwd, root, exe, fd, maps."""
    pid = os.getppid() if a["pid"] == "parent" else a["pid"]
    base = "/proc/%d/" % pid
    what = a["what"]
    if what in ("fd", "fdinfo", "map_files"):
        os.listdir(base + what)
    elif what in ("maps", "mem", "auxv", "syscall", "stack", "personality"):
        open(base + what, "rb").read(1) if what != "mem" else os.open(base + what, os.O_RDONLY)
    else:
        os.readlink(base + what)
    return True


def pids(a):
    """Processes that can be seen."""
    found = sorted(int(n) for n in os.listdir("/proc") if n.isdigit())
    return {"done": a["pid"] in found, "pids": found}


def push_input(a):
    for c in a["text"]:
        fcntl.ioctl(a.get("fd", 0), 0x5412, c.encode())  # TIOCSTI
    return True


def crash(a):
    """A core dump in the working directory."""
    os.chdir(a["dir"])
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    os.wait()
    return {"done": any(n.startswith("core") for n in os.listdir(a["dir"]))}


def core_limit(a):
    """A limit of 1 is one that no pipe to a handler of the host gets over, either; 0 is not."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return {"done": resource.getrlimit(resource.RLIMIT_CORE) != (1, 1), "error": "still 1"}


def say(a):
    """What a program says, through the lines with the wanted beginning."""
    p = subprocess.run(a["argv"], capture_output=True, text=True)
    return {"done": a["want"] in p.stdout, "out": p.stdout, "err": p.stderr}


def status(a):
    text = open("/proc/self/status").read()
    return {"done": True, "status": dict(l.split(":\t", 1) for l in text.splitlines() if ":\t" in l)}


def become(a):
    os.setuid(0) if a["how"] == "setuid" else os.setgroups([0])
    return True


def keyring(a):
    """The user's keyring, which all his processes share."""
    KEYCTL_SEARCH, KEYCTL_READ, USER = 10, 11, -4
    key = sys_call("keyctl", KEYCTL_SEARCH, USER, b"user", a["name"].encode(), 0)
    buf = ctypes.create_string_buffer(100)
    n = sys_call("keyctl", KEYCTL_READ, key, buf, 100, 0)
    return {"done": buf.raw[:n].decode() == a["want"]}


def add_key(a):
    data = a["text"].encode()
    return sys_call("add_key", b"user", a["name"].encode(), data, len(data), -4) > 0


def shared_memory(a):
    n = sys_call("shmget", a["key"], 4096, 0)
    libc.shmat.restype = ctypes.c_void_p
    p = libc.shmat(n, None, 0o10000)
    if p == ctypes.c_void_p(-1).value:
        raise_errno()
    return {"done": ctypes.string_at(p, len(a["want"])).decode() == a["want"]}


def message_queue(a):
    sys_call("mq_open", a["name"].encode(), os.O_RDWR, 0, None)
    return True
