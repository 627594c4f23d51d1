# SPDX-License-Identifier: GPL-2.0-or-later
"""Root does nothing for a caller that the caller could not do: what is named under sudo, played as an attacker would.

The caller is the user nobody; where sudo is not installed, its environment stands for it."""
import fnmatch
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess

import lab as L
from lab import AGENTCTL, check
from test_person import in_mounts, marked, nothing_starts

NOBODY = 65534
SUDO = {"SUDO_UID": "65534", "SUDO_GID": "65534", "SUDO_USER": "nobody", "SUDO_COMMAND": "agentctl"}
PLAIN = "version: 1\negress: [api.allowed.test]\n"
ROOTS = PLAIN + "agent: {user: root}\n"
SECRET = "root:$y$secret-of-the-host:1:0:"
ID = ["/usr/bin/id", "-u"]


def directory(lab, suffix, owner=NOBODY, mode=0o755):
    path = lab.file(suffix)
    os.mkdir(path)
    os.chmod(path, mode)
    os.chown(path, owner, owner)
    return path


def put(path, text, owner=NOBODY, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    os.chown(path, owner, owner)
    return path


def sudo(lab, *words, env=None, **kw):
    """agentctl, by nobody under sudo."""
    return lab.bare([AGENTCTL, *words], env=dict(SUDO, **(env or {})), **kw)


def run(lab, policy, log, *options, cmd=ID, **kw):
    return sudo(lab, "run", "-p", policy, *(["--log-dir", log] if log else []), *options, "--", *cmd, **kw)


def beside(lab, setup, argv, env=None, timeout=30):
    """In a mount namespace where /etc and /var/log are ours to change."""
    layer = directory(lab, ".layer", 0)
    both = ("mount -t tmpfs none %(l)s && mkdir %(l)s/u %(l)s/w && "
            "mount -t overlay -o lowerdir=/etc,upperdir=%(l)s/u,workdir=%(l)s/w none /etc && "
            "mount -t tmpfs -o mode=755 none /var/log && mkdir -p /etc/agentfw && " % {"l": layer})
    lab.wait_clean()
    r = lab._call(in_mounts(lab, both + setup, argv), timeout, env=env)
    lab.wait_clean()  # its daemon has a run directory of its own
    return r


# ---- where the record is written -----------------------------------------------------------------

def test_log_dir_of_root(lab):
    """No file, and no directory, where only root may make one: by option, by policy, by links."""
    mark, cmd = marked(lab)
    roots, mine = directory(lab, ".root", 0), directory(lab, ".mine")
    plain = put(mine + "/plain.yaml", PLAIN)
    os.symlink(roots, mine + "/link")
    for log in (roots, roots + "/new", mine + "/link/new", mine + "/../" + os.path.basename(roots)):
        r = run(lab, plain, log, cmd=cmd)
        nothing_starts(lab, r, mark)
        check("Permission denied" in r.err and "hint: " in r.err, r.tell())
        r = run(lab, put(mine + "/named.yaml", PLAIN + "audit: {dir: %s}\n" % log), None, cmd=cmd)
        nothing_starts(lab, r, mark)
        check(os.listdir(roots) == [], os.listdir(roots))


def test_log_files_of_root(lab):
    """A link, of either kind, or a file of root's in a directory of the caller's."""
    mark, cmd = marked(lab)
    mine, victim = directory(lab, ".mine"), lab.file(".victim", "precious")
    plain = put(mine + "/plain.yaml", PLAIN)
    for make in (os.symlink, os.link, shutil.copy):
        for name in ("events.jsonl", "denied.pcap"):
            log = directory(lab, ".log")
            make(victim, os.path.join(log, name))
            nothing_starts(lab, run(lab, plain, log, cmd=cmd), mark)
            check(open(victim).read() == open(os.path.join(log, name)).read() == "precious")


def test_own_log_dir(lab):
    """The caller's own place works, and what is in it is the caller's."""
    mine = directory(lab, ".mine")
    plain = put(mine + "/plain.yaml", PLAIN)
    for log in (mine + "/a/b", mine + "/a/b", directory(lab, ".log")):
        r = run(lab, plain, log, cmd=["/usr/bin/curl", "-sS", "https://evil.test/"])
        check(r.rc == 6, r.tell())
        for path in (log, log + "/events.jsonl", log + "/denied.pcap"):
            check(os.stat(path).st_uid == NOBODY, path, os.stat(path))
        check("evil.test" in sudo(lab, "log", "--log-dir", log, "--denied").out)
    check(os.stat(mine + "/a/b").st_mode & 0o7777 == 0o700 and os.stat(mine + "/a").st_uid == NOBODY)


def test_default_log_dir(lab):
    """Root keeps /var/log/agentfw for every caller's record, and shows it to who may start `agentctl log`."""
    mine = directory(lab, ".mine")
    plain = put(mine + "/plain.yaml", PLAIN)
    env = " ".join("%s=%s" % i for i in SUDO.items())
    do = "env %s %s" % (env, AGENTCTL)
    r = beside(lab, "true", ["sh", "-exc", "%s run -p %s -- id -u; stat -c '%%u %%a' /var/log/agentfw /var/log/agentfw/*\n"
                             "%s log; %s log --log-dir /var/log/agentfw; ! %s log --log-dir /var/log/agentfw/../agentfw"
                             % (do, plain, do, do, do)])
    check(r.rc == 0 and r.out.startswith("65534\n0 700\n0 600\n0 600\n") and r.out.count("fence_ended") == 2, r.tell())
    # below it only a policy of root's may choose
    r = beside(lab, "true", ["sh", "-xc", "%s run -p %s --log-dir /var/log/agentfw/x -- id -u; test ! -e /var/log/agentfw" %
                             (do, plain)])
    check(r.rc == 0 and "65534" not in r.out, r.tell())
    write = "printf '%s' >/etc/agentfw/p.yaml" % (PLAIN + "audit: {dir: /var/log/agentfw/x}\n").replace("\n", "\\n")
    r = beside(lab, write, ["sh", "-exc", "%s run -p /etc/agentfw/p.yaml -- id -u; ls /var/log/agentfw/x; "
                            "%s log -p /etc/agentfw/p.yaml" % (do, do)])
    check(r.rc == 0 and "events.jsonl" in r.out and "fence_ended" in r.out, r.tell())


def test_log_dir_sticky(lab):
    """In a sticky directory others make the files before us."""
    mark, cmd = marked(lab)
    where = directory(lab, ".open", 0, 0o1777)
    nothing_starts(lab, lab.run(L.policy("api.allowed.test"), cmd, log_dir=where), mark)
    check(os.listdir(where) == [], os.listdir(where))


def test_one_record_by_two_names(lab):
    """One directory is one record, whatever it is called."""
    base = directory(lab, ".base", 0)
    os.symlink(base, base + ".link")
    h = lab.start(L.policy("api.allowed.test"), L.WAIT, log_dir=base + "/log")
    for name in (base + "/./log", base + "//log/", base + ".link/log"):
        r = lab.run(L.policy("api.allowed.test"), ["/bin/true"], log_dir=name)
        check(r.rc == 0, name, r.tell())
    h.stop(signal.SIGTERM)
    actions = [e["event"]["action"] for e in r.lines()]
    check(actions.count("fence_ended") == 4, actions)


def test_huge_capture(lab):
    """A capture of eight terabytes, of holes: neither its owner nor anybody else waits."""
    mine = directory(lab, ".mine")
    plain, log = put(mine + "/plain.yaml", PLAIN), mine + "/log"
    r = run(lab, plain, log)
    check(r.rc == 0, r.tell())
    with open(log + "/denied.pcap", "r+b") as f:
        f.truncate(8 << 40)
    r = run(lab, plain, log, timeout=15)
    check(r.rc == 0 and r.ms < 10000, r.tell())
    check(os.path.getsize(log + "/denied.pcap") == 24, os.path.getsize(log + "/denied.pcap"))
    with open(log + "/denied.pcap", "r+b") as f:
        f.seek(8 << 40)
        f.write(b"x")
    r = run(lab, plain, log, timeout=15)
    check(r.rc == 125 and "holes" in r.err and r.ms < 10000, r.tell())


def test_large_capture(lab):
    """The packets of a large one are counted by whose it is, and not by the daemon, which everybody waits for."""
    mine = directory(lab, ".mine")
    plain, log = put(mine + "/plain.yaml", PLAIN), mine + "/log"
    check(run(lab, plain, log).rc == 0)
    n = 64 << 10
    with open(log + "/denied.pcap", "ab") as f:
        f.write((struct.pack("=IIII", 1, 0, 1000, 1000) + bytes(1000)) * n + struct.pack("=IIII", 1, 0, 1000, 1000) + b"torn")
    h = lab.start(L.policy("api.allowed.test"), L.WAIT)
    daemon, = lab.daemons(engine=False)

    def read():
        return int(re.search(r"rchar: (\d+)", open("/proc/%d/io" % daemon).read()).group(1))
    before = read()
    r = run(lab, plain, log, cmd=["/usr/bin/curl", "-sS", "http://192.0.2.1/"])
    check(r.rc not in (0, 125) and lab.daemons(engine=False) == [daemon], r.tell())
    check(read() - before < 16 << 20, "the daemon read", read() - before)
    events = [json.loads(l) for l in open(log + "/events.jsonl")]
    numbers = [e["agentfw"]["capture"]["packet"] for e in events if e["event"]["action"] == "denied"]
    check(numbers and numbers[0] == n + 1, numbers)
    h.stop(signal.SIGTERM)
    with open(log + "/denied.pcap", "r+b") as f:  # the count stands beside it, up to the end of the run
        f.seek(24)
        f.write(bytes(64))
    r = run(lab, plain, log, cmd=["/usr/bin/curl", "-sS", "http://192.0.2.1/"])
    events = [json.loads(l) for l in open(log + "/events.jsonl")]
    again = [e["agentfw"]["capture"]["packet"] for e in events if e["event"]["action"] == "denied"][len(numbers):]
    check(r.rc not in (0, 125) and again and again[0] == numbers[-1] + 1, numbers, again)


# ---- what a policy may say -----------------------------------------------------------------------

def test_user_of_root(lab):
    """`user: root` is root's word: of a file that only root can write, in a place that only root can change."""
    mine, roots = directory(lab, ".mine"), directory(lab, ".roots", 0)
    log = mine + "/log"
    for path in (put(mine + "/p.yaml", ROOTS), put(roots + "/theirs.yaml", ROOTS),
                 put(roots + "/group.yaml", ROOTS, 0, 0o644), put(roots + "/all.yaml", ROOTS, 0, 0o646),
                 put(mine + "/roots.yaml", ROOTS, 0)):
        if path.endswith("group.yaml"):
            os.chown(path, 0, NOBODY)
            os.chmod(path, 0o664)
        r = run(lab, path, log)
        check(r.rc == 125 and r.out == "" and "user: 'root'" in r.err, path, r.tell())
    r = run(lab, put(mine + "/p.yaml", ROOTS.replace("root", "daemon")), log)
    check(r.rc == 125 and r.out == "", r.tell())
    r = run(lab, put(mine + "/p.yaml", ROOTS.replace("root", "nobody")), log)
    check(r.rc == 0 and r.out == "65534\n", r.tell())
    r = run(lab, put(roots + "/p.yaml", ROOTS, 0), None)
    good = roots + "/p.yaml"
    os.symlink(good, mine + "/link.yaml")
    for path in (good, mine + "/link.yaml"):
        r = run(lab, path, None)
        check(r.rc == 0 and r.out == "0\n", r.tell())
    # root in person needs none of that
    r = lab.bare([AGENTCTL, "run", "-p", put(mine + "/p.yaml", ROOTS), "--log-dir", log + "2", "--", *ID])
    check(r.rc == 0 and r.out == "0\n", r.tell())


def test_user_of_root_as_it_says(lab):
    """What runs as root runs as the policy says: recorded there, and not in audit mode."""
    mine, roots = directory(lab, ".mine"), directory(lab, ".roots", 0)
    path = put(roots + "/p.yaml", ROOTS, 0)
    for more in (["--audit"], ["--log-dir", mine + "/log"]):
        r = run(lab, path, None, *more)
        check(r.rc == 125 and r.out == "" and "no " + more[0] in r.err, r.tell())
    tools = put(roots + "/t.yaml", PLAIN + "tools:\n  t: {command: [/usr/bin/id], exec: [/usr/bin/id], user: root}\n", 0)
    r = sudo(lab, "tool", "-p", tools, "--log-dir", mine + "/log", "t")
    check(r.rc == 125 and "no --log-dir" in r.err, r.tell())
    r = run(lab, put(roots + "/q.yaml", PLAIN, 0), mine + "/log", "--audit")
    check(r.rc == 0 and r.out == "65534\n", r.tell())


def test_options_once(lab):
    """The value of a sudo rule is not replaced by a second one."""
    mine = directory(lab, ".mine")
    plain = put(mine + "/p.yaml", PLAIN)
    for words in (["run", "-p", plain, "-p", plain, "--", "true"], ["run", "-p", plain, "--policy", plain, "--", "true"],
                  ["run", "-p", plain, "--pol=" + plain, "--", "true"], ["run", "-p" + plain, "-p" + plain, "--", "true"],
                  ["run", "--log-dir", mine, "--log-dir", mine, "--", "true"], ["tool", "-p", plain, "-p", plain, "t"],
                  ["log", "--log-dir", mine, "--log-dir", mine], ["why", "a.test", "-p", plain, "-p", plain],
                  ["policy", "learn", "--fence", "a", "--fence", "b"]):
        for env in (SUDO, {}):
            r = lab.bare([AGENTCTL, *words], env=env)
            check(r.rc == 125 and "is given twice" in r.err, words, r.tell())


def test_reach(lab):
    """A box's /tmp is new: nothing comes into it out of directories that the caller cannot enter."""
    mine = directory(lab, ".mine")
    roots = directory(lab, ".closed", 0, 0o700)
    put(roots + "/open", "not for nobody", 0)
    text = PLAIN + "tools:\n  t: {command: [/usr/bin/cat, %s/open], exec: [/usr/bin/cat], read: [%s/open]}\n" % (roots, roots)
    r = sudo(lab, "tool", "-p", put(mine + "/p.yaml", text), "t")
    check(r.rc == 125 and "not for" not in r.out and "cannot reach" in r.err, r.tell())
    r = lab.bare([AGENTCTL, "tool", "-p", mine + "/p.yaml", "t"], env={})
    check("cannot reach" not in r.err, r.tell())
    host = directory(lab, ".host", 0)
    r = sudo(lab, "tool", "-p", put(host + "/p.yaml", text, 0), "t")  # root says so
    check(r.rc == 0 and r.out == "not for nobody", r.tell())


# ---- what is read --------------------------------------------------------------------------------

def secret_file(lab):
    return put(lab.file(".secret"), SECRET + "\n", 0, 0o600)


def test_reads_no_secret(lab):
    """No line of a file that the caller may not read comes out, by whatever command."""
    mine, secret = directory(lab, ".mine"), secret_file(lab)
    link = mine + "/p.yaml"
    os.symlink(secret, link)
    log = directory(lab, ".log")
    os.symlink(secret, log + "/events.jsonl")
    forged = directory(lab, ".forged")
    put(forged + "/events.jsonl", json.dumps({"event": {"action": "would_deny"}, "agentfw": {
        "policy": secret, "code": "no-rule", "endpoint": "https://x.test", "suggest": "  - x.test", "name": "x.test"}}) + "\n")
    for words in (["policy", "check", link], ["policy", "check", secret], ["policy", "show", link], ["why", "a.test", "-p", link],
                  ["run", "-p", link, "--", "true"], ["tool", "-p", link, "t"], ["log", "-p", link], ["log", "--log-dir", log],
                  ["policy", "learn", "--log-dir", log], ["policy", "learn", "--log-dir", forged],
                  ["policy", "learn", "-p", link], ["run", "--dry-run", "-p", link, "--", "true"]):
        r = sudo(lab, *words)
        check(r.rc != 0 and "secret-of" not in r.said, words, r.tell())
    r = sudo(lab, "policy", "check", cwd=mine)
    check("secret-of" not in r.said, r.tell())
    os.unlink(link)
    os.symlink(secret, mine + "/agentfw.yaml")
    r = sudo(lab, "policy", "show", cwd=mine)
    check(r.rc != 0 and "secret-of" not in r.said, r.tell())


def test_default_policy(lab):
    """./agentfw.yaml is opened with the caller's rights, and not through a link."""
    mine, closed = directory(lab, ".mine"), directory(lab, ".closed", 0, 0o700)
    here = put(mine + "/agentfw.yaml", PLAIN)
    r = sudo(lab, "why", "api.allowed.test", cwd=mine)
    check(r.rc == 0, r.tell())
    os.rename(here, mine + "/p.yaml")
    os.symlink("p.yaml", here)
    r = sudo(lab, "why", "api.allowed.test", cwd=mine)
    check(r.rc == 125 and "is not taken: it is a link" in r.err, r.tell())
    os.unlink(here)
    for at, why in ((put(here, PLAIN.replace("api", "hidden"), 0, 0o600), "Permission denied"),
                    (put(closed + "/agentfw.yaml", PLAIN.replace("api", "hidden"), 0), "")):
        r = sudo(lab, "policy", "show", cwd=os.path.dirname(at))
        check("hidden" not in r.said and why in r.err, at, r.tell())
        check(not why or (r.rc == 125 and "env -u SUDO_UID" in r.err), at, r.tell())


def test_policies_of_root(lab):
    """/etc/agentfw is root's, for whom root lets call agentctl; out of it leads no way."""
    secret = secret_file(lab)
    env = " ".join("%s=%s" % i for i in SUDO.items())
    setup = ("printf '%s' >/etc/agentfw/p.yaml && chmod 600 /etc/agentfw/p.yaml && chmod 700 /etc/agentfw && "
             "ln -s %s /etc/agentfw/link" % (ROOTS.replace("\n", "\\n"), secret))
    for path, good in (("/etc/agentfw/p.yaml", True), ("/etc/agentfw/link", False), ("/etc/agentfw/../shadow", False),
                       ("/etc/agentfw/../agentfw/p.yaml", False), ("/etc/agentfw", False), ("/etc/shadow", False)):
        r = beside(lab, setup, ["sh", "-c", "exec env %s %s run -p %s -- id -u" % (env, AGENTCTL, path)])
        check((r.rc, r.out) == (0, "0\n") if good else r.rc == 125 and "secret-of" not in r.said, path, r.tell())


def forged_log(lab, text):
    log = directory(lab, ".log")
    put(log + "/events.jsonl", text)
    return log


def test_log_escapes(lab):
    """What a forged record says stays text: no order to a terminal, nothing that turns the line."""
    bad = "\x1b]52;c;aGk=\x07\x7f\u009b31m\u202e\u2066\u200f"
    def event(action, **more):
        e = {"@timestamp": bad + "2026-01-01T00:00:00Z", "event": {"action": action, "reason": bad, "end": bad, "count": 3},
             "agentfw": {k: bad for k in ("fence", "tool", "command", "endpoint", "code", "right", "suggest", "name")},
             "process": {"name": bad, "pid": 1}, "destination": {"ip": bad}}
        e["agentfw"]["broad"] = [bad]
        e.update(more)
        return json.dumps(e, ensure_ascii=False).replace("\x7f", "\\u007f" if "file" in more else "\x7f") + "\n"
    text = (event(bad) + event("denied") + event("would_deny", dns={"question": {"type": bad}}) + event("denied", file={"path": bad}) +
            event("fence_started") + bad + "\n" + '{"event": 1}\n')
    log = forged_log(lab, text)
    for more in ([], ["--denied"], ["--json"]):
        r = sudo(lab, "log", "--log-dir", log, *more)
        check(r.rc == 0 and len(r.out.splitlines()) >= 3, r.tell())
        wrong = re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", r.out)
        check(not wrong, more, [hex(ord(c)) for c in wrong], r.out[:300])
    said = [json.loads(l) for l in sudo(lab, "log", "--json", "--denied", "--log-dir", log).out.splitlines()]
    check(len(said) == 3 and all(e["event"]["reason"] == bad for e in said), "not the same any more")


def test_log_bounds(lab):
    """A line without end costs what a line may cost; what is no regular file is an error at once."""
    log = forged_log(lab, "")
    good = json.dumps({"event": {"action": "fence_started"}, "agentfw": {"fence": "f", "command": "c"}}) + "\n"
    with open(log + "/events.jsonl", "r+b") as f:
        f.truncate(400 << 20)
        f.seek(0, 2)
        f.write(b"\n" + good.encode())
    code = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:]); "
            "print('used', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r.returncode)")
    for words in (["log", "--log-dir", log], ["policy", "learn", "--log-dir", log]):
        r = lab.bare([L.PYTHON, "-c", code, AGENTCTL, *words], env=SUDO)
        used = int(r.out.split("used ")[1])
        check(used < 100 << 10, words, used, "kB")
        check(words[0] != "log" or "fence_started" in r.out, r.tell())
    os.unlink(log + "/events.jsonl")
    os.mkfifo(log + "/events.jsonl")
    os.chown(log + "/events.jsonl", NOBODY, NOBODY)
    for words in (["log", "--log-dir", log], ["policy", "learn", "--log-dir", log], ["log", "-f", "--log-dir", log]):
        for env in (SUDO, {}):
            r = lab.bare([AGENTCTL, *words], env=env, timeout=5)
            check(r.rc == 125 and "not a regular file" in r.err, words, r.tell())


