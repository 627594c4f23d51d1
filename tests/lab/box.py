# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test holds in its hand: a user, a directory of his, and ways to run things bare and boxed.

The runner has a mount namespace of its own, so that what is made here is seen by nobody else:

    /srv                  an empty file system of ours
    /srv/afws/bin         agentctl and agentfwd
    /srv/afws/home        the home of the user `boxer`, who exists in our /etc/passwd only
    /srv/afws/NUMBER      the directory of one case, boxer's; /srv/afws/NUMBER/work is his workspace

A case runs once a way of starting the box:

    root    `agentctl tool` as root, the tool as boxer
    user    `agentctl tool` as boxer, in a user namespace
    zero    `agentctl tool` as root, the tool as root: what no capability is needed for
    agent   `agentctl run` as root, the agent (with a profile) as boxer
"""
import ctypes
import glob
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from lab import BUILD, HERE, ROOT, Skip, check, comes, gone, need, need_program, remove_cgroups, stays, token, until  # noqa: F401
from topo import die_with_parent, in_ns, run  # noqa: F401

BASE = "/srv/afws"
CTL = BASE + "/bin/agentctl"
ATTACK = BASE + "/attack.py"
ATTACKS = BASE + "/box_attacks"
HOME = BASE + "/home"
NAME, UID, GID = "boxer", 64321, 64321
PYTHON = "/usr/bin/python3"
PYLIB = "/usr/lib/" + os.path.basename(os.path.realpath(PYTHON))
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}

libc = ctypes.CDLL(None, use_errno=True)
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWUSER = 0x20000, 0x40000000, 0x10000000


def modes(*names):
    """The ways a case is started; ("root", "user") without it."""
    def mark(fn):
        fn.modes = names
        return fn
    return mark


# ---- the world, once a run -----------------------------------------------------------------------

def mount(source, target, fstype=None, flags=0, data=None):
    def raw(s):
        return s.encode() if s else None
    if libc.mount(raw(source), raw(target), raw(fstype), ctypes.c_ulong(flags), raw(data)):
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e), target)


def umount(target):
    if libc.umount2(target.encode(), 2):  # MNT_DETACH
        raise OSError(ctypes.get_errno(), "umount2", target)


def write(path, text, mode=None, owner=None):
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)
    if mode is not None:
        os.chmod(path, mode)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


def add_user():
    """boxer, in this mount namespace."""
    for db, line in (("passwd", "%s:x:%d:%d::%s:/bin/sh\n" % (NAME, UID, GID, HOME)),
                     ("group", "%s:x:%d:\n" % (NAME, GID))):
        text = open("/etc/" + db).read()
        path = write("%s/%s" % (BASE, db), text.rstrip("\n") + "\n" + line, 0o644)
        mount(path, os.path.realpath("/etc/" + db), flags=MS_BIND)


def make_world():
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    mount("afws", "/srv", "tmpfs", data="mode=755,size=1g")
    os.makedirs(BASE + "/bin")
    os.mkdir(HOME)
    os.chown(HOME, UID, GID)
    add_user()
    for program in ("agentctl", "agentfwd"):
        shutil.copy(os.path.join(BUILD, program), BASE + "/bin/")
    shutil.copy(os.path.join(HERE, "box_attack.py"), ATTACK)
    shutil.copytree(os.path.join(HERE, "box_attacks"), ATTACKS, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [ATTACK] + glob.glob(ATTACKS + "/*"):
        os.chmod(path, 0o644)
    os.chmod(ATTACKS, 0o755)
    os.makedirs(BASE + "/lib")


def compiled(name, text, *options):
    """A program or library of ours, built once a run."""
    path = "%s/lib/%s" % (BASE, name)
    if not os.path.exists(path):
        tmp = "%s.%d" % (path, os.getpid())
        run("gcc", "-O1", *options, "-x", "c", "-o", tmp, "-", text=text)
        os.chmod(tmp, 0o755)
        os.rename(tmp, path)
    return path


# ---- results -------------------------------------------------------------------------------------

class Result:
    def __init__(self, rc, out, err, seconds):
        self.rc, self.out, self.err, self.seconds = rc, out, err, seconds

    @property
    def said(self):
        return self.out + self.err

    def tell(self):
        return "exit %s: %s" % (self.rc, self.said.strip()[-900:])

    def report(self):
        """What attack.py says: {"done": true | false, "error": errno name, ...}"""
        for line in reversed(self.out.splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        raise AssertionError("no report, " + self.tell())


def demote(uid, gid):
    def fn():
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        libc.prctl(24, 0)  # nothing ambient
    return fn


# ---- one case, one way of starting it ------------------------------------------------------------

class Box:
    numbers = itertools.count(1)

    def __init__(self, number, mode):
        self.mode = mode
        self.dir = "%s/%d" % (BASE, number)
        self.work = self.dir + "/work"
        self.held, self.prefix = [], []
        for d in (self.dir, self.work):
            os.mkdir(d)
            os.chown(d, UID, GID)
        self.n = 0

    def close(self):
        for fn in reversed(self.held):
            fn()
        self.held = []

    def at_end(self, fn):
        self.held.append(fn)

    # -- files

    def path(self, name):
        return os.path.join(self.dir, name)

    def file(self, name, text="", mode=0o644, owner=UID):
        path = self.path(name)
        self.directory(os.path.dirname(name))
        return write(path, text, mode, owner)

    def directory(self, name, owner=UID):
        path = self.dir
        for part in name.split("/"):
            path = os.path.join(path, part)
            if not os.path.isdir(path):
                os.mkdir(path)
                os.chown(path, owner, owner)
        return path

    def copy(self, program, name, mode=0o755, owner=UID):
        path = self.path(name)
        self.directory(os.path.dirname(name))
        shutil.copy(program, path)
        os.chown(path, owner, owner)
        os.chmod(path, mode)
        return path

    # -- running

    def call(self, argv, uid=UID, timeout=20, env=None, cwd=None, stdin=None, pass_fds=(), setup=None,
             **kw):
        """As boxer, or as root with uid=0."""
        lower = demote(uid, GID if uid == UID else 0) if uid else None

        def before():
            if setup:
                setup()
            if lower:
                lower()
        if not isinstance(stdin, (str, type(None))):
            kw["stdin"], text = stdin, None
        else:
            kw["stdin"], text = (subprocess.PIPE if stdin is not None else subprocess.DEVNULL), stdin
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        start = time.monotonic()
        p = subprocess.Popen(argv, text=True, errors="replace", env=dict(ENV, HOME=HOME, **(env or {})),
                             cwd=cwd or self.work, pass_fds=pass_fds, preexec_fn=before,
                             start_new_session=True, **kw)
        try:
            out, err = p.communicate(text, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            out, err = p.communicate()
            raise AssertionError("no end within %d s: %s\n%s" % (timeout, " ".join(argv), (out or "") + (err or "")))
        return Result(p.returncode, out or "", err or "", time.monotonic() - start)

    def policy(self, tools=None, agent=None, text=None, **top):
        """A policy file; without text: of these profiles, as data."""
        self.n += 1
        if text is None:
            agent = dict(agent or {})
            if self.mode != "user":
                agent["user"] = "root" if self.mode == "zero" else NAME
            data = dict({"version": 1, "workspace": self.work, "agent": agent}, **top)
            if tools:
                data["tools"] = tools
            text = json.dumps(data, indent=1)
        return write("%s/policy-%d.yaml" % (self.dir, self.n), text, 0o644)

    @property
    def starter(self):
        """Who runs agentctl."""
        return UID if self.mode == "user" else 0

    def ctl(self, *args, **kw):
        kw.setdefault("uid", self.starter)
        return self.call([*self.prefix, CTL, *args], **kw)

    def tool(self, profile, *args, options=(), policy=None, **kw):
        """agentctl tool with this one profile; in mode agent the same profile is the agent's."""
        if self.mode == "agent":
            return self.agent(profile, args, **kw)
        path = policy or self.policy({"t": profile})
        return self.ctl("tool", "-p", path, *options, "t", "--", *args, **kw)

    def unwatched(self):
        """From here on the kernel holds no system call for agentctl: it has no listeners."""
        if self.mode == "agent" and not self.prefix:
            self.boxed("exit_with", status=0)  # the daemon starts with all that it needs
        self.prefix = [PYTHON, os.path.join(HERE, "nosys.py"), "317"]  # seccomp(2)

    def agent(self, profile, args, **kw):
        """agentctl run in a network namespace of its own, where its daemon is."""
        profile = dict(profile)
        command = [w for w in profile.pop("command") if w != "{args}"]
        profile.pop("broad", None)
        profile["exec"] = list(profile.get("exec", ())) + [{"path": command[0], "broad": True}]
        path = self.policy(agent=profile)
        kw["env"] = dict(kw.get("env") or {}, AGENTFW_RUN_DIR=self.directory("run", 0))
        self.new_network()
        kw["setup"] = self.enter_network
        return self.call([*self.prefix, CTL, "run", "-p", path, "--log-dir", self.path("log"), "--", *command, *args],
                         uid=0, **kw)

    # -- attacks

    def profile(self, **more):
        """A tool that runs attack.py: Python, with hands that reach every system call."""
        p = {"command": [PYTHON, "-BIS", ATTACK, "{args}"], "broad": True,
             "read": [ATTACK, ATTACKS, PYLIB], "exec": [PYLIB + "/lib-dynload"]}
        for key, value in more.items():
            p[key] = p[key] + value if key in ("read", "exec") else value
        return p

    @staticmethod
    def words(name, kw):
        return [name] + ["%s=%s" % (k, json.dumps(v)) for k, v in kw.items()]

    def bare(self, name, /, _uid=UID, _call=None, **kw):
        """The attack where there is no box."""
        return self.call([PYTHON, "-BIS", ATTACK, *self.words(name, kw)], uid=_uid, **(_call or {}))

    def boxed(self, name, /, _profile=None, _call=None, **kw):
        return self.tool(_profile or self.profile(), *self.words(name, kw), **(_call or {}))

    def succeeds_bare(self, name, /, _uid=UID, _call=None, **kw):
        r = self.bare(name, _uid=_uid, _call=_call, **kw)
        check(r.out and r.report()["done"], "the attack", name, "is harmless without a box:", r.tell())
        return r.report()

    def fails_boxed(self, name, /, _profile=None, _errors=None, _call=None, **kw):
        r = self.boxed(name, _profile=_profile, _call=_call, **kw)
        got = r.report()
        check(not got["done"], name, "succeeds in the box:", r.tell())
        check(not _errors or got["error"] in _errors.split(), name, "fails, but with", got["error"],
              "and not", _errors, r.tell())
        return got

    def attack(self, name, /, _profile=None, _uid=UID, _errors=None, _undo=None, _call=None, **kw):
        """The attack succeeds without the box, and fails in it."""
        if self.mode == "zero":
            _uid = 0
        self.succeeds_bare(name, _uid=_uid, _call=_call, **kw)
        if _undo:
            _undo()
        return self.fails_boxed(name, _profile=_profile, _errors=_errors, _call=_call, **kw)

    # -- company outside

    def outsider(self, argv=("/bin/sleep", "60"), uid=UID, env=None, **kw):
        """A process of the same user outside; ended with the case."""
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env=dict(ENV, **(env or {})), cwd="/",
                             preexec_fn=demote(uid, GID if uid == UID else 0), **kw)

        def end():
            p.kill()
            p.wait()
            p.stdout.close()
        self.at_end(end)
        return p

    def listener(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, address=("127.0.0.1", 0)):
        s = socket.socket(family, kind)
        s.bind(address)
        if kind == socket.SOCK_STREAM:
            s.listen(8)
        s.settimeout(0.4)
        self.at_end(s.close)
        return s

    def new_network(self):
        """A network namespace for this case, held by a process."""
        if hasattr(self, "netns"):
            return
        p = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up; echo; exec sleep 600"],
                             stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        p.stdout.readline()
        self.netns = os.open("/proc/%d/ns/net" % p.pid, os.O_RDONLY | os.O_CLOEXEC)
        self.at_end(lambda: (p.kill(), p.wait(), p.stdout.close()))

    def enter_network(self):
        if libc.setns(self.netns, CLONE_NEWNET):
            os._exit(99)


def heard(s):
    """What arrived at a listener; None: nothing."""
    try:
        if s.type == socket.SOCK_STREAM:
            c, _ = s.accept()
            with c:
                c.settimeout(1)
                return c.recv(1000)
        return s.recv(1000)
    except (socket.timeout, BlockingIOError):
        return None
