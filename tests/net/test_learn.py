# SPDX-License-Identifier: GPL-2.0-or-later
"""agentctl policy learn: from a run in audit mode to the least policy that lets it pass. Immunity rows 27, 30."""
import os
import re

import lab as L
import topo
from lab import CURL, SHELL, check
from places import place, write

NAME = "api.allowed.test"

SCRIPT = r"""
import json, os, subprocess, urllib.request
d = os.path.dirname(os.path.abspath(__file__))
print(open(d + "/data/in").read().strip())
with open(d + "/out/result", "w") as f: f.write("written")
os.rename(d + "/out/result", d + "/out/final")
print(open(d + "/out/final").read())
os.unlink(d + "/out/final")
print(subprocess.run(["/usr/bin/id", "-u"], capture_output=True, text=True).stdout.strip())
print(urllib.request.urlopen("https://%s/", timeout=5).status)
for path in os.environ.get("MORE", "").split():
    print(open(path).read().strip())
"""


def workspace(d):
    os.chmod(d, 0o755)
    for sub in ("data", "out"):
        os.mkdir(os.path.join(d, sub))
    os.chmod(d + "/out", 0o777)
    write(d + "/data/in", "the input\n")
    return write(d + "/job.py", SCRIPT % NAME)


def learn(lab, log_dir, *options):
    r = lab.bare([L.AGENTCTL, "policy", "learn", "--log-dir", log_dir, *options])
    check(r.rc == 0, r.tell())
    ok = lab.bare([L.AGENTCTL, "policy", "check", lab.file(".yaml", r.out)])
    check(ok.rc == 0 and "warning" not in ok.err, r.out, ok.tell())
    return r.out


def entries(text, key):
    """The lines of one list, without their comments."""
    found = re.search(r"^ *%s:\n((?: *- .*\n)+)" % key, text, re.M)
    return [l.split("  #")[0].strip()[2:] for l in found.group(1).splitlines()] if found else []


def passes(lab, pol, job, want, **kw):
    r = lab.run(pol, [L.PYTHON, job], **kw)
    check(r.rc == 0 and r.out.splitlines() == want, r.tell())
    return r


def test_row27_learn(lab):
    """Learned from one run, it lets that run pass, and nothing more."""
    want = ["the input", "written", "65534", "200"]
    with place() as d:
        job = workspace(d)
        r = passes(lab, L.policy(), job, want, options=("--audit",))
        check(not r.events(action="denied") and "policy learn --log-dir " + r.dir in r.err, r.err)
        pol = learn(lab, r.dir)
        check(entries(pol, "egress") == [NAME], pol)
        check(entries(pol, "write") == [d + "/out"], pol)
        programs = entries(pol, "exec")
        check("{path: %s, broad: true}" % os.path.realpath(L.PYTHON) in programs and "/usr/bin/id" in programs, programs)
        check(not [p for p in programs if p.startswith("/usr/bin/") and p != "/usr/bin/id"], programs)
        read = entries(pol, "read")  # an interpreter lists the directory of its script
        check(d in read and [p for p in read if p.startswith("/usr/lib/python3")], read)
        check(not {"/", "/usr", "/usr/lib", "/etc", "/var/lib", "/var"} & set(read), read)
        check(re.search(r"- %s  # \d+ time" % NAME, pol), "how often")
        r = passes(lab, pol, job, want)
        check(not r.events(), [e["agentfw"] for e in r.events()])
        # one thing more
        other = write("/var/lib/" + L.token(), "other\n")
        try:
            r = lab.run(pol, [L.PYTHON, job], env={"MORE": other})
            check(r.rc == 1 and "other" not in r.out and "PermissionError" in r.err, r.tell())
            check(any(e["file"]["path"] == other for e in r.files()), r.files())
        finally:
            os.unlink(other)
        r = lab.run(pol, [SHELL, "-c", "true"])
        check(r.rc == 126, "another program:", r.tell())
        r = lab.run(pol, [L.PYTHON, "-c", "import urllib.request as u; u.urlopen('https://evil.test/', timeout=5)"])
        check(r.rc == 1 and r.event(text="evil.test"), r.tell())


def test_learn_workspace_in_tmp(lab):
    """Each box has a /tmp of its own: what lay there before must be named, what the run makes for itself not."""
    d = lab.file(".work")
    os.mkdir(d)
    job = workspace(d)
    own = "\nimport tempfile\nwith tempfile.TemporaryDirectory() as t:\n  p = t + '/x'\n  open(p, 'w').write('own')\n  print(open(p).read())\n"
    with open(job, "a") as f:
        f.write(own)
    want = ["the input", "written", "65534", "200", "own"]
    r = passes(lab, L.policy().replace("version: 1", "version: 1\nmode: audit"), job, want)
    pol = learn(lab, r.dir)
    check("mode: enforce" in pol and entries(pol, "write") == [d + "/out"], pol)
    check(not [p for k in ("read", "write") for p in entries(pol, k) if p.startswith("/tmp") and not p.startswith((d, lab.pki.ca))],
          pol)
    passes(lab, pol, job, want)


