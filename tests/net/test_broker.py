# SPDX-License-Identifier: GPL-2.0-or-later
"""What a caller hands the broker: descriptors of every kind, read or not; and what is left of its calls."""
import glob
import os
import signal
import time

import lab as L
from lab import check

TOOLS = """
tools:
  yes:
    command: [/usr/bin/yes]
    limits: {time: 1s, output: 100M}
  cat: {command: [/usr/bin/cat]}
  count:
    command: [/usr/bin/cat]
    limits: {output: 1M}
  say:
    command: [/usr/bin/printf, "{text}"]
    limits: {output: 1M}
  sleep:
    command: [/usr/bin/sleep, "{int:1-100}"]
    limits: {pids: 5, memory: 100M}
  run:
    command: [%(python)s, -c, "import os; os.execv('/proc/self/fd/0', ['x'])"]
    read: [/usr/lib/python3, /usr/lib/python3.11]
    broad: true
  load:
    command: [%(python)s, -c, "import os; os.execv('%(loader)s', ['x', '/proc/self/fd/0'])"]
    read: [/usr/lib/python3, /usr/lib/python3.11]
    broad: true
""" % {"python": os.path.realpath(L.PYTHON), "loader": os.path.realpath("/lib64/ld-linux-x86-64.so.2")}
POLICY = L.policy(extra=TOOLS)
CALL = r"""
import os, socket, sys, tempfile, time
def call(words, fds):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(os.environ["AGENTFW_TOOLS"])
    socket.send_fds(s, [b"".join(w.encode() + b"\0" for w in words)], fds)
    return s
"""


def inside(code):
    return [L.PYTHON, "-c", CALL + code]


def calls(h, word):
    """Processes below agentctl whose name is that."""
    out = []
    for p in os.listdir("/proc"):
        try:
            if p.isdigit() and h.ctl_pid() in L.ancestors(int(p)) and open("/proc/%s/comm" % p).read().strip() == word:
                out.append(int(p))
        except OSError:
            pass
    return out


def left():
    return set(glob.glob("/sys/fs/cgroup/*/agentfw-*")) | set(glob.glob(L.CGROOTS[0] + "/tool-*"))


def test_output_that_nobody_reads(lab):
    """A pipe that is full, or says EAGAIN: the tool ends at its time all the same, and root waits without turning."""
    for blocking in (True, False):
        h = lab.start(POLICY, inside("""
r, w = os.pipe(); os.set_blocking(w, %s)
s = call(["yes"], [0, w, 2])
print("READY", flush=True)
sys.stdin.readline()
s.close(); print("CLOSED", flush=True); sys.stdin.readline()
""" % blocking))
        L.until(lambda: calls(h, "yes"), 5, "the tool does not run")
        L.until(lambda: not calls(h, "yes"), 5, "it outlives its time: blocking=%s" % blocking)
        waiting, = [p for p in calls(h, "agentctl") if "Uid:\t0\t" in open("/proc/%d/status" % p).read()]
        spent = lambda: sum(map(int, open("/proc/%d/stat" % waiting).read().rsplit(")", 1)[1].split()[11:13]))
        before = spent()
        time.sleep(1)  # what it spends in a second
        check(spent() - before < 10, "it turns:", spent() - before, "ticks in a second")
        h.send("go")
        h.expect("CLOSED")
        L.until(lambda: not calls(h, "agentctl"), 3, "the call is not over when its caller has gone")
        h.stop()


def test_no_file_to_run(lab):
    """A program without a name, made by the caller, is no program for a tool; its bytes are."""
    code = """
program = open("/usr/bin/id", "rb").read()
fd = os.memfd_create("x", 0)
os.write(fd, program); os.lseek(fd, 0, 0)
for tool in ("run", "load"):
    r, w = os.pipe()
    s = call([tool], [fd, w, w]); os.close(w)
    out = os.fdopen(r, "rb").read()
    print(tool, s.recv(100), b"uid=" in out, b"ermission" in out, flush=True)
for tool in ("cat", "count"):
    f = tempfile.TemporaryFile(); f.write(program); f.flush(); f.seek(0)
    to = tempfile.TemporaryFile()
    reply = call([tool], [f.fileno(), to.fileno(), 2]).recv(100)
    to.seek(0)
    print(tool, reply, to.read() == program, flush=True)
"""
    r = lab.run(POLICY, inside(code))
    check(r.out.splitlines() == ["run b'exit 1\\n' False True", "load b'exit 127\\n' False True",
                                 "cat b'exit 0\\n' True", "count b'exit 0\\n' True"], r.tell())


