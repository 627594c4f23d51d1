# SPDX-License-Identifier: GPL-2.0-or-later
"""Files: what is named can be reached, nothing else; what a box has of its own."""
import os
import signal
import stat
import subprocess

import box as B
from box import check, modes

ALL = ("root", "user", "agent")


@modes(*ALL)
def test_read(box):
    box.file("in/a", "hunter2")
    box.file("out/a", "hunter2")
    p = box.profile(read=[box.path("in")])
    check(box.boxed("read", _profile=p, path=box.path("in/a"), want="hunter2").report()["done"], "what is named")
    for path in (box.path("out/a"), box.path("in/../out/a"), "/proc/self/root" + box.path("out/a")):
        box.attack("read", _profile=p, path=path, want="hunter2", _errors="EACCES ENOENT")
    box.attack("listing", _profile=p, path=box.path("out"), want="a", _errors="EACCES ENOENT")
    os.symlink(box.path("out/a"), box.path("in/link"))
    box.attack("read", _profile=p, path=box.path("in/link"), want="hunter2", _errors="EACCES ENOENT")
    box.attack("write", _profile=p, path=box.path("in/a"), text="hunter2", _errors="EACCES EROFS")
    box.attack("write", _profile=p, path=box.path("in/new"), _errors="EACCES EROFS ENOENT")


@modes(*ALL)
def test_write(box):
    d = box.directory("data")
    p = box.profile(write=[d], read=[d])
    calls = [["write", {"path": d + "/a"}], ["write", {"path": d + "/a", "how": "a"}],
             ["make", {"how": "dir", "path": d + "/b"}], ["make", {"how": "link", "path": d + "/l"}],
             ["make", {"how": "hard", "path": d + "/h", "to": d + "/a"}], ["make", {"how": "fifo", "path": d + "/f"}],
             ["rename", {"path": d + "/a", "to": d + "/b/a"}], ["change", {"how": "chmod", "path": d + "/b/a"}],
             ["change", {"how": "utime", "path": d + "/b/a"}], ["change", {"how": "truncate", "path": d + "/b/a"}],
             ["change", {"how": "unlink", "path": d + "/b/a"}], ["change", {"how": "rmdir", "path": d + "/b"}]]
    got = box.boxed("several", _profile=p, list=calls).report()
    check(all(c is True for c in got["came"]), got)
    check(os.stat(d + "/h").st_uid == B.UID, "whose is it")


@modes(*ALL)
def test_write_alone(box):
    """A place that is written and not read."""
    box.file("data/old", "hunter2")
    d = box.path("data")
    p = box.profile(write=[d])
    check(box.boxed("write", _profile=p, path=d + "/new").report()["done"], "it cannot write")
    box.attack("read", _profile=p, path=d + "/old", want="hunter2", _errors="EACCES")


@modes(*ALL)
def test_write_outside(box):
    path = box.file("out/a", "hunter2")
    p = box.profile(read=[box.path("out")], write=[box.work])
    for how in ("chmod", "utime", "truncate", "unlink", "rename"):
        box.succeeds_bare("change", path=path, how=how)
        if how == "rename":
            os.rename(path + ".moved", path)
        box.file("out/a", "hunter2")
        was = os.stat(path)
        box.fails_boxed("change", _profile=p, path=path, how=how)
        now = os.stat(path)
        check((was.st_mode, was.st_mtime_ns, was.st_size, was.st_ino) ==
              (now.st_mode, now.st_mtime_ns, now.st_size, now.st_ino), how, "happened")
    for how in ("file", "dir", "link", "fifo", "hard"):
        box.fails_boxed("make", _profile=p, path=box.path("out/new"), to=path, how=how)
    check(os.listdir(box.path("out")) == ["a"], os.listdir(box.path("out")))
    box.attack("rename", _profile=p, path=path, to=box.work + "/a", _errors="EXDEV EACCES EROFS",
               _undo=lambda: os.rename(box.work + "/a", path))
    box.attack("make", _profile=p, path=box.work + "/h", to=path, how="hard", _errors="EXDEV EACCES EPERM EROFS",
               _undo=lambda: os.unlink(box.work + "/h"))


@modes(*ALL)
def test_private_directories(box):
    for d in ("/tmp", "/var/tmp"):
        path = "%s/afws-%d-%s" % (d, os.getpid(), box.mode)
        B.write(path, "hunter2", 0o666)
        box.at_end(lambda path=path: os.path.exists(path) and os.unlink(path))
        box.attack("read", path=path, want="hunter2", _errors="ENOENT")
        check(box.boxed("write", path=path, text="mine").report()["done"], "no private", d)
        check(open(path).read() == "hunter2", d, "is not private")