def test_learn_adds_to_a_policy(lab):
    """What the policy allows already stays; a program by its script, a port, an address that a name may have."""
    with place() as d:
        os.chmod(d, 0o755)
        lab.zone.set("intern.test", "10.99.0.1")
        os.chmod(write(d + "/tool", "#!%s\necho tool\n" % SHELL), 0o755)
        cmd = [SHELL, "-c", "%s/tool; %s -sS https://%s/ >/dev/null && %s -sS http://evil.test:8080/ >/dev/null; echo $?" % (d, CURL, NAME, CURL)]
        text = L.policy(NAME, deny=["x.evil.test"]).replace("agent: {user: nobody}", "agent: {user: nobody, read: [%s], exec: [%s]}"
                                                           % (lab.pki.ca, CURL))
        r = lab.run(text, cmd, options=("--audit",))
        check(r.rc == 0 and r.out.splitlines() == ["tool", "0"], r.tell())
        check(not [e for e in r.files() if e["file"]["path"] in (CURL, lab.pki.ca)], "what is allowed is logged", r.files())
        pol = learn(lab, r.dir)
        check(entries(pol, "egress") in (['"%s"' % NAME, s + "evil.test:8080"] for s in ("tcp://", "http://")), pol)
        check('- "x.evil.test"' in pol and "dns:" in pol and topo.DNS4 in pol, pol)
        check(CURL in entries(pol, "exec") and d + "/tool" in entries(pol, "exec"), pol)
        check("{path: %s, broad: true}" % os.path.realpath(SHELL) in entries(pol, "exec"), pol)
        r = lab.run(pol, cmd)
        check(r.rc == 0 and r.out.splitlines() == ["tool", "0"], r.tell(), pol)


def test_learn_what_is_not_proposed(lab):
    """Homes as a whole, /, and what others trust: said, with why, and not allowed."""
    home = os.path.join(lab.env()["HOME"])
    ssh = os.path.join(home, ".ssh")
    os.makedirs(ssh, exist_ok=True)
    os.chmod(ssh, 0o755)
    os.chmod(write(ssh + "/id_x", "key\n"), 0o644)
    r = lab.run(L.policy(user="root"), [SHELL, "-c", "cat %s/id_x; ls / >/dev/null; ls /root >/dev/null; cat /etc/hostname >/dev/null" % ssh],
                options=("--audit",))
    check(r.rc == 0 and "key" in r.out, r.tell())
    pol = learn(lab, r.dir)
    for line in ("#   read %s/id_x: others trust" % ssh, "#   read /: every file", "#   read /root: a home"):
        check(line in pol, line, pol)
    read = entries(pol, "read")
    check("/etc/hostname" in read and not [p for p in read if p in ("/", "/root") or ".ssh" in p], read)


def test_learn_native_library(lab):
    """A module that is mapped must lie where programs may: it is learned as such."""
    cmd = [L.PYTHON, "-c", "import ctypes, decimal, sqlite3; print(ctypes.CDLL(None).getppid() > 0)"]
    r = lab.run(L.policy(), cmd, options=("--audit",))
    check(r.rc == 0 and r.out == "True\n", r.tell())
    pol = learn(lab, r.dir)
    check([p for p in entries(pol, "exec") if "/lib-dynload" in p], pol)
    r = lab.run(pol, cmd)
    check(r.rc == 0 and r.out == "True\n", r.tell(), pol)


def test_audit_mode_lets_through(lab):
    """Nothing that the profile names is enforced, and base hardening is."""
    with place() as d:
        os.chmod(d, 0o777)
        pol = L.policy(NAME).replace("agent: {user: nobody}", "agent: {user: nobody, exec: [{path: %s, broad: true}]}" % SHELL)
        r = lab.run(pol, [SHELL, "-c", "id -u; echo x >%s/new; cat /etc/hostname; unshare -r true || echo refused; grep NoNewPrivs /proc/self/status" % d],
                    options=("--audit",))
        check(r.rc == 0 and r.out.splitlines()[0] == "65534" and "refused" in r.out and "NoNewPrivs:\t1" in r.out, r.tell())
        check(os.path.exists(d + "/new"), "it was refused")
        got = {(e["agentfw"]["right"], e["file"]["path"]) for e in r.files()}
        check({("exec", os.path.realpath("/usr/bin/id")), ("write", d + "/new"), ("read", "/etc/hostname")} <= got, got)
        check({e["event"]["action"] for e in r.files()} == {"would_deny"}, r.files())
        check(not [p for _, p in got if p.startswith(("/lib/", "/usr/lib/x86_64-linux-gnu/lib", "/dev/", "/proc/", "/etc/ld.so"))],
              "what every box has:", got)
        out = lab.bare([L.AGENTCTL, "log", "--log-dir", r.dir])
        check("would deny" in out.out, out.tell())


