# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways out of the box: namespaces, cgroups, mounts, other processes."""
import ctypes
import os
import signal
import time

from common import CLONE, Iovec, checked, libc, sys_call


def join_cgroup(a):
    with open(a["path"] + "/cgroup.procs", "w") as f:
        f.write("0")
    return True


def unshare(a):
    checked(libc.unshare(CLONE[a["what"]]))
    return True


def clone(a):
    pid = sys_call("clone", CLONE[a["what"]] | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def setns(a):
    fd = os.open(a["path"], os.O_RDONLY)
    checked(libc.setns(fd, 0))
    return True


def setns_pidfd(a):
    fd = sys_call("pidfd_open", a["pid"], 0)
    checked(libc.setns(fd, CLONE[a["what"]]))
    return True


def trace(a):
    PTRACE_ATTACH, PTRACE_DETACH = 16, 17
    sys_call("ptrace", PTRACE_ATTACH, a["pid"], 0, 0)
    os.waitpid(a["pid"], 0x40000000)  # __WALL
    sys_call("ptrace", PTRACE_DETACH, a["pid"], 0, 0)
    return True


def read_memory(a):
    """process_vm_readv of another process."""
    start = int(open("/proc/%d/maps" % a["pid"]).readline().split("-")[0], 16)
    buf = ctypes.create_string_buffer(4)
    local = Iovec(ctypes.addressof(buf), 4)
    remote = Iovec(start, 4)
    sys_call("process_vm_readv", a["pid"], ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return {"done": buf.raw == b"\x7fELF"}


def read_mem_file(a):
    """/proc/PID/mem of another process."""
    pid = os.getppid() if a["pid"] == "parent" else a["pid"]
    start = int(open("/proc/%d/maps" % pid).readline().split("-")[0], 16)
    fd = os.open("/proc/%d/mem" % pid, os.O_RDWR)
    return {"done": os.pread(fd, 4, start) == b"\x7fELF"}


def send_signal(a):
    number = a.get("signal", signal.SIGUSR1)
    signal.signal(number, signal.SIG_IGN) if number not in (9, 19) else None
    pid = {"group": 0, "all": -1}.get(a["pid"], a["pid"])
    os.kill(pid, number)
    return True


def pidfd_signal(a):
    sys_call("pidfd_send_signal", sys_call("pidfd_open", a["pid"], 0), signal.SIGUSR1, None, 0)
    return True


def mount(a):
    checked(libc.mount(a.get("source", "none").encode(), a["target"].encode(), a.get("type", "tmpfs").encode(),
                       ctypes.c_ulong(a.get("flags", 0)), None))
    return True


def umount(a):
    checked(libc.umount2(a["target"].encode(), 2))
    return True


def chroot(a):
    os.chroot(a["path"])
    return True


def linger(a):
    """A process that goes on when the command has ended."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(s, signal.SIG_IGN)
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            time.sleep(a["seconds"])  # by then the command has ended
            open(a["path"], "w").write("still here")
        os._exit(0)
    return True