@modes(*ALL)
def test_a_named_place_below_tmp(box):
    import tempfile
    d = tempfile.mkdtemp(prefix="afws-", dir="/tmp")
    box.at_end(lambda: subprocess.run(["rm", "-rf", d]))
    os.chown(d, B.UID, B.GID)
    B.write(d + "/a", "hunter2", 0o644)
    p = box.profile(read=[d], write=[d])
    check(box.boxed("read", _profile=p, path=d + "/a", want="hunter2").report()["done"], "not there")
    check(box.boxed("write", _profile=p, path=d + "/b", text="x").report()["done"] and
          os.path.exists(d + "/b"), "not written")
    check(box.boxed("stat", _profile=p, path=box.path("work")).report()["error"] in ("ENOENT", "EACCES", None), "")


@modes(*ALL)
def test_dev(box):
    got = box.boxed("listing", path="/dev", want="").report()["names"]
    check(set(got) <= {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm",
                       "tty", "ptmx", "pts"}, got)
    r = box.boxed("several", list=[["write", {"path": "/dev/null"}], ["listing", {"path": "/dev/shm", "want": "x"}],
                                   ["hog_file", {"path": "/dev/shm/x", "bytes": 100}]])
    check(r.report()["came"] == [True, False, True], r.tell())


@modes(*ALL)
def test_run(box):
    check(box.boxed("listing", path="/run", want="x").report()["names"] in ([], ["resolvconf"]), "/run is not empty")


@modes("root", "user")
def test_network_of_its_own(box):
    r = box.tool({"command": ["/bin/cat", "/proc/net/dev"]})
    devices = [l.split(":")[0].strip() for l in r.out.splitlines()[2:]]
    check(devices == ["lo"], devices)


@modes("root", "user")
def test_links_in_the_workspace_lead_no_right_away(box):
    """A tool that may write there prepared them for the next one."""
    secret = box.directory("secret")
    box.file("secret/a", "hunter2")
    os.symlink(secret, box.work + "/data")
    for kind in ("read", "write", "exec"):
        r = box.tool(dict(box.profile(), **{kind: [box.work + "/data"]}))
        check(r.rc == 125 and "leads out of" in r.err and "hint" in r.err, kind, r.tell())


@modes("root", "user")
def test_links_in_writable_places_lead_no_right_away(box):
    """Those of another tool, not of the workspace."""
    box.directory("cache")
    box.directory("secret")
    os.symlink(box.path("secret"), box.path("cache/data"))
    path = box.policy({"other": {"command": ["/bin/true"], "write": [box.path("cache")]},
                       "t": box.profile(write=[box.path("cache/data")])})
    r = box.tool(None, *box.words("write", {"path": box.path("secret/a")}), policy=path)
    check(r.rc == 125 and "leads out of" in r.err, r.tell())
    check(not os.listdir(box.path("secret")), "a link carried a right away")


@modes("root", "user")
def test_what_is_not_there(box):
    for kind in ("read", "write", "exec"):
        r = box.tool(dict(box.profile(), **{kind: [box.path("nothing")]}))
        check(r.rc == 125 and kind + ":" in r.err and "optional: true" in r.err, r.tell())
        profile = box.profile()
        profile[kind] = profile.get(kind, []) + [{"path": box.path("nothing"), "optional": True}]
        r = box.tool(profile, *box.words("exit_with", {"status": 7}))
        check(r.rc == 7, kind, r.tell())


# ---- how it is started and ends ------------------------------------------------------------------

@modes(*ALL)
def test_exit_status(box):
    for status in (0, 1, 42, 255):
        r = box.boxed("exit_with", status=status)
        check(r.rc == status, r.tell())
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
        r = box.boxed("exit_with", signal=number)
        check(r.rc == 128 + number, number, r.tell())


@modes("root", "user")
def test_signals_are_passed_on(box):
    policy = box.policy({"t": box.profile()})
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        p = subprocess.Popen([B.CTL, "tool", "-p", policy, "t", "--", *box.words("wait_signal", {"signals": [number]})],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                             preexec_fn=B.demote(B.UID, B.GID) if box.starter else None)
        check(p.stdout.readline() == "READY\n", "it does not start")
        p.send_signal(number)
        out, _ = p.communicate(timeout=5)
        check('"got": [%d]' % number in out and p.returncode == 0, number, out, p.returncode)


@modes("root", "user")
def test_working_directory(box):
    d = box.directory("work/sub")
    p = box.profile(read=[box.work])
    got = box.boxed("environment", _profile=p, _call={"cwd": d}).report()
    check(got["cwd"] == d, got)
    got = box.boxed("environment", _profile=dict(p, cwd="$WORKSPACE"), _call={"cwd": "/"}).report()
    check(got["cwd"] == box.work, got)
    # a directory that the box has not got is no error
    hidden = box.directory("elsewhere")
    got = box.boxed("environment", _profile=p, _call={"cwd": hidden}).report()
    check(got["cwd"] in ("/", hidden), got)
    r = box.tool(dict(p, cwd=box.path("nothing")))
    check(r.rc == 125 and "cwd" in r.err, r.tell())


