# SPDX-License-Identifier: GPL-2.0-or-later
"""agentctl doctor: what is there, what is lacking, and nothing is changed. Immunity row 30."""
import json
import os
import shutil

import lab as L
from lab import check


def doctor(lab, argv=(), before=(), program=None):
    lab.need_product()
    r = lab._call(lab.enter() + list(before) + [program or L.AGENTCTL, "doctor", *argv], 20)
    return r


def checks(r):
    root = json.loads(r.out)
    return root["run"], {c["name"]: c for c in root["checks"]}


def test_row30_doctor(lab):
    """On a machine on which the tests run, a fence works, and that is what it says."""
    r = doctor(lab)
    check(r.rc == 0 and r.out.splitlines()[-1] == "agentctl run works here as root", r.tell())
    check(all(l.split()[0] in ("ok", "lacks", "hint:") for l in r.out.splitlines()[:-1]), r.out)
    r = doctor(lab, ["--json"])
    run, found = checks(r)
    check(r.rc == 0 and run is True, r.out)
    for name in ("kernel", "cgroup v2", "seccomp", "agentfwd", "nf_tables", "nft socket", "nft ct", "nft reject", "nft redirect",
                 "nfnetlink_queue", "nft queue", "socket wall"):
        check(found[name]["needed"] and found[name]["state"] == "ok", found.get(name))
    for name in ("Landlock", "audit records", "user namespaces", "memory limits", "process limits", "seccomp listener", "nft owner"):
        check(not found[name]["needed"], found.get(name))
    check(os.uname().release in found["kernel"]["text"], found["kernel"])
    h = lab.start(L.policy(), ["/bin/sh", "-c", "echo READY; exec sleep 60"])
    status = json.loads(lab.bare([L.AGENTCTL, "status", "--json"]).out)
    h.stop()
    native = found["nft queue"]["text"] == "native"
    check(native == (status["kernel"]["queue"] == "native"), found["nft queue"], status["kernel"])
    check((found["nft owner"]["state"] == "ok") == status["kernel"]["owner"], found["nft owner"], status["kernel"])


def test_row30_doctor_changes_nothing(lab):
    def state():
        return (lab.bare(["nft", "list", "ruleset"]).out, sorted(os.listdir("/run")), lab.netns_pids(),
                lab.bare(["ip", "-o", "link"]).out)
    lab.wait_clean()
    before = state()
    check(doctor(lab).rc == 0)
    after = state()
    check(before == after, before, after)


def test_row30_doctor_lacks(lab):
    """What is missing is named, and the exit status says so."""
    alone = lab.file(".bin")
    os.mkdir(alone)
    shutil.copy(L.AGENTCTL, alone)
    L.need(not shutil.which("agentfwd", path=lab.env()["PATH"]), "agentfwd is installed on this machine")
    r = doctor(lab, ["--json"], program=alone + "/agentctl")
    run, found = checks(r)
    check(r.rc == 1 and run is False and found["agentfwd"]["state"] == "lacks" and found["agentfwd"]["hint"], r.out)
    r = doctor(lab, before=["unshare", "-m", "--propagation", "private", "/bin/sh", "-c",
                            "grep cgroup2 /proc/mounts | cut -d' ' -f2 | while read -r d; do umount -l \"$d\"; done; exec \"$@\"", "sh"])
    line = [l for l in r.out.splitlines() if "cgroup v2" in l]
    check(r.rc == 1 and line and line[0].startswith("lacks") and "2 things are missing" in r.out and "lacks  socket wall" in r.out, r.tell())
    r = doctor(lab, ["--json"], before=["setpriv", "--bounding-set=-net_admin,-sys_admin", "--inh-caps=-net_admin,-sys_admin"])
    run, found = checks(r)
    check(r.rc == 1 and not run and "CAP_NET_ADMIN" in found["root"]["text"], r.out)


def test_row30_doctor_ordinary_user(lab):
    r = doctor(lab, before=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    check("asked as an ordinary user" in r.out and "only root reads the audit log" in r.out, r.tell())
    check(doctor(lab, ["nonsense"]).rc == 125 and doctor(lab, ["--nonsense"]).rc == 125)
