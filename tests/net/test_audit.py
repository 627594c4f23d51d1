# SPDX-License-Identifier: GPL-2.0-or-later
"""What a box refuses is seen: events, the log, the word at the end. Immunity rows 27, 30."""
import ctypes
import os
import re
import socket
import struct
import subprocess

import lab as L
import topo
from lab import CURL, SHELL, check
from places import place, write

NAME = "api.allowed.test"
CAT = "/usr/bin/cat"
PERL = "/usr/bin/perl"
PYLIB = subprocess.check_output([L.PYTHON, "-c", "import os; print(os.path.dirname(os.__file__))"], text=True).strip()

TOOLS = """version: 1
egress: []
dns: {servers: ["%s"]}
agent: {user: nobody}
tools:
  cat:
    command: [%s, "{args}"]
    broad: true
%%s
  sh:
    command: [%s, -c, "{text:lines}"]
    broad: true
    exec: [%s, {path: %s, broad: true}, {path: %s, broad: true}]
    read: [/usr/lib/python3, %s, %%s]
""" % (topo.DNS4, CAT, SHELL, CAT, L.PYTHON, PERL, PYLIB)


def policy(more="", read="/usr/share/doc"):
    return TOOLS % (more, read)


def tool(lab, pol, name, *values, log_dir=None, options=(), **kw):
    lab.need_product()
    path = pol if pol.startswith("/") else lab.file(".yaml", pol)
    log_dir = log_dir or lab.file(".log")
    return lab._call(lab.enter() + [L.AGENTCTL, "tool", "-p", path, "--log-dir", log_dir, *options, name, "--", *values],
                     20, log_dir, **kw)


def audit_status():
    """Is auditing on, and are there rules that keep processes from being audited?"""
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)
    s.bind((0, 0))
    s.settimeout(2)
    s.send(struct.pack("=IHHII", 16, 1000, 1, 1, 0))
    enabled = None
    while enabled is None:
        m = s.recv(9000)
        if struct.unpack_from("=H", m, 4)[0] == 1000:
            enabled = struct.unpack_from("=I", m, 20)[0]
    s.send(struct.pack("=IHHII", 16, 1013, 1, 2, 0))
    never = False
    while True:
        m = s.recv(9000)
        kind = struct.unpack_from("=H", m, 4)[0]
        if kind == 1013:
            flags, action, fields = struct.unpack_from("=III", m, 16)
            never |= (flags & 0xf, action, fields) == (1, 0, 0)
        elif kind == 3:
            break
    s.close()
    return enabled, never


def need_records():
    abi = ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1)
    L.need(abi >= 7, "this kernel's Landlock (ABI %d) does not tell what it refuses" % abi)


def test_row27_read(lab):
    """One event, one line for people, and at the end of the failed command what to do; which then works."""
    need_records()
    with place() as d:
        path = write(d + "/file")
        was, _ = audit_status()
        r = tool(lab, policy(), "cat", path)
        check(r.rc == 1 and "hello" not in r.out, r.tell())
        enabled, never = audit_status()
        check(enabled and (was or never), "auditing was turned on with no rule that spares the processes")
        check(len(r.files()) == 1, r.files(), r.tell())
        e = r.files()[0]
        check(e["event"]["action"] == "denied" and e["event"]["count"] == 1 and e["file"]["path"] == path, e)
        a = e["agentfw"]
        check(a["tool"] == "cat" and a["right"] == "read" and a["access"] == "fs.read_file" and a["code"] == "file-read", a)
        check(e["user"]["id"] == "65534", e)
        if a["attribution"] != "none":
            check(e["process"]["executable"] == CAT and e["process"]["name"] == "cat", e)
        check(a["suggest"] == "tools: {cat: {read: [%s]}}" % path, a)
        check("refused: read " + path in r.err and a["suggest"] in r.err, r.err)
        out = lab.bare([L.AGENTCTL, "log", "--denied", "--log-dir", r.dir])
        check(out.rc == 0 and len(out.out.splitlines()) == 1 and "read " + path in out.out, out.tell())
        again = tool(lab, policy("    read: [%s]" % path), "cat", path)
        check(again.rc == 0 and again.out == "hello\n" and not again.files(), again.tell())