@modes("root", "user")
def test_not_a_program(box):
    r = box.tool({"command": [box.path("nothing")]})
    check(r.rc == 125 and "exec" in r.err and "No such file" in r.err, r.tell())
    r = box.tool({"command": [box.file("text", "x", 0o644)]})
    check(r.rc == 126, r.tell())


@modes("root", "user")
def test_dry_run(box):
    path = box.policy({"t": box.profile(write=[box.work])})
    mark = box.work + "/mark"
    r = box.ctl("tool", "-p", path, "--dry-run", "t", "--", *box.words("write", {"path": mark}))
    check(r.rc == 0 and not os.path.exists(mark), r.tell())
    for text in ("may change, no programs: " + box.work, "drop every capability", "no new privileges", "Landlock",
                 "system call filter", "may read, write"):
        check(text in r.out or text.replace("read, ", "") in r.out, text, "is not in", r.out)


@modes("root", "user")
def test_standard_streams(box):
    r = box.tool({"command": ["/bin/cat"]}, stdin="through\n")
    check(r.rc == 0 and r.out == "through\n", r.tell())


@modes("root", "user")
def test_files_are_the_users(box):
    r = box.boxed("write", _profile=box.profile(write=[box.work]), path=box.work + "/a")
    check(r.report()["done"], r.tell())
    st = os.stat(box.work + "/a")
    check((st.st_uid, st.st_gid) == (B.UID, B.GID) and stat.S_IMODE(st.st_mode) & 0o111 == 0, st)


# ---- hosts that forbid user namespaces -----------------------------------------------------------

def without_namespaces():
    """The caller's user namespace may have none below it."""
    def setup():
        r, w = os.pipe()
        r2, w2 = os.pipe()
        me = os.getpid()
        if os.fork() == 0:
            os.read(r, 1)
            for f in ("uid_map", "gid_map"):
                open("/proc/%d/%s" % (me, f), "w").write("0 0 65536\n")
            os.write(w2, b"x")
            os._exit(0)
        if B.libc.unshare(B.CLONE_NEWUSER):
            os._exit(98)
        os.write(w, b"x")
        os.read(r2, 1)
        os.wait()
        for fd in (r, w, r2, w2):
            os.close(fd)
        open("/proc/sys/user/max_user_namespaces", "w").write("0")
    return setup


@modes("user")
def test_no_user_namespaces(box):
    """A refusal that says what is missing; with best_effort what is left holds."""
    box.file("in/a", "hunter2")
    box.file("out/a", "hunter2")
    call = {"setup": without_namespaces()}
    p = box.profile(read=[box.path("in")], write=[box.work])
    r = box.boxed("read", _profile=p, _call=call, path=box.path("in/a"), want="hunter2")
    check(r.rc == 125 and "forbids user namespaces" in r.err and "best_effort" in r.err, r.tell())
    p["best_effort"] = True
    r = box.boxed("read", _profile=p, _call=call, path=box.path("in/a"), want="hunter2")
    check(r.report()["done"] and "no user namespaces" in r.err, r.tell())
    check(box.boxed("write", _profile=p, _call=call, path=box.work + "/a").report()["done"], "nothing is written")
    for name, kw in (("read", {"path": box.path("out/a"), "want": "hunter2"}),
                     ("write", {"path": box.path("in/a")}), ("write", {"path": "/tmp/afws-%d" % os.getpid()}),
                     ("run_program", {"argv": ["/usr/bin/id"]}), ("unshare", {"what": "user"}),
                     ("tcp_send", {"port": 1, "token": "x"}), ("udp_send", {"port": 1, "token": "x"}),
                     ("copy_and_run", {"program": "/bin/true", "to": box.work + "/x"})):
        box.fails_boxed(name, _profile=p, _call=call, **kw)
    s = box.boxed("status", _profile=p, _call=call).report()["status"]
    check(s["NoNewPrivs"] == "1" and s["Seccomp"] == "2" and int(s["CapEff"], 16) == 0, s)


@modes("user")
def test_no_user_namespaces_and_places_within_each_other(box):
    """Landlock alone cannot keep apart what lies in each other: that is told."""
    program = box.copy("/usr/bin/id", "work/bin/id")
    call = {"setup": without_namespaces()}
    p = dict(box.profile(write=[box.work], exec=[os.path.dirname(program)]), best_effort=True)
    r = box.boxed("status", _profile=p, _call=call)
    check(r.rc == 125 and "write" in r.err and "exec" in r.err, r.tell())
    p = dict(box.profile(read=[box.work], deny=[program]), best_effort=True)
    r = box.boxed("read", _profile=p, _call=call, path=program, want="x")
    check(r.rc == 125 and "deny" in r.err, r.tell())
