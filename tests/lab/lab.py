# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test holds in its hand: the three namespaces, the far end, and ways to run things."""
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import servers
import topo
import wire
from agents import PYTHON, WAIT  # noqa: F401
from checks import (FAST_MS, Skip, Slow, check, comes, fast, need, need_program, stays, token, until)  # noqa: F401
from processes import (CGROOTS, ancestors, cgroups, cgroups_of, command_line, gone, in_call, kill, members,  # noqa: F401
                       opened_by, remove_cgroups, state)

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
AGENTCTL = os.path.join(BUILD, "agentctl")
CURL, SHELL = "/usr/bin/curl", "/bin/sh"



def policy(*egress, deny=(), dns=None, user="nobody", extra="", hosts=None):
    """A policy file's text. egress: endpoint texts, or (endpoint, addresses) pairs."""
    lines = ["version: 1", "egress:" if egress else "egress: []"]
    for e in egress:
        if isinstance(e, tuple):
            lines += ["  - to: \"%s\"" % e[0], "    addresses: [%s]" % ", ".join('"%s"' % a for a in e[1])]
        else:
            lines.append("  - \"%s\"" % e)
    if deny:
        lines.append("deny:")
        lines += ["  - \"%s\"" % d for d in deny]
    lines += ["dns:", "  servers: [\"%s\"]" % (dns or topo.DNS4)]
    if hosts:
        lines.append("  hosts: {%s}" % ", ".join('"%s": "%s"' % h for h in hosts.items()))
    lines += ["agent: {user: %s}" % user]
    return "\n".join(lines) + "\n" + extra


