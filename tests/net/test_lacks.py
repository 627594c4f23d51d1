# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel or host lacks: refused by its name, or done without when the profile says best_effort.
nosys.py makes system calls fail as they do there."""
import os
import subprocess

import lab as L
from lab import check

LANDLOCK, UNSHARE, CLONE, CLONE3 = "444", "272:1", "56:1:0x7e020000", "435:1"  # clone: with a namespace
POLICY = """version: 1
agent: {user: nobody}
tools:
  id: {command: [/usr/bin/id, -u]%s}
"""


def tool(lab, lacking, best_effort, user=True):
    path = lab.file(".yaml", POLICY % (", best_effort: true" if best_effort else ""))
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if user else []
    return lab.bare(drop + [L.PYTHON, os.path.join(L.HERE, "nosys.py"), lacking, L.AGENTCTL, "tool", "-p", path, "id"])


def yama():
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as f:
            return f.read().strip() != "0"
    except OSError:
        return False


def refused(r, *words):
    check(r.rc == 125 and not r.out and all(w in r.err for w in words), r.tell())


def test_no_landlock(lab):
    for user in (True, False):
        refused(tool(lab, LANDLOCK, False, user), "no Landlock", "lsm=")
        r = tool(lab, LANDLOCK, True, user)
        check(r.out == "65534\n" and "best effort: no Landlock" in r.err, r.tell())


def test_no_namespaces(lab):
    refused(tool(lab, ",".join((UNSHARE, CLONE3, CLONE)), False), "namespaces", "max_user_namespaces")
    for user in (True, False):
        r = tool(lab, UNSHARE, True, user)
        check(r.out == "65534\n" and "best effort: no user namespaces" in r.err, r.tell())


def test_neither(lab):
    """Nothing would hold: no best effort reaches that far."""
    for user in (True, False):
        refused(tool(lab, LANDLOCK + "," + UNSHARE, True, user), "no Landlock")


def test_no_network_without_namespaces(lab):
    """The network of a tool that has none is closed by the system call filter then."""
    path = lab.file(".yaml", """version: 1
agent: {user: nobody}
tools:
  get: {command: [/usr/bin/curl, -sS, "{url}"], best_effort: true}
""")
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    server = subprocess.Popen(lab.enter() + [L.PYTHON, "-u", "-m", "http.server", "--bind", "127.0.0.1", "8099"], cwd=lab.tmp, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        check(b"Serving" in server.stdout.readline())
        url = "http://127.0.0.1:8099/"
        check(lab.bare(user + ["/usr/bin/curl", "-sS", url]).rc == 0, "no server")
        r = lab.bare(user + [L.PYTHON, os.path.join(L.HERE, "nosys.py"), UNSHARE, L.AGENTCTL, "tool", "-p", path, "get", "--", url])
        check(r.rc == 7 and "best effort" in r.err, r.tell())
    finally:
        server.kill()
        server.wait()


def test_agent_without_landlock(lab):
    """It has no process namespace of its own then, and whom it can change is in no fence."""
    def run(extra):
        pol = L.policy().replace("user: nobody", "user: nobody" + extra)
        argv = lab.argv(pol, ["/usr/bin/id", "-u"])[1]
        return lab.bare([L.PYTHON, os.path.join(L.HERE, "nosys.py"), LANDLOCK] + argv[argv.index(L.AGENTCTL):])
    L.need(not yama(), "Yama keeps processes apart on this machine")
    refused(run(""), "no Landlock", "ptrace_scope")
    r = run(", best_effort: true")
    check(r.out == "65534\n" and "best effort: no Landlock" in r.err, r.tell())
