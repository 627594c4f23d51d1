# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon that the fuzzers play with: hostile_daemon in a namespace of its own, what it says, and what is around it."""
import collections
import mmap
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import lab
import topo

# as in board.h
NUMBERS = ("ticks", "bytes", "fds", "clients", "fences", "restarts", "longest", "lives", "engine", "client", "created",
           "refused", "answers", "texts")
NUMBER_COUNT, LINES, LINE_SIZE = 32, 256, 120
START_SECONDS, END_SECONDS, QUIET_SECONDS = 30, 30, 60
HANG_SECONDS = 20  # without a tick; shorter ones the daemon tells itself, without what other programs take of a processor
REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|hostile: |"
                    r"the (gate|asker) (died \(signal|died \(status [1-9]|said what)")
# The directory of all fences: a daemon of another namespace that ends removes it while it is empty.
ROOT_ELEMENT = re.compile(r'^\s*(elements = \{ )?("?[\w/]+"?) : goto (reject_all|washed)')
HOST_TABLE = "table inet host {\n chain c {\n  type filter hook input priority 0;\n  tcp dport 1 drop\n }\n}\n"


class Found(Exception):
    """What must not be."""


class Board:
    def __init__(self, path):
        size = 8 * NUMBER_COUNT + LINES * LINE_SIZE
        with open(path, "wb") as f:
            f.truncate(size)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), size)

    def read(self):
        return dict(zip(NUMBERS, struct.unpack_from("=%dQ" % NUMBER_COUNT, self.map)))

    def last(self, n):
        """The last steps, as text."""
        texts = self.read()["texts"]
        out = []
        for i in range(max(0, texts - n), texts):
            at = 8 * NUMBER_COUNT + i % LINES * LINE_SIZE
            out.append(self.map[at:at + LINE_SIZE].split(b"\0")[0].decode(errors="replace"))
        return out