class Result:
    def __init__(self, rc, out, err, ms, log_dir):
        self.rc, self.out, self.err, self.ms, self.dir = rc, out, err, ms, log_dir

    @property
    def said(self):
        return self.out + self.err

    def json(self):
        """The last line that is a JSON object: what attack.py reports."""
        for line in reversed(self.out.splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        raise AssertionError("no report (exit %s): %s" % (self.rc, self.said.strip()[-600:]))

    def lines(self):
        path = os.path.join(self.dir, "events.jsonl")
        if not os.path.exists(path):
            return []
        return [json.loads(l) for l in open(path) if l.strip()]

    def events(self, *, text=None, action=None, code=None):
        """Audit events about refused attempts whose line has text in it."""
        out = []
        for e in self.lines():
            if e["event"].get("kind", "event") != "event":
                continue
            if action and e["event"]["action"] != action:
                continue
            if code and e["agentfw"]["code"] not in ((code,) if isinstance(code, str) else code):
                continue
            if text and text.lower() not in json.dumps(e).lower():
                continue
            out.append(e)
        return out

    def files(self):
        """Events about files."""
        return [e for e in self.events() if e["event"]["category"] == ["file"]]

    def event(self, **kw):
        found = self.events(**kw)
        check(found, "no audit event with", kw, "; there are:",
              [(e["agentfw"]["code"], e["agentfw"].get("endpoint"), e["agentfw"].get("name"))
               for e in self.events()][:12], "exit", self.rc, self.said.strip()[-400:])
        return found[0]

    def packets(self):
        path = os.path.join(self.dir, "denied.pcap")
        return wire.read_pcap(path) if os.path.exists(path) else []

    def tell(self):
        return "exit %s: %s" % (self.rc, self.said.strip()[-800:])


def check_event(r, e, exe=None, address=None, port=None, command=None, transport=None, packet=True):
    """One audit event says who, what, and where its packet is; the packet is whole and right."""
    a = e["agentfw"]
    check(e["event"]["action"] in ("denied", "would_deny"), "action", e["event"])
    check(e["event"].get("reason"), "no reason in", e)
    check(a.get("code") and a.get("name" if "dns" in e else "endpoint") and a.get("fence"), "code, endpoint, fence missing in", a)
    if address:
        check(address in (e.get("destination", {}).get("ip"), None) or address in json.dumps(e),
              "not about", address, e)
    if port:
        check(e["destination"]["port"] == port, "port", e["destination"])
    if transport:
        check(e["network"]["transport"] == transport, "transport", e["network"])
    if exe:
        check(a.get("attribution") == "exact", "attribution:", a.get("attribution"), e.get("process"))
        got = e.get("process", {}).get("executable") or ""
        check(os.path.realpath(got) == os.path.realpath(exe), "executable", got, "is not", exe)
    if command:
        check(command in (e.get("process", {}).get("command_line") or ""), "command line",
              e.get("process"), "has no", command)
    check(a.get("suggest"), "no suggested rule in", a)
    if packet:
        check_packet(r, e)


def check_packet(r, e):
    c = e["agentfw"].get("capture")
    check(c and c.get("packet"), "no packet number in", e["agentfw"])
    packets = r.packets()
    check(1 <= c["packet"] <= len(packets), "packet", c["packet"], "of", len(packets))
    pkt = packets[c["packet"] - 1]
    ip = wire.parse_ip(pkt)
    check(ip, "packet", c["packet"], "is not IP:", pkt[:40].hex())
    want = e.get("destination", {}).get("ip")
    if want:
        check(ip[1] == want, "packet", c["packet"], "goes to", ip[1], "the event says", want)
    for i, p in enumerate(packets):
        check(wire.checksum_ok(p) is not False, "packet", i + 1, "has a wrong checksum", p[:60].hex())


def tcpdump_clean(r):
    path = os.path.join(r.dir, "denied.pcap")
    out = subprocess.run(["tcpdump", "-nvv", "-r", path], capture_output=True, text=True)
    check(out.returncode == 0, "tcpdump:", out.stderr)
    bad = [l for l in out.stdout.splitlines() if re.search(r"incorrect|bad[ -](udp )?(cksum|len)", l)]
    check(not bad, "tcpdump finds", bad[:3])


class Lab:
    """One per worker process, for one test after the other."""

    def __init__(self, pki, docroot):
        self.net = topo.Topology()
        self.pki = pki
        self.rec = servers.Recorder(self.net)
        self.far = servers.FarEnd(self.net, self.rec, pki, docroot)
        self.tmp = tempfile.mkdtemp(prefix="afwt-")
        os.chmod(self.tmp, 0o755)
        self.n = 0
        self.held = []
        self.walled = True
        self.reset()

    def reset(self):
        """A new zone and an empty record for the next test."""
        for h in self.held:
            h.stop()
        self.held = []
        self.daemon(True)
        z = self.far.zone = servers.Zone()
        z.set("api.allowed.test", topo.ALLOWED4, topo.ALLOWED6)
        z.set("shared.test", topo.ALLOWED4, topo.ALLOWED6)
        z.set("other.test", topo.OTHER4, topo.OTHER6)
        z.set("*.cdn.test", topo.OTHER4, topo.OTHER6)
        z.set("cdn.test", topo.OTHER4, topo.OTHER6)
        z.set("evil.test", topo.EVIL4, topo.EVIL6)
        z.set("*.evil.test", topo.EVIL4, topo.EVIL6)
        for n in ("pypi.test", "npm.test", "git.test", "db.test"):
            z.set(n, topo.ALLOWED4, topo.ALLOWED6)
        with self.rec.lock:
            self.rec.flows.clear()
            self.rec.segments.clear()
            self.rec.barriers.clear()
        self.far.requests.clear()
        self.far.accepted.clear()
        self.far.snis.clear()

    @property
    def zone(self):
        return self.far.zone

    def close(self):
        for h in self.held:
            h.stop()
        self.far.close()
        self.rec.close()
        self.net.remove()
        shutil.rmtree(self.tmp, ignore_errors=True)

    def env(self):
        home = os.path.join(self.tmp, "home")
        if not os.path.isdir(home):
            os.makedirs(home)
            os.chmod(home, 0o1777)
        e = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home, "LANG": "C.UTF-8",
             "TMPDIR": "/tmp"}
        for k in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "PIP_CERT",
                  "REQUESTS_CA_BUNDLE", "npm_config_cafile"):
            e[k] = self.pki.ca
        if "AGENTFW_RUN_DIR" in os.environ:
            e["AGENTFW_RUN_DIR"] = os.environ["AGENTFW_RUN_DIR"]
        return e

    def enter(self, ns=None):
        return ["nsenter", "--net=" + self.net.path(ns or self.net.agent)]

    def file(self, suffix, text=None):
        self.n += 1
        path = os.path.join(self.tmp, "%d%s" % (self.n, suffix))
        if text is not None:
            with open(path, "w") as f:
                f.write(text)
        return path

    def _call(self, argv, timeout, log_dir=None, stdin=None, env=None, cwd="/"):
        start = time.monotonic()
        p = subprocess.Popen(argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                             env=dict(self.env(), **(env or {})), cwd=cwd, start_new_session=True)
        try:
            out, err = p.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            out, err = p.communicate()
            raise AssertionError("no end within %d s: %s\n%s" % (timeout, " ".join(argv), (out + err)[-800:]))
        return Result(p.returncode, out, err, (time.monotonic() - start) * 1000, log_dir)

    def bare(self, cmd, timeout=20, **kw):
        """In the agent's namespace, outside of any fence."""
        return self._call(self.enter() + list(cmd), timeout, **kw)

    def need_product(self):
        need(os.access(AGENTCTL, os.X_OK), "no %s" % AGENTCTL)

    def daemon(self, walled):
        """The next fence's daemon is one with the socket wall, or one that could not have it."""
        if walled != self.walled:
            for pid in self.daemons(engine=False):
                os.kill(pid, signal.SIGTERM)
            until(lambda: not self.daemons(), 10, "a daemon does not end")
        self.walled = walled

    def argv(self, pol, cmd, options=(), log_dir=None, wall=True):
        """wall=False: as on a kernel without cgroup BPF, so that the rules stand alone."""
        self.need_product()
        self.daemon(wall)
        if not wall:
            pol = re.sub(r"^agent: {user: \w+", r"\g<0>, best_effort: true", pol, flags=re.M)
        path = pol if pol.startswith("/") else self.file(".yaml", pol)
        log_dir = log_dir or self.file(".log")
        nobpf = [] if wall else [PYTHON, os.path.join(HERE, "nosys.py"), "321"]
        return log_dir, self.enter() + nobpf + [AGENTCTL, "run", "-p", path, "--log-dir", log_dir, *options, "--",
                                        *cmd]

    def run(self, pol, cmd, timeout=20, options=(), log_dir=None, wall=True, **kw):
        """agentctl run: the fence and the sandbox."""
        log_dir, argv = self.argv(pol, cmd, options, log_dir, wall)
        return self._call(argv, timeout, log_dir, **kw)

    def start(self, pol, cmd, options=(), log_dir=None, env=None, wait="READY", wall=True):
        """agentctl run in the background; returns when it has printed a line with `wait` in it."""
        log_dir, argv = self.argv(pol, cmd, options, log_dir, wall)
        h = Running(self, argv, log_dir, wait, env)
        self.held.append(h)
        return h

    def attack(self, name, /, **kw):
        """The command that runs one function of attack.py."""
        return [PYTHON, os.path.join(HERE, "attack.py"), name] + ["%s=%s" % i for i in kw.items()]

    def joining(self, cgroup, cmd, timeout=20):
        """A command of attack(), as root without the sandbox, but in this cgroup."""
        return self._call(self.enter() + cmd[:2] + ["--cgroup", cgroup] + list(cmd[2:]), timeout)

    def in_cgroup(self, pol, cmd, timeout=20):
        """As far as the rules of a new fence."""
        h = self.start(pol, WAIT, wall=False)
        r = self.joining(h.cgroup(), cmd, timeout)
        h.stop(signal.SIGTERM)
        r.dir = h.dir
        return r

    def netns_pids(self):
        out = subprocess.run(["ip", "netns", "pids", self.net.agent], capture_output=True, text=True).stdout
        return {int(p) for p in out.split()} - {os.getpid()}

    def daemons(self, engine=None, role=None):
        """Pids of agentfwd in the agent's namespace: engines, parents, those of a role, or all."""
        role = "engine" if engine else "parent" if engine is False else role
        found = []
        for pid in self.netns_pids():
            try:
                argv = open("/proc/%d/cmdline" % pid, "rb").read().split(b"\0")
            except OSError:
                continue
            if not os.path.basename(argv[0]).startswith(b"agentfwd"):
                continue
            roles = [r for r in ("engine", "gate", "asker") if b"--" + r.encode() in argv] or ["parent"]
            if role is None or role in roles:
                found.append(pid)
        return found

    def run_dir(self):
        """The directory of the agent's namespace's daemon."""
        return "%s/net-%d" % (os.environ.get("AGENTFW_RUN_DIR", "/run/agentfw"), os.stat(self.net.path(self.net.agent)).st_ino)

    def rules(self):
        return self.bare(["nft", "list", "tables"]).out

    def status(self):
        """What the daemon says of itself and its fences."""
        return json.loads(self.bare([AGENTCTL, "status", "--json"]).out)

    def left_over(self):
        """Names of what should not be there when nothing runs."""
        left = ["process %d %s" % (p, command) for p in self.netns_pids() if (command := command_line(p)) is not None]
        left += ["table " + l for l in self.rules().splitlines() if "agentfw" in l]
        return left

    def wait_clean(self, seconds=15):
        until(lambda: not self.left_over(), seconds, lambda: "left over: %s" % self.left_over())

    # -- what tests say

    def arrives(self, tok, why=""):
        where = self.rec.saw(tok)
        check(where, "the token should have arrived", why)
        return where

    def absent(self, tok, why=""):
        where = self.rec.saw(tok)
        check(not where, "LEAK: the token arrived by", where, why)

    def none_arrives(self, toks, seconds, why=""):
        """Not by the end of so many seconds, either: the recorder keeps what came meanwhile."""
        time.sleep(seconds)
        for tok in toks:
            self.absent(tok, why)

    def comes_bare(self, tok, what, r):
        until(lambda: self.rec.saw(tok), 3, lambda: "attack %s is harmless without a fence: %s" % (what, r.tell()))

    def works_bare(self, name, tok, /, **kw):
        """The attack must succeed where there is no fence, or it proves nothing."""
        r = self.bare(self.attack(name, token=tok, **kw))
        self.comes_bare(tok, name, r)

    def several(self, calls):
        """One process that does several attacks, each with a token of its own: (tokens, command)."""
        toks = [token() for _ in calls]
        text = json.dumps([[name, dict(args, token=tok)] for (name, args), tok in zip(calls, toks)])
        return toks, self.attack("several", list=text)

    def batch_bare(self, calls, timeout=60):
        """All of them arrive where there is no fence."""
        toks, cmd = self.several(calls)
        r = self.bare(cmd, timeout)
        for call, tok in zip(calls, toks):
            self.comes_bare(tok, call, r)

    def batch(self, pol, calls, timeout=60):
        """None of them arrives under agentctl run: (the run, what each reported)."""
        toks, cmd = self.several(calls)
        r = self.run(pol, cmd, timeout)
        check(r.rc == 0, r.tell())
        for call, tok in zip(calls, toks):
            self.absent(tok, "%s under agentctl run" % (call,))
        return r, r.json()["results"]