# Asks for names of its own making, as one label and as several, and reads a file of that name.
CALLS_THINGS = r"""
import os, socket, struct, sys
def ask(*labels):
    q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l for l in labels) + b"\0\0\1\0\1"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.sendto(q, ("127.0.0.1", 53))
    try: s.recv(600)
    except OSError: pass
for name in sys.argv[2:]:
    ask(os.fsencode(name))
    ask(*[l for l in os.fsencode(name).split(b".") if l])
    path = os.path.join(os.fsencode(sys.argv[1]), os.fsencode(name.replace("/", "%")))
    if os.path.exists(path): open(path).read()
"""

HOSTILE = ("10.0.0.0/8:22", "169.254.169.254:80", "github", "pypi", "*", "*.com", "0.0.0.0/0", "tcp://x.test:22", "x.test:22", "- x",
           "x\n- '*'", "&a x", "{to: '*', broad: true}", "localhost", "[::]:1", "true", "#x", "x #y", "'", '"', "\x1b[2K",
           "_agentfw_comment_0_", "x_agentfw_comment_1_", "\u202etset.x", "~", "$HOME", "a" * 63)


def test_learn_what_was_called_so(lab):
    """Names of the agent's making become themselves in a policy, or nothing."""
    with place() as d:
        os.chmod(d, 0o755)
        for name in HOSTILE:
            write(os.path.join(d, name.replace("/", "%")), "x\n")
        r = lab.run(L.policy(NAME), [L.PYTHON, "-c", CALLS_THINGS, d, *HOSTILE], options=("--audit",))
        check(r.rc == 0, r.tell())
        for e in r.events(text="dns-name"):
            name, line = e["dns"]["question"]["name"], e["agentfw"].get("suggest")
            check(line in (None, "  - https://" + name if "." not in name else "  - " + name), e["agentfw"])
            check("endpoint" not in e["agentfw"], e["agentfw"])
        pol = learn(lab, r.dir)
        check(set(entries(pol, "egress")) == {'"%s"' % NAME, "https://github", "https://pypi", "https://true", "https://" + "a" * 63,
                                              "https://_agentfw_comment_0_", "https://x_agentfw_comment_1_"}, pol)
        check("#   egress 10\\.0\\.0\\.0/8:22: nothing that a rule allows" in pol, pol)
        read = entries(pol, "read")
        check(d in read or {x for x in read if x.startswith(d)}, read)
        check(not [x for x in read if ".ssh" in x or x.startswith(("~", "$"))], read)


def test_learn_errors(lab):
    empty = lab.file(".log")
    r = lab.bare([L.AGENTCTL, "policy", "learn", "--log-dir", empty])
    check(r.rc == 125 and "audit mode" in r.err, r.tell())
    r = lab.run(L.policy(NAME), [SHELL, "-c", "cat /etc/hostname"])
    out = lab.bare([L.AGENTCTL, "policy", "learn", "--log-dir", r.dir])
    check(out.rc == 125 and "audit mode" in out.err, out.tell())
    for args in (["--nonsense"], ["x"], ["--fence"]):
        out = lab.bare([L.AGENTCTL, "policy", "learn", *args])
        check(out.rc == 125, args, out.tell())
    # two policies in one log
    log = lab.file(".log")
    for name in ("a.test", "b.test"):
        lab.run(L.policy(name), [SHELL, "-c", "cat /etc/hostname"], options=("--audit",), log_dir=log)
    out = lab.bare([L.AGENTCTL, "policy", "learn", "--log-dir", log])
    check(out.rc == 125 and "several policies" in out.err, out.tell())
    r = lab.run(L.policy("c.test"), [SHELL, "-c", "cat /etc/hostname"], options=("--audit",), log_dir=log)
    fence = [e["agentfw"]["fence"] for e in r.lines() if e["event"]["action"] == "fence_started"][-1]
    pol = learn(lab, log, "--fence", fence)
    check("/etc/hostname" in entries(pol, "read") and "c.test" in pol and "1 run)" in pol, pol)