class Daemon:
    def __init__(self, args):
        self.args, self.p, self.said = args, None, collections.deque(maxlen=400)
        self.build = args.build + "-hostile"
        self.found, self.left = None, []
        self.tmp = tempfile.mkdtemp(prefix="afwt-hostile-")
        os.chmod(self.tmp, 0o755)
        self.net = topo.Topology()
        self.board = Board(os.path.join(self.tmp, "board"))
        self.ticks, self.ticked = 0, 0.0

    # -- its life

    def program(self, name):
        return os.path.join(self.build, "tests/lab", name)

    def enter(self):
        return ["nsenter", "--net=" + self.net.path(self.net.agent)]

    def env(self):
        e = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": self.tmp,
             "AGENTFW_RUN_DIR": os.path.join(self.tmp, "run"), "HOSTILE_BOARD": os.path.join(self.tmp, "board"),
             "ASAN_OPTIONS": "handle_abort=1:quarantine_size_mb=16:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1"}
        if "AGENTFW_HOLE" in os.environ:
            e["AGENTFW_HOLE"] = os.environ["AGENTFW_HOLE"]
        return e

    def prepare(self):
        lab.until(lambda: os.access(self.program("hostile_daemon"), os.X_OK), 0, "no %s: make hostile" %
                  self.program("hostile_daemon"))
        self.call(["nft", "-f", "-"], HOST_TABLE)
        self.witness()

    def start(self):
        env = self.env()
        if self.args.who == "engine":
            env["HOSTILE_SEED"] = str(self.args.seed)
        if self.args.life is not None:
            env["HOSTILE_LIFE"] = str(self.args.life)
        ready, w = os.pipe()
        self.p = subprocess.Popen(self.enter() + [self.program("hostile_daemon"), "--ready-fd", str(w)], pass_fds=[w],
                                  env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", preexec_fn=topo.die_with_parent)
        os.close(w)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        said = os.read(ready, 1)
        os.close(ready)
        if said != b"1":
            self.p.wait(10)
            raise Found("the daemon does not start")
        self.ticked = time.monotonic()

    def _read(self):
        for line in self.p.stdout:
            self.said.append(line.rstrip()[:300])
            if not self.found and REPORT.search(line):
                self.found = line.strip()[:200]

    def look(self):
        """Raises what was found since."""
        if self.found:
            time.sleep(1)  # the rest of what it says
            raise Found(self.found)
        if self.p.poll() is not None:
            self.reader.join(5)
            raise Found(self.found or "the daemon has ended: %d" % self.p.returncode)
        b = self.board.read()
        if self.args.who == "client" and b["restarts"]:
            time.sleep(1)
            raise Found("engine, gate or asker has ended")
        ticks = b["ticks"]
        if ticks != self.ticks:
            self.ticks, self.ticked = ticks, time.monotonic()
        elif time.monotonic() - self.ticked > HANG_SECONDS:
            self.p.send_signal(signal.SIGABRT)  # the sanitizer then says where it is
            time.sleep(2)
            raise Found("the parent hangs")

    def quiet(self):
        """What it holds once there is no fence and no client: the least of some looks, since others go on."""
        end = time.monotonic() + QUIET_SECONDS
        while True:
            self.look()
            b = self.board.read()
            if not b["fences"] and not b["clients"]:
                break
            if time.monotonic() > end:
                raise Found("%d fences and %d clients are left" % (b["fences"], b["clients"]))
            time.sleep(0.1)
        looks = []
        for _ in range(10):
            time.sleep(0.25)
            self.look()
            looks.append(self.board.read())
        return {what: min(l[what] for l in looks) for what in ("bytes", "fds")}

    def warm(self):
        """The longest stop of the start does not count."""
        self.ticked = time.monotonic()

    def stop(self):
        self.p.terminate()
        try:
            rc = self.p.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise Found("the daemon does not end")
        self.reader.join(5)
        if self.found or rc:
            raise Found(self.found or "the daemon's exit status is %d" % rc)

    def close(self):
        if self.p and self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        self.net.remove()
        for path in self.cgroups():
            try:
                with open(path + "/cgroup.kill", "w") as f:
                    f.write("1")
                lab.comes(lambda path=path: not lab.members(path), 5)
                for below in [path + "/below", path]:
                    if os.path.isdir(below):
                        os.rmdir(below)
            except OSError:
                pass
        shutil.rmtree(self.tmp, ignore_errors=True)

    # -- what is around it

    def call(self, argv, stdin=None):
        r = subprocess.run(self.enter() + argv, input=stdin, capture_output=True, text=True, timeout=60)
        if r.returncode:
            raise RuntimeError("%s: %s" % (" ".join(argv), r.stderr))
        return r.stdout

    def control(self):
        return "%s/run/net-%d/control" % (self.tmp, os.stat(self.net.path(self.net.agent)).st_ino)

    def witness(self):
        """A connection of the host's, which must live on."""
        listener = self.net.socket(self.net.agent, socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.near = self.net.socket(self.net.agent, socket.AF_INET, socket.SOCK_STREAM)
        self.near.connect(listener.getsockname())
        self.far = listener.accept()[0]
        self.far.settimeout(5)
        listener.close()

    def outside(self):
        """What a capability for the network could have changed, and our own table when the daemon has ended."""
        self.near.send(b"x")
        try:
            alive = self.far.recv(1)
        except OSError as e:
            alive = str(e)
        out = ["a connection: %s" % alive, self.call(["nft", "list", "ruleset"])]
        out += [self.call(["ip", "-o", *what]) for what in (["link"], ["addr"], ["route", "show", "table", "all"],
                                                            ["-6", "route", "show", "table", "all"], ["rule"])]
        return "\n".join(out).splitlines()

    def own_rules(self):
        """Those of no fence, without what counts."""
        text = self.call(["nft", "-s", "list", "table", "inet", "agentfw"])
        return [line for line in text.splitlines() if line.strip() and not ROOT_ELEMENT.search(line)]

    def cgroups(self):
        """Of fences of this namespace's."""
        if not os.path.exists(self.net.path(self.net.agent)):
            return self.left
        net = b"%d " % os.stat(self.net.path(self.net.agent)).st_ino
        self.left = []
        for path in lab.cgroups():
            try:
                if os.getxattr(path, "user.agentfw.net").startswith(net):
                    self.left.append(path)
            except OSError:
                pass
        return self.left

    def same(self, what, before, after):
        if before == after:
            return
        lines = ["- " + l for l in before if l not in after] + ["+ " + l for l in after if l not in before]
        raise Found("another %s:\n%s" % (what, "\n".join(lines[:40])))

    def fds(self):
        """What the parent's descriptors are, with how many there are of each."""
        pid, links = self.p.pid, collections.Counter()
        for fd in os.listdir("/proc/%d/fd" % pid):
            try:
                links[re.sub(r"[0-9]+", "N", os.readlink("/proc/%d/fd/%s" % (pid, fd)))] += 1
            except OSError:
                pass
        return ", ".join("%d %s" % (n, what) for what, n in links.most_common())

    # -- what is said of it

    def counts(self):
        b = self.board.read()
        return ("%d lives of the engine with %d steps, %d steps of clients, %d fences, %d refused, %d restarts; the parent "
                "stood still for %d ms at most") % (b["lives"], b["engine"], b["client"], b["created"], b["refused"],
                                                     b["restarts"], b["longest"] / 1000)

    def tell(self):
        return "\n".join(["-- the last steps:"] + self.board.last(30) + ["-- the daemon said:"] + list(self.said)[-120:])