def test_nothing_refused(lab):
    """No daemon is started for a tool that has nothing to tell."""
    lab.wait_clean()
    r = tool(lab, policy(), "sh", "exit 3")
    check(r.rc == 3 and not os.path.exists(r.dir) and "refused" not in r.err, r.tell())
    check(not lab.daemons(), "a daemon was started")


def test_repeats(lab):
    """A hundred times the same: told at first, and then how often."""
    need_records()
    path = "/etc/hostname"
    r = tool(lab, policy(), "sh", "i=0; while [ $i -lt 100 ]; do i=$((i+1)); %s %s; done 2>/dev/null; exit 1" % (CAT, path))
    check(r.rc == 1, r.tell())
    counts = [e["event"]["count"] for e in r.files() if e["file"]["path"] == path]
    check(counts == [1, 99], counts)
    check("(100 times)" in r.err, r.err)


def test_many(lab):
    """A search through what is closed: each file has its event; the person hears of the last ones, and where the
    rest is."""
    need_records()
    with place() as d:
        for i in range(50):
            write("%s/%d" % (d, i))
        code = "for i in range(1000):\n  try: open('%s/%%d' %% (i %% 50))\n  except OSError: pass\nraise SystemExit(1)" % d
        r = tool(lab, policy(), "sh", "%s -I -S -c \"%s\"" % (L.PYTHON, code))
    check(r.rc == 1, r.tell())
    for i in range(50):
        counts = [e["event"]["count"] for e in r.files() if e["file"]["path"] == "%s/%d" % (d, i)]
        check(counts == [1, 19], i, counts)
    shown = [l for l in r.err.splitlines() if l.startswith("agentctl: refused: ")]
    check(len(shown) == 6 and "more; see: agentctl log" in shown[-1], shown)


def test_agent(lab):
    """An agent with a profile: the event has the fence's name and no tool; a program and an empty network beside
    it."""
    need_records()
    pol = L.policy(NAME).replace("agent: {user: nobody}", "agent: {user: nobody, exec: [{path: %s, broad: true}, %s]}" % (SHELL, CAT))
    r = lab.run(pol, [SHELL, "-c", "%s /etc/hostname" % CAT])
    check(r.rc == 1, r.tell())
    e = [e for e in r.files() if e["file"]["path"] == "/etc/hostname"]
    check(len(e) == 1, r.files())
    fence = [e["agentfw"]["fence"] for e in r.lines() if e["event"]["action"] == "fence_started"]
    check(e[0]["agentfw"]["fence"] == fence[0] and "tool" not in e[0]["agentfw"], e[0])
    check(e[0]["agentfw"]["suggest"] == "agent: {read: [/etc/hostname]}", e[0])
    out = lab.bare([L.AGENTCTL, "policy", "check", lab.file(".yaml", "version: 1\n" + e[0]["agentfw"]["suggest"] + "\n")])
    check(out.rc == 0, out.tell())


def test_tool_of_an_agent(lab):
    """A tool that an agent calls: its own name, and the agent's fence."""
    need_records()
    r = lab.run(policy(), [SHELL, "-c", "%s tool cat -- /etc/hostname" % L.AGENTCTL])
    e = [e for e in r.files() if e["agentfw"].get("tool") == "cat"]
    check(len(e) == 1 and e[0]["file"]["path"] == "/etc/hostname", r.files(), r.tell())
    fence = [e["agentfw"]["fence"] for e in r.lines() if e["event"]["action"] == "fence_started"]
    check(e[0]["agentfw"]["fence"] == fence[0], e[0], fence)