def test_not_root_s_hand(lab):
    """What is written to a descriptor of the caller's is written with his rights: a file that asks who writes."""
    code = """
fd = os.open("/proc/self/oom_score_adj", os.O_RDWR)
for tool, words in (("say", [" -900"]), ("nosuch", [])):
    print(call([tool] + words, [0, fd, fd]).recv(100), open("/proc/self/oom_score_adj").read().strip(), flush=True)
"""
    r = lab.run(POLICY, inside(code))
    check([l.split("'")[-1].strip() for l in r.out.splitlines()] == ["0", "0"], r.tell())
    h = lab.start(POLICY, inside("""
r, w = os.pipe(); f = os.open("/dev/null", os.O_RDWR)
s = call(["count"], [r, f, f]); print("READY", flush=True); sys.stdin.readline()
"""))
    L.until(lambda: calls(h, "cat"), 5, "the tool does not run")
    ferries = [p for p in calls(h, "agentctl") if os.path.exists("/proc/%d" % p) and "Uid:\t65534\t65534\t65534\t65534" in
               open("/proc/%d/status" % p).read()]
    check(ferries, "nobody of the caller's stands between")
    h.stop()


def test_messages(lab):
    """What is said about a call comes to the caller's stderr, before the status, whatever that is."""
    code = """
for kind in ("pipe", "file", "socket"):
    if kind == "pipe": r, w = os.pipe()
    if kind == "socket": a, b = socket.socketpair(); r, w = a.detach(), b.detach()
    if kind == "file": r = os.memfd_create("x"); w = os.dup(r)
    s = call(["sleep", "1000"], [0, 1, w])
    reply = s.recv(100); os.close(w)
    if kind == "file": os.lseek(r, 0, 0)
    print(kind, reply, b"{int:1-100} must be" in os.read(r, 1000), flush=True)
r, w = os.pipe(); os.close(r)
print(call(["nosuch"], [0, w, w]).recv(100))
"""
    r = lab.run(POLICY, inside(code))
    check(r.out == "".join("%s b'exit 125\\n' True\n" % k for k in ("pipe", "file", "socket")) + "b'exit 125\\n'\n", r.tell())


def test_nothing_left(lab):
    """Whoever ends first, the agent, the broker, the reader of the output: no cgroup of a call stays."""
    before = left()
    h = lab.start(POLICY, inside("s = call(['sleep', '50'], [0, 1, 2]); print('READY', flush=True); sys.stdin.readline()"))
    L.until(lambda: calls(h, "sleep"), 5, "the tool does not run")
    check(left() - before, "a limited call makes no cgroup?")
    h.send("go")
    h.result()
    check(not left() - before, "after the agent's end:", left() - before)
    h = lab.start(POLICY, inside("s = call(['sleep', '50'], [0, 1, 2]); print('READY', flush=True); time.sleep(60)"))
    L.until(lambda: calls(h, "sleep"), 5, "the tool does not run")
    os.kill(h.ctl_pid(), signal.SIGKILL)
    h.p.wait()
    L.until(lambda: not left() - before, 5, lambda: "after kill -9: %s" % (left() - before))
    r = lab.run(POLICY, inside("r, w = os.pipe(); os.close(r)\nprint(call(['yes'], [0, w, w]).recv(100))"))
    check("exit 141" in r.out, r.tell())
    check(not left() - before, "after a broken pipe:", left() - before)
    lab.wait_clean()


def test_too_many_at_once(lab):
    """Who is one too many is told so, however far he got with his question."""
    code = """
import subprocess
held = []
for i in range(64):
    held.append(call(["cat"], [os.pipe()[0], 1, 2]))
late = [subprocess.Popen([%r, "tool", "cat"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) for i in range(40)]
said = [(p.communicate()[1].decode(), p.returncode) for p in late]
print("LATE", sorted(set(said)), len(said))
""" % L.AGENTCTL
    r = lab.run(POLICY, inside(code))
    check("LATE [('agentctl: too many tools run at the same time: wait until one has ended\\n', 125)] 40" in r.out, r.tell())


def test_named_like_a_fence(lab):
    """A process outside, in a cgroup whose path ends like the fence's, may not call."""
    import socket
    import subprocess
    h = lab.start(POLICY, ["/bin/sh", "-c", "echo READY; read x"])
    path, = [s for s in glob.glob("/run/agentfw/net-*/t-%d" % h.ctl_pid())]
    top = os.path.dirname(L.CGROOTS[0]) if os.path.isdir(L.CGROOTS[0]) else os.path.dirname(L.CGROOTS[1])
    base = "%s/afwt-%d" % (top, os.getpid())
    other = base + "/agentfw/" + os.path.basename(h.cgroup())
    os.makedirs(other)
    try:
        code = ("import os, socket\nopen(%r, 'w').write(str(os.getpid()))\n"
                "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(%r); s.settimeout(3)\n"
                "try:\n    socket.send_fds(s, [b'cat\\0'], [0, 1, 2]); print(s.recv(100))\n"
                "except OSError as e: print('refused', e)" % (other + "/cgroup.procs", path))
        out = subprocess.run([L.PYTHON, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        check("exit" not in out.stdout and ("refused" in out.stdout or "b''" in out.stdout), out)
    finally:
        for d in (other, os.path.dirname(other), base):
            L.until(lambda: not os.path.isdir(d) or not os.rmdir(d), 3, d)
    h.stop()
