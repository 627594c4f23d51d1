# SPDX-License-Identifier: GPL-2.0-or-later
"""Who plays beside the daemon: clients, and agentctl run."""
import json
import os
import shutil
import struct
import subprocess
import threading
import time

import lab
import topo
from agents import PYTHON
from hostile.daemon import Found

POLICY = lab.policy("https://api.allowed.test", "udp://203.0.113.30:9000", "localhost:11434")
RUN_SECONDS = 60  # an engine that does not answer costs 18 s, one that stands still 15
# For a queue with packets in it, verdicts that are wanted, and processes to which a refusal can be attributed.
TRAFFIC = """
import socket, time
while True:
    for to in ("203.0.113.20", "203.0.113.10", "127.0.0.1"):
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.setblocking(False)
        t = socket.socket()
        t.setblocking(False)
        for f in (lambda: u.sendto(b"x", (to, 9000)), lambda: t.connect((to, 443)), lambda: u.sendto(b"x", ("127.0.0.1", 53))):
            try:
                f()
            except OSError:
                pass
        time.sleep(0.002)
        u.close()
        t.close()
"""


def check_record(path):
    """Lines of JSON, whole, and whole packets: whatever the engine has written."""
    events, capture = os.path.join(path, "events.jsonl"), os.path.join(path, "denied.pcap")
    if os.path.exists(events):
        with open(events, "rb") as f:
            data = f.read()
        for line in data.splitlines():
            try:
                json.loads(line)
            except ValueError as e:
                raise Found("a line of the record is no JSON: %s: %r" % (e, line[:300]))
        if data and not data.endswith(b"\n"):
            raise Found("the record's last line is torn: %r" % data[-100:])
    if os.path.exists(capture):
        with open(capture, "rb") as f:
            data = f.read()
        at = 24
        while at < len(data):
            at += 16 + struct.unpack_from("=I", data, at + 8)[0] if at + 16 <= len(data) else 1 << 40
        if data and at != len(data):
            raise Found("the capture ends within a packet")


class Players:
    def __init__(self, daemon, args):
        self.daemon, self.args = daemon, args
        self.n, self.procs, self.threads, self.found = 0, [], [], None
        self.over = threading.Event()
        self.policy = os.path.join(daemon.tmp, "policy.yaml")
        with open(self.policy, "w") as f:
            f.write(POLICY)
        self.runs, self.failed = 0, 0

    # -- clients

    def client(self, who, seconds):
        self.n += 1
        argv = [self.daemon.program("hostile_client"), who, str(self.args.seed * 1000 + self.n), str(int(seconds)),
                self.daemon.control(), os.path.join(self.daemon.tmp, "client-%d" % self.n)]
        self.procs.append((who, subprocess.Popen(
            self.daemon.enter() + argv, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", env=self.daemon.env(), preexec_fn=topo.die_with_parent)))

    # -- agentctl run, in turn

    def once(self, command, seconds):
        log = os.path.join(self.daemon.tmp, "log-%d-%d" % (threading.get_ident(), self.runs))
        self.runs += 1
        p = subprocess.Popen(self.daemon.enter() + [
            os.path.join(self.args.build, "agentctl"), "run", "-p", self.policy, "--log-dir", log, "--", *command],
            cwd="/", env=self.daemon.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", preexec_fn=topo.die_with_parent)
        end = time.monotonic() + seconds
        while p.poll() is None and time.monotonic() < end and not self.over.is_set():
            time.sleep(0.02)
        ended = p.poll() is not None
        if not ended:
            p.terminate()
        try:
            said = p.communicate(timeout=RUN_SECONDS)[0]
        except subprocess.TimeoutExpired:
            p.kill()
            said = p.communicate()[0]
            raise Found("agentctl run %s does not end: %s" % (command[0], said[-500:]))
        check_record(log)
        shutil.rmtree(log, ignore_errors=True)
        return p.returncode if ended else None, said

    def in_turn(self, command, seconds):
        while not self.over.is_set():
            rc, said = self.once(command, seconds)
            if rc is None and seconds == RUN_SECONDS and not self.over.is_set():
                raise Found("agentctl run %s takes more than %d s" % (command[0], seconds))
            if rc:
                self.failed += 1
                if self.args.who == "client" or rc not in (125, 137) or "agentctl: " not in said:
                    raise Found("agentctl run %s: exit %d: %s" % (command[0], rc, said[-800:]))

    def thread(self, *args):
        def body():
            try:
                self.in_turn(*args)
            except Found as e:
                self.found = self.found or str(e)
        self.threads.append(threading.Thread(target=body, daemon=True))
        self.threads[-1].start()

    # -- all

    def play(self, seconds):
        self.over.clear()
        self.client("honest", seconds)
        if self.args.who == "client":
            os.chmod(self.daemon.control(), 0o666)  # so that only what the daemon asks of a client keeps anybody out
            for who in ("root", "nobody", "fenced"):
                self.client(who, seconds)
        self.thread(["/bin/true"], RUN_SECONDS)
        if self.args.who == "engine":
            self.thread([PYTHON, "-c", TRAFFIC], 5)
        end = time.monotonic() + seconds
        while time.monotonic() < end or any(p.poll() is None for _, p in self.procs):
            self.look()
            time.sleep(0.1)
            if time.monotonic() > end + RUN_SECONDS:
                raise Found("a client does not end")
        self.end_threads()
        self.look()
        self.procs = []

    def end_threads(self):
        self.over.set()
        for t in self.threads:
            t.join(2 * RUN_SECONDS)
        self.threads = []

    def look(self):
        self.daemon.look()
        for who, p in self.procs:
            if p.poll():
                raise Found("client %s: exit %d: %s" % (who, p.returncode, p.stdout.read()[-3000:]))
        if self.found:
            raise Found(self.found)

    def close(self):
        for _, p in self.procs:
            if p.poll() is None:
                p.kill()
            p.wait()
        self.end_threads()