def test_hostile_names(lab):
    """Names with line ends, quotes, escape sequences and what looks like a record: one line each, nothing but
    themselves."""
    need_records()
    names = {"a\nb": "a\\x0ab", "\033[2Jx": "\\x1b[2Jx", '" domain=1 path="x': None, "\u00e4": "\\xc3\\xa4", "a b": None,
             "\\x0a": "\\\\x0a", "{}[]:,#'": None}
    with place() as d:
        for n in names:
            write(d + "/" + n)
        r = tool(lab, policy(), "cat", *["%s/%s" % (d, n) for n in names])
        check(r.rc == 1, r.tell())
        check(all(0x20 <= ord(c) < 0x7f for l in r.err.splitlines() for c in l if l.startswith("agentctl:")), r.err)
        with open(os.path.join(r.dir, "events.jsonl"), "rb") as f:
            raw = f.read()
        check(raw.isascii() and b"\\u001b" not in raw, raw)
        got = sorted(e["file"]["path"][len(d) + 1:] for e in r.files())
        check(got == sorted(v or k for k, v in names.items()), got)
        for e in r.files():
            fix = e["agentfw"].get("suggest")
            if fix:
                pol = policy("    read: " + re.search(r"read: (\[.*\])}}$", fix).group(1))
                out = lab.bare([L.AGENTCTL, "policy", "check", lab.file(".yaml", pol)])
                check(out.rc == 0, fix, out.tell())


NESTED = """
my $attr = pack("Q", (1 << 13) - 1);
my $fd = syscall(444, $attr, 8, 0);
syscall(157, 38, 1, 0, 0, 0) == 0 && $fd >= 0 or die "no ruleset: $!";
open(my $doc, "<", "/usr/share/doc/.") or die;
my $rule = pack("Ql", 4 | 8, fileno($doc));
syscall(445, $fd, 1, $rule, 0) == 0 && syscall(446, $fd, 0) == 0 or die "not applied: $!";
for my $path ("/usr/lib/os-release", "/etc/hostname") {
    die "opened" if open(my $f, "<", $path);
}
exit 5;
"""


def test_own_domains(lab):
    """A program that locks itself in: what its own domain refuses is no refusal of ours."""
    need_records()
    with place() as d:
        os.chmod(d, 0o755)
        run = "%s %s" % (PERL, write(d + "/x.pl", NESTED))
        r = tool(lab, policy(read="/usr/share/doc, /etc/hostname, /usr/lib/os-release, " + d), "sh", run)
        check(r.rc == 5, r.tell())
        mine = [e["file"]["path"] for e in r.files() if e["file"]["path"] in ("/usr/lib/os-release", "/etc/hostname")]
        check(not mine, mine)
        r = tool(lab, policy(read="/usr/share/doc, " + d), "sh", "%s; %s /etc/hostname; exit 5" % (run, CAT))
        check([e for e in r.files() if e["file"]["path"] == "/etc/hostname"], "and ours are still told", r.events())


def test_record_cannot_be_written(lab):
    """The command has run; that its refusals were not recorded is said."""
    need_records()
    r = tool(lab, policy(), "cat", "/etc/hostname", log_dir=lab.file(".log", "a file"))
    check(r.rc == 1 and "could not be recorded" in r.err, r.tell())
    check("refused: read /etc/hostname" in r.err, r.err)


def test_ordinary_user(lab):
    """Without root there is no record, and what may not be read is not seen, as -v says; writing and running is."""
    lab.need_product()
    path = lab.file(".yaml", policy().replace("agent: {user: nobody}\n", ""))
    log_dir = os.path.join(lab.env()["HOME"], "log")
    r = lab._call(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", L.AGENTCTL, "tool", "-v", "-p", path,
                   "--log-dir", log_dir, "sh", "--", "%s /etc/hostname; /usr/bin/id; echo x >/etc/afwt; exit 1" % CAT], 20, log_dir)
    check(r.rc == 1 and "Permission denied" in r.err and "are not seen" in r.err, r.tell())
    check("refused: exec /usr/bin/id" in r.err and "refused: write /etc/afwt" in r.err and "recorded" not in r.err, r.err)
    check(not os.path.exists(log_dir), "a log")