class Running:
    def __init__(self, lab, argv, log_dir, wait, env=None):
        self.lab, self.dir, self.text = lab, log_dir, ""
        self.errpath = lab.file(".err")
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=open(self.errpath, "w"), cwd="/", env=dict(lab.env(), **(env or {})),
                                  start_new_session=True)
        if wait:
            self.expect(wait)

    def expect(self, word, seconds=15):
        end = time.monotonic() + seconds
        while word not in self.text:
            if time.monotonic() > end or not self._read(end - time.monotonic()):
                raise AssertionError("waited for %r: exit %s, %s%s" % (
                    word, self.p.poll(), self.text[-300:], open(self.errpath).read()[-600:]))

    def _read(self, seconds):
        """Takes what the run says next; false at its end, and where nothing comes within the seconds."""
        ready = select.poll()
        ready.register(self.p.stdout, select.POLLIN)
        if not ready.poll(max(0, seconds) * 1000):
            return False
        data = os.read(self.p.stdout.fileno(), 65536)
        self.text += data.decode(errors="replace")
        return bool(data)

    def _drain(self):
        while self._read(0):
            pass

    def record(self):
        """The record so far."""
        return Result(0, "", "", 0, self.dir)

    def ctl_pid(self):
        """nsenter execs, so its pid is agentctl's."""
        return self.p.pid

    def send(self, line):
        self.p.stdin.write(line.encode() + b"\n")
        self.p.stdin.flush()

    def cgroup(self):
        """The fence's cgroup: where agentctl's children are."""
        mine = cgroups_of(self.p.pid)
        check(mine, "no cgroup below", CGROOTS, "has a child of agentctl")
        return mine[0]

    def result(self, timeout=15):
        try:
            self.p.stdin.close()
        except OSError:
            pass
        end = time.monotonic() + timeout
        while self.p.poll() is None:
            self._drain()
            check(time.monotonic() < end, "agentctl run does not end")
            time.sleep(0.01)  # for output or for the end, whatever is first
        self._drain()
        return Result(self.p.returncode, self.text, open(self.errpath).read(), 0, self.dir)

    def stop(self, sig=signal.SIGTERM):
        if self.p.poll() is None:
            os.kill(self.p.pid, sig)
            try:
                self.p.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.p.pid, signal.SIGKILL)
                self.p.wait()
        for f in (self.p.stdin, self.p.stdout):
            try:
                f.close()
            except OSError:
                pass