def test_record_is_no_script(lab):
    """A shell that reads the record as its own runs nothing of the command line in it."""
    mark, _ = marked(lab)
    r = lab.run(L.policy("api.allowed.test"), ["/bin/true", "$(touch %s)" % mark, "`touch %s`" % mark])
    check(r.rc == 0, r.tell())
    subprocess.run(["/bin/bash", r.dir + "/events.jsonl"], capture_output=True)
    check(not os.path.exists(mark), "it ran")
    check(any("touch" in e["agentfw"].get("command", "") for e in r.lines()), r.lines())


# ---- the daemon ----------------------------------------------------------------------------------

def test_run_dir_of_others(lab):
    """Whoever else may write to the run directory could be the daemon."""
    mark, cmd = marked(lab)
    for owner, mode in ((NOBODY, 0o755), (0, 0o777), (0, 0o1777)):
        where = directory(lab, ".run", owner, mode)
        r = lab.run(L.policy("api.allowed.test"), cmd, env={"AGENTFW_RUN_DIR": where})
        nothing_starts(lab, r, mark)
        check("only root can write" in r.err and os.listdir(where) == [], r.tell())
    r = lab.run(L.policy("api.allowed.test"), cmd, env={"AGENTFW_RUN_DIR": directory(lab, ".run", 0)})
    check(r.rc == 0, r.tell())
    lab.wait_clean()  # the next case has another run directory


def test_limits_of_the_starter(lab):
    """Whose command started the daemon gives it no limits: others are served by it."""
    mine = directory(lab, ".mine")
    plain = put(mine + "/plain.yaml", PLAIN)
    lab.wait_clean()
    words = [AGENTCTL, "run", "-p", plain, "--log-dir", mine + "/log", "--", "/bin/true"]
    r = lab.bare(["sh", "-c", "ulimit -S -f 40000; ulimit -S -t 3; exec \"$@\"", "sh", *words], env=SUDO)
    check(r.rc == 0, r.tell())
    for pid in lab.daemons(engine=False):
        limits = {what: resource.prlimit(pid, what)[0] for what in (resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)}
        check(set(limits.values()) == {resource.RLIM_INFINITY}, limits)
    check(lab.daemons(engine=False), "no daemon")


# ---- sudo rules ----------------------------------------------------------------------------------

def by_sudo(lab, rule, policy, argv):
    """nobody calls sudo, with this rule alone; policy is root's /etc/agentfw/x.yaml. Without sudo, as sudo would."""
    if not shutil.which("sudo"):
        commands = re.split("NOPASSWD: |, ", rule)[1:]
        if not any(fnmatch.fnmatchcase(" ".join(argv), c) for c in commands):
            return L.Result(1, "", "", 0, None)
        return beside(lab, "printf '%s' >/etc/agentfw/x.yaml" % policy.replace("\n", "\\n"), argv, env=SUDO)
    setup = ("printf '%%s\\n' '%s' >/etc/sudoers && chown 0:0 /etc/sudoers && chmod 440 /etc/sudoers && printf '%s' >/etc/agentfw/x.yaml"
             % (rule, policy.replace("\n", "\\n")))
    return beside(lab, setup, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sudo", "-n", *argv])


def test_sudo_rules(lab):
    """The rules that agentctl(1) calls safe."""
    root = "Defaults !use_pty\nroot ALL=(ALL) ALL\n"
    mine = directory(lab, ".mine")
    own = put(mine + "/own.yaml", ROOTS)
    any_command = root + "nobody ALL=(root) NOPASSWD: %s run *" % AGENTCTL
    x = "/etc/agentfw/x.yaml"
    one = root + "nobody ALL=(root) NOPASSWD: %s run -p %s -- *" % (AGENTCTL, x)
    r = by_sudo(lab, one, PLAIN, [AGENTCTL, "run", "-p", x, "--", *ID])
    check(r.rc == 0 and r.out == "65534\n", r.tell())
    r = by_sudo(lab, one, ROOTS, [AGENTCTL, "run", "-p", x, "--", *ID])
    check(r.rc == 0 and r.out == "0\n", r.tell())
    os.mkdir(mine + "/ ")
    for argv in ([AGENTCTL, "run", "-p", x, "-p", own, "--", *ID], [AGENTCTL, "run", "-p", own, "--", *ID],
                 [AGENTCTL, "run", "-p", x, "--audit", "--", *ID], [AGENTCTL, "run", "-p %s -- %s" % (x, own), "--", *ID],
                 [AGENTCTL, "run -p %s -- x" % x], [AGENTCTL, "run", "-p", x + " --/../../.." + own, *ID],
                 [AGENTCTL, "run", "-p", "%s --" % x, *ID], [AGENTCTL, "log"]):
        r = by_sudo(lab, one, ROOTS, argv)
        check(r.rc != 0 and r.out == "", argv, r.tell())
    fetch = PLAIN + "tools:\\n  t: {command: [/bin/echo, \"{text}\"], exec: [/bin/echo]}\\n"
    rule = root + "nobody ALL=(root) NOPASSWD: %s tool -p %s t -- *, %s log *" % (AGENTCTL, x, AGENTCTL)
    r = by_sudo(lab, rule, fetch, [AGENTCTL, "tool", "-p", x, "t", "--", "a value"])
    check(r.rc == 0 and r.out == "a value\n", r.tell())
    secret = secret_file(lab)
    log = directory(lab, ".log")
    os.symlink(secret, log + "/events.jsonl")
    for argv in ([AGENTCTL, "tool", "-p", x, "t", "-p", own, "--", "v"], [AGENTCTL, "tool", "-p", own, "t", "--", "v"],
                 [AGENTCTL, "log", "--log-dir", log], [AGENTCTL, "log", "-p", secret]):
        r = by_sudo(lab, rule, fetch, argv)
        check(r.rc != 0 and r.out == "" and "secret-of" not in r.said, argv, r.tell())
    for argv in ([AGENTCTL, "run", "-p", own, "--", *ID], [AGENTCTL, "run", "-p", x, "-p", own, "--", *ID],
                 [AGENTCTL, "run", "-p", x, "--audit", "--", *ID], [AGENTCTL, "run", "-p", x, "--log-dir", mine + "/log", "--", *ID]):
        r = by_sudo(lab, any_command, ROOTS, argv)
        check(r.rc != 0 and r.out == "", argv, r.tell())