def seen(r):
    """(right, path, tool's program) of each event."""
    return {(e["agentfw"]["right"], e["file"]["path"], e.get("process", {}).get("executable")) for e in r.files()}


def test_row27_write(lab):
    """What may not be changed: each attempt is told, with who it was and the directory that would be named."""
    with place() as d:
        os.chmod(d, 0o777)
        for n in ("old", "gone", "cut"):
            os.chmod(write("%s/%s" % (d, n)), 0o666)
        r = tool(lab, policy(), "sh", "cd %s; echo x >new; echo x >>old; %s -I -S -c 'import os\nfor f in (lambda: os.unlink(\"gone\"), "
                 "lambda: os.mkdir(\"made\"), lambda: os.rename(\"old\", \"other\"), lambda: os.symlink(\"x\", \"link\"), "
                 "lambda: os.truncate(\"cut\", 1), lambda: os.mknod(\"node\"), lambda: os.link(\"old\", \"hard\"), "
                 "lambda: os.open(\"%s/both\", os.O_RDWR | os.O_CREAT)):\n  try: f()\n  except OSError: pass'; exit 4"
                 % (d, L.PYTHON, d))
        check(r.rc == 4 and sorted(os.listdir(d)) == ["cut", "gone", "old"] and open(d + "/old").read() == "hello\n", r.tell())
        got = {(right, path[len(d) + 1:], exe) for right, path, exe in seen(r) if path.startswith(d + "/")}
        py, sh = os.path.realpath(L.PYTHON), os.path.realpath(SHELL)
        want = {("write", "new", sh), ("write", "old", sh)}
        want |= {("write", n, py) for n in ("gone", "made", "other", "link", "cut", "node", "hard", "both")}
        check(got == want, "missing", want - got, "more", got - want)
        e = [e for e in r.files() if e["file"]["path"] == d + "/new"][0]
        check(e["agentfw"]["attribution"] == "exact" and e["agentfw"]["access"] == "create", e)
        check(e["agentfw"]["suggest"] == "tools: {sh: {write: [%s]}}" % d, e["agentfw"]["suggest"])
        e = [e for e in r.files() if e["file"]["path"] == d + "/cut"][0]
        check(e["agentfw"]["suggest"] == "tools: {sh: {write: [%s/cut]}}" % d, e["agentfw"]["suggest"])
        allowed = policy(read="/usr/share/doc]\n    write: [%s" % d)
        r = tool(lab, allowed, "sh", "cd %s; echo x >new; echo x >>old; ln -s x y 2>&-; exit 4" % d)
        check(r.rc == 4 and open(d + "/new").read() == "x\n", r.tell())
        check(not [p for right, p, _ in seen(r) if right == "write"], r.files())


def test_row27_exec(lab):
    """What may not be run: programs, scripts by their interpreter, what only has another name for them."""
    with place() as d:
        os.chmod(write(d + "/job", "#!/usr/bin/id\n"), 0o755)
        os.chmod(write(d + "/data", "no program\n"), 0o644)
        os.symlink("/usr/bin/id", d + "/link")
        pol = policy(read="/usr/share/doc]\n    exec: [%s, %s/job" % (CAT, d))
        pol = pol.replace("    exec: [%s, {path: %s, broad: true}, {path: %s, broad: true}]\n" % (CAT, L.PYTHON, PERL), "")
        r = tool(lab, pol, "sh", "for p in /usr/bin/id %s/job %s/link %s/data /proc/self/root/usr/bin/env nosuch; do $p; done; %s /dev/null; exit 4"
                 % (d, d, d, CAT))
        check(r.rc == 4 and "uid=" not in r.out, r.tell())
        got = {path for right, path, _ in seen(r) if right == "exec"}
        check(got == {"/usr/bin/id", "/usr/bin/env"}, got)
        counts = [e["event"]["count"] for e in r.files() if e["file"]["path"] == "/usr/bin/id"]
        check(sum(counts) >= 3, "the link and the script lead there, too:", counts)
        r = tool(lab, pol.replace("command: [%s, \"{args}\"]" % CAT, "command: [%s/job, \"{args}\"]" % d), "cat", "x")
        check(r.rc == 126 and "refused: exec /usr/bin/id" in r.err, "the first program, too:", r.tell())


def test_row27_links(lab):
    """A link in a writable place is no way to change something unseen."""
    with place() as d, place() as out:
        os.chmod(out, 0o777)
        os.chmod(write(d + "/target"), 0o666)
        os.symlink(d + "/target", out + "/link")
        os.symlink("../" + os.path.basename(d), out + "/dir")
        pol = policy(read="/usr/share/doc]\n    write: [%s" % out)
        r = tool(lab, pol, "sh", "cd %s; echo x >link; echo x >dir/new; echo x >/proc/self/root%s/target; echo x >/proc/self/cwd/../%s/more; exit 4"
                 % (out, d, os.path.basename(d)))
        check(open(d + "/target").read() == "hello\n" and r.rc == 4, r.tell())
        got = {path[len(d) + 1:] for right, path, _ in seen(r) if right == "write"}
        check(got == {"target", "new", "more"}, got, r.tell())


def test_watched_and_busy(lab):
    """Threads, signals and many files: the watcher does not get in the way."""
    code = r"""
import os, signal, threading
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
bad = []
def work(i):
    for k in range(300):
        p = "%s/%d-%d" % (os.environ["OUT"], i, k)
        try:
            with open(p, "w") as f: f.write("x")
            os.rename(p, p + "r")
            os.unlink(p + "r")
            os.posix_spawn("/usr/bin/cat", ["cat", "/dev/null"], {}) if k % 100 == 0 else None
        except Exception as e:
            bad.append(repr(e))
ts = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[t.start() for t in ts]
[t.join() for t in ts]
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(bad), bad[:3], os.listdir(os.environ["OUT"]))
"""
    with place() as d:
        os.chmod(d, 0o777)
        pol = policy(read="%s]\n    write: [%s]\n    env: [{set: {OUT: %s}}" % (d, d, d))
        r = tool(lab, pol, "sh", "exec %s -I -S -c '%s'" % (L.PYTHON, code))
        check(r.rc == 0 and r.out.strip() == "0 [] []", r.tell())
        check(not [p for right, p, _ in seen(r) if right != "read"], r.files())


def test_last_endpoints(lab):
    """A command that fails hears of the last endpoints that were refused, each once; one that succeeds does not."""
    urls = ["https://evil%d.test/" % i for i in range(7)] + ["https://%s/" % topo.EVIL4] * 3
    r = lab.run(L.policy(NAME), [SHELL, "-c", "for u in %s; do %s -sS $u; done; exit 9" % (" ".join(urls), CURL)])
    check(r.rc == 9, r.tell())
    shown = [l for l in r.err.splitlines() if l.startswith("agentctl: refused: ")]
    want = ["evil%d.test; to allow it, under egress: - evil%d.test" % (i, i) for i in range(3, 7)]
    want += ["tcp://%s:443; to allow it, under egress: - tcp://%s:443" % (topo.EVIL4, topo.EVIL4)]
    check(shown == ["agentctl: refused: " + w for w in want], shown)
    r = lab.run(L.policy(NAME), [SHELL, "-c", "%s -sS https://evil.test/; exit 0" % CURL])
    check(r.rc == 0 and "agentctl: refused:" not in r.err, r.tell())
