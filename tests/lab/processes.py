# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes and cgroups of this machine, as /proc and the cgroups' files tell of them."""
import glob
import os
import signal

CGROOTS = ("/sys/fs/cgroup/unified/agentfw", "/sys/fs/cgroup/agentfw")


def remove_cgroups():
    """The directory of the fences' cgroups, which a killed daemon leaves behind; it stays while a fence is in it."""
    for root in CGROOTS:
        try:
            os.rmdir(root)
        except OSError:
            pass


def cgroups():
    return [c for root in CGROOTS for c in glob.glob(root + "/*") if os.path.isdir(c)]


def members(cgroup):
    """Pids; none where the cgroup is gone."""
    try:
        with open(cgroup + "/cgroup.procs") as f:
            return {int(p) for p in f.read().split()}
    except OSError:
        return set()


def cgroups_of(pid):
    """The fences' cgroups with a descendant of this process in them."""
    return [c for c in cgroups() if any(pid in ancestors(p) for p in members(c))]


def stat(pid):
    """The fields of /proc/PID/stat behind the name, the state first; ["X"] where there is no such process."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()
    except OSError:
        return ["X"]


def state(pid):
    return stat(pid)[0]


def gone(pid):
    """It has ended; perhaps nobody has asked how."""
    return state(pid) in "XZ"


def ancestors(pid):
    found = []
    while pid > 1:
        fields = stat(pid)
        if len(fields) < 2:
            break
        pid = int(fields[1])
        found.append(pid)
    return found


def command_line(pid):
    """What process `pid` runs; None where it has ended."""
    try:
        with open("/proc/%d/cmdline" % pid) as f:
            return f.read().replace("\0", " ")
    except OSError:  # it can end between open and read
        return None


def opened_by(path):
    """Other processes that have this file open."""
    found = set()
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) == path:
                found.add(int(link.split("/")[2]))
        except OSError:  # it has been closed, or the process has ended
            pass
    return found - {os.getpid()}


def in_call(pid, number):
    """The process waits in this system call."""
    try:
        with open("/proc/%d/syscall" % pid) as f:
            return f.read().split()[0] == str(number)
    except OSError:
        return False


def kill(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass
