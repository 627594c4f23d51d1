"""Life: deaths, ends, signals, leftovers; immunity rows 24 to 26 as far as a person meets them.

Processes are ended by their pid, and only those of this test's own network namespace.
"""
import json
import os
import signal
import socket
import subprocess
import threading
import time

import lab as L
import topo
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy(NAME)


def sender(lab, to, port, tok, pol=POLICY, **kw):
    """A fence in which new connections and datagrams with the token are tried all the time."""
    return lab.start(pol, lab.attack("stream", to=to, port=port, token=tok, seconds=60, **kw))


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
    hs = [sender(lab, topo.EVIL4, 9000, toks[0]), sender(lab, topo.EVIL6, 9000, toks[1]),
          sender(lab, topo.ALLOWED4, 443, toks[2], sni="evil.test")]
    for _ in range(3):
        pids = lab.daemons(engine=engine)
        if not pids:
            break
        for h in hs:
            if h.p.poll() is None:
                h.text = ""
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            time.sleep(0.1)
        for tok in toks:
            lab.absent(tok, "after kill -9 of the %s" % ("engine" if engine else "parent"))
    return toks, hs


def test_row24_kill_engine(lab):
    toks, hs = kill_and_look(lab, True)
    for tok in toks:
        lab.absent(tok)
    L.wait_for(lambda: lab.daemons(engine=True), 5, "the engine was not started again")
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
    code = """
import sys, urllib.request, socket
print('READY', flush=True)
for line in sys.stdin:
    try: a = urllib.request.urlopen('https://%s/', timeout=3).status
    except OSError as e: a = str(e)
    try: socket.create_connection(('%s', 9000), 2); b = 'open'
    except OSError as e: b = str(e)
    print('TRY', a, b, flush=True)
""" % (NAME, topo.EVIL4)
    h = lab.start(POLICY, [L.PYTHON, "-c", code])
    h.send("x")
    h.expect("TRY 200")
    check("refused" in h.text.lower(), h.text)
    for pid in lab.daemons(engine=True):
        os.kill(pid, signal.SIGKILL)
    L.wait_for(lambda: lab.daemons(engine=True), 5, "the engine was not started again")
    end = time.monotonic() + 15
    while True:
        h.text = ""
        h.send("x")
        h.expect("\n", 15)
        if "TRY 200" in h.text and "refused" in h.text.lower():
            break
        check("open" not in h.text, h.text)
        check(time.monotonic() < end, "the fence does not recover:", h.text)
    h.stop()


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
    h = sender(lab, topo.EVIL4, 9000, tok)
    for pid in lab.daemons():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    time.sleep(1)
    lab.absent(tok)
    h.stop()
    lab.absent(tok)
    r = lab.run(POLICY, ["/usr/bin/curl", "-sS", "--max-time", "5", "https://%s/" % NAME])
    check(r.rc == 0, r.tell())
    lab.wait_clean()


def test_row24_stop_engine(lab):
    """SIGSTOP: packets wait or fall, none gets out."""
    tok = L.token()
    h = sender(lab, topo.ALLOWED4, 443, tok, sni="evil.test")
    engines = lab.daemons(engine=True)
    check(engines, "no engine")
    for pid in engines:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(0.7)
    lab.absent(tok, "while the engine is stopped")
    for pid in engines:
        os.kill(pid, signal.SIGCONT)
    time.sleep(0.3)
    lab.absent(tok, "after it goes on")
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
    h = sender(lab, topo.EVIL4, 9000, tok)
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
        os.kill(pid, signal.SIGKILL)
    h.text = ""
    h.send(tok2)
    h.expect("SENT", 10)
    lab.arrives(tok2)
    h.stop()


def test_row25_link_down(lab):
    """The link goes and comes back: still fenced."""
    tok = L.token()
    h = sender(lab, topo.EVIL4, 9000, tok)
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
    code = """
import sys, urllib.request, json
print('READY', flush=True)
for line in sys.stdin:
    out = []
    for name in ('api.allowed.test', 'other.test'):
        try: out.append(urllib.request.urlopen('https://%s/' % name, timeout=3).status)
        except OSError as e: out.append(0); print(name, e)
    print('GOT', out, flush=True)
"""
    a = lab.start(L.policy(NAME), [L.PYTHON, "-c", code])
    b = lab.start(L.policy("other.test"), [L.PYTHON, "-c", code])
    for _ in range(2):
        for h, want in ((a, "GOT [200, 0]"), (b, "GOT [0, 200]")):
            h.text = ""
            h.send("x")
            h.expect("GOT")
            h.expect("\n")
            check(want in h.text, "wanted", want, "got", h.text)
    check(a.cgroup() != b.cgroup(), "one cgroup for two")
    ra = a.result()
    rb = b.result()
    for r, refused in ((ra, "other.test"), (rb, NAME)):
        names = {e["agentfw"]["name"] for e in r.events()}
        check(names == {refused}, "refused names", names, "wanted", refused)


def test_learned_is_not_shared(lab):
    """What one fence has learned opens nothing for another."""
    a = lab.start(L.policy(NAME), [L.PYTHON, "-c", "import socket, time\nsocket.getaddrinfo('%s', 443)\n"
                                   "print('READY', flush=True)\ntime.sleep(60)" % NAME])
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


def test_nothing_left(lab):
    h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
    check(lab.daemons() and "agentfw" in lab.rules(), "no daemon, no table:", lab.daemons(), lab.rules())
    cg = h.cgroup()
    r = h.result()
    check(r.rc in (0, 1), r.tell())
    L.wait_for(lambda: not os.path.exists(cg), 5, "the cgroup is still there: " + cg)
    lab.wait_clean()


def test_idle_daemon_goes(lab):
    lab.run(POLICY, ["/bin/true"])
    L.wait_for(lambda: not lab.daemons(), 15, "agentfwd stays without a fence")
    lab.wait_clean()


def test_exit_status(lab):
    for cmd, want in ((["/bin/sh", "-c", "exit 0"], 0), (["/bin/sh", "-c", "exit 7"], 7), (["/bin/sh", "-c", "exit 255"], 255),
                      (["/bin/sh", "-c", "exit 125"], 125), (["/no/such/program"], 127), (["/etc/passwd"], 126),
                      (["/bin/sh", "-c", "kill -9 $$"], 137), (["/bin/sh", "-c", "kill -15 $$"], 143)):
        r = lab.run(POLICY, cmd)
        got = r.rc if r.rc >= 0 else 128 - r.rc
        check(got == want, cmd, "status", r.rc, "wanted", want, r.tell())


def test_standard_streams(lab):
    r = lab.run(POLICY, ["/bin/sh", "-c", "cat; echo to stderr >&2"], stdin="through the pipe\n")
    check(r.out == "through the pipe\n" and "to stderr" in r.err, r.tell())


def test_signals_pass(lab):
    for sig, word in ((signal.SIGTERM, "TERM"), (signal.SIGINT, "INT"), (signal.SIGHUP, "HUP"), (signal.SIGUSR1, "USR1")):
        h = lab.start(POLICY, ["/bin/sh", "-c", "trap 'echo GOT; exit 9' %s; echo READY; while :; do sleep 0.05; done" % word])
        os.kill(h.ctl_pid(), sig)
        r = h.result()
        check("GOT" in r.out and r.rc == 9, word, r.tell())


def test_signal_death(lab):
    h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; exec sleep 60"])
    os.kill(h.ctl_pid(), signal.SIGTERM)
    r = h.result()
    check(r.rc in (143, -15), "status", r.rc)
    lab.wait_clean()


def test_kill_agentctl(lab):
    """kill -9 of agentctl: its command dies, the fence goes."""
    tok = L.token()
    h = sender(lab, topo.EVIL4, 9000, tok)
    cg = h.cgroup()
    pids = L.Running._members(cg)
    check(pids)
    os.kill(h.ctl_pid(), signal.SIGKILL)
    h.p.wait()
    L.wait_for(lambda: not any(os.path.exists("/proc/%d" % p) and "State:\tZ" not in open("/proc/%d/status" % p).read()
                               for p in pids), 5, "the command lives on")
    L.wait_for(lambda: not os.path.exists(cg), 5, "the cgroup is still there")
    lab.absent(tok)
    lab.wait_clean()


def test_background_processes_die(lab):
    """What the command leaves behind dies with the fence, daemonised or not."""
    tok = L.token()
    send = "exec 3<>/dev/udp/%s/9999; while :; do printf %%s %s >&3; sleep 0.02; done" % (topo.EVIL4, tok)
    for how in ("(%s) & echo $!" % send, "setsid /bin/bash -c '%s' >/dev/null 2>&1 </dev/null & echo $!" % send,
                "nohup /bin/bash -c '%s' >/dev/null 2>&1 </dev/null & echo $!; disown -a" % send):
        r = lab.run(POLICY, ["/bin/bash", "-c", "%s; sleep 0.2" % how], timeout=15)
        check(r.rc == 0, r.tell())
        lab.absent(tok)
        L.wait_for(lambda: not [p for p in lab.netns_pids() if p not in lab.daemons()], 5,
                   lambda: "still running: %s" % lab.left_over())
    lab.absent(tok)


def test_no_leak_after_the_end(lab):
    """What lies in a socket's buffer when the agent goes does not leak when the fence is taken down."""
    for half in (0, 1):
        for to in (topo.ALLOWED4, topo.ALLOWED6):
            args = dict(to=to, port=443, sni=NAME, evil="evil.test", half=half)
            lab.works_bare("queued", L.token(), **args)
            tok = L.token()
            lab.run(POLICY, [L.PYTHON, "-c", """
import socket, os, sys
socket.getaddrinfo('%s', 443)
os.execv(sys.argv[1], sys.argv[1:])
""" % NAME] + lab.attack("queued", token=tok, **args))
            lab.absent(tok, "right after the end")
            deadline = time.monotonic() + 2.5  # TCP sends again after 0.2, 0.4, 0.8 … s
            while time.monotonic() < deadline:
                lab.absent(tok, "retransmitted after the end")
                time.sleep(0.3)


def test_no_leak_after_the_end_of_a_held_flow(lab):
    """The same with the connection still open in a killed process."""
    tok = L.token()
    code = """
import socket, time, sys
sys.path.insert(0, %r)
import wire
socket.getaddrinfo(%r, 443)
s = socket.create_connection((%r, 443))
s.sendall(wire.client_hello(%r, b'%s')[:130])
print('READY', flush=True)
time.sleep(60)
""" % (L.HERE, NAME, topo.ALLOWED4, NAME, tok)
    h = lab.start(POLICY, [L.PYTHON, "-c", code])
    lab.absent(tok, "half a hello")
    h.stop(signal.SIGKILL)
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:
        lab.absent(tok, "after the end")
        time.sleep(0.3)


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
    h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; sleep 60"])
    r = lab.bare([L.AGENTCTL, "status", "--json"])
    check(r.rc == 0, r.tell())
    doc = json.loads(r.out)
    check(os.path.basename(h.cgroup()) in json.dumps(doc), doc)
    h.stop()


def test_status_of_many(lab):
    """However many fences there are, and however long their commands: none is left out."""
    many = [lab.start(POLICY, ["/bin/sh", "-c", "echo READY; sleep 60", "\x01" * 800]) for _ in range(66)]
    try:
        fences = json.loads(lab.bare([L.AGENTCTL, "status", "--json"]).out)["fences"]
        lines = lab.bare([L.AGENTCTL, "status"]).out.splitlines()
        for h in many:
            name = os.path.basename(h.cgroup())
            check([f["name"] for f in fences].count(name) == 1, name, fences)
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


def test_ended_fences_are_forgotten(lab):
    """The rules do not grow with the fences that were."""
    keep = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
    lines = lambda: len(lab.bare(["nft", "list", "ruleset"]).out.splitlines())
    check(lab.run(POLICY, ["/bin/true"]).rc == 0)
    before = lines()
    for _ in range(10):
        check(lab.run(POLICY, ["/bin/true"]).rc == 0)
    check(lines() == before, before, "lines, and then", lines())
    keep.stop()


def test_the_directory_of_cgroups_goes(lab):
    """A daemon of another network namespace takes it along while this one starts."""
    lab.wait_clean()
    over = threading.Event()

    def take():
        while not over.is_set():
            L.remove_cgroups()
    thread = threading.Thread(target=take)
    thread.start()
    try:
        for _ in range(10):
            p = subprocess.Popen(lab.enter() + [os.path.join(L.BUILD, "agentfwd")], stderr=subprocess.PIPE, text=True, env=lab.env())
            time.sleep(0.2)
            p.terminate()
            said = p.communicate(timeout=10)[1]
            check(p.returncode == 0 and not said, p.returncode, said)
    finally:
        over.set()
        thread.join()


def test_descriptors_under_way(lab):
    """They are counted by user, and the engine's is not its own: others of his may have used them all up."""
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


def test_handed_on_sockets_are_destroyed(lab):
    """Of several fences that end together, and of no other."""
    listen = """
import socket, sys
s = [socket.socket(f) for f in (socket.AF_INET, socket.AF_INET6)]
for x in s: x.listen()
"""
    code = listen + "socket.send_fds(socket.socket(fileno=0), [b'here'], [x.fileno() for x in s])"
    keep = lab.start(POLICY, [L.PYTHON, "-c", listen + """
print("READY", flush=True); sys.stdin.readline()
print("STATES", [x.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] for x in s], flush=True); sys.stdin.readline()
"""])
    state = lambda s: s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    runs, passed = [], []
    for _ in range(5):
        here, there = socket.socketpair()
        _, argv = lab.argv(POLICY, [L.PYTHON, "-c", code])
        runs.append((here, subprocess.Popen(argv, stdin=there, env=lab.env(), cwd="/")))
        there.close()
    for here, p in runs:
        passed += [socket.socket(fileno=fd) for fd in socket.recv_fds(here, 100, 2)[1]]
        p.wait(15)
    check(len(passed) == 10, passed)
    L.wait_for(lambda: all(state(s) == 7 for s in passed), 3, lambda: [state(s) for s in passed])
    keep.send("")
    keep.expect("STATES [10, 10]")
    for s in passed:
        s.close()
    keep.stop()


def test_sockets_that_outlive_their_fence(lab):
    """Whoever was handed one, from inside another fence too, gets nothing out. One that is not bound to anything yet is
    in no list of sockets."""
    keep = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
    code = """
import socket
s = [socket.socket(f, t) for f in (socket.AF_INET, socket.AF_INET6)
     for t in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_DGRAM)]
s[2].bind(("", 0))
s[5].bind(("", 0))
socket.send_fds(socket.socket(fileno=0), [b"here"], [x.fileno() for x in s])
"""
    here, there = socket.socketpair()
    _, argv = lab.argv(POLICY, [L.PYTHON, "-c", code])
    p = subprocess.Popen(argv, stdin=there, env=lab.env(), cwd="/")
    there.close()
    _, fds, _, _ = socket.recv_fds(here, 100, 6)
    p.wait(15)
    here.close()
    passed = [socket.socket(fileno=fd) for fd in fds]
    check(len(passed) == 6, fds)
    time.sleep(1)
    toks = [L.token() for _ in passed]
    for s, tok in zip(passed, toks):
        s.settimeout(1)
        start = time.monotonic()
        try:
            s.connect((topo.EVIL4 if s.family == socket.AF_INET else topo.EVIL6, 9000))
            s.send(tok.encode())
        except OSError:
            pass
        check(time.monotonic() - start < 0.5, "the refusal is slow", s)
    time.sleep(0.5)
    for s, tok in zip(passed, toks):
        lab.absent(tok, (s.family, s.type))
        s.close()
    keep.stop()
