# SPDX-License-Identifier: GPL-2.0-or-later
"""Tools called from inside a fence: the broker, each tool's own network, limits. Immunity rows 21, 23, 29."""
import os
import signal
import socket
import subprocess
import time

import lab as L
from lab import check

NAME = "api.allowed.test"
CURL = "/usr/bin/curl"
SHELL = "/bin/sh"

# The agent reaches nothing; one tool a name each, one tool nothing at all.
TOOLS = """
tools:
  fetch:
    command: [%s, -sS, --max-time, "10", "{url}"]
    read: [%%(ca)s]
    env: [{set: {CURL_CA_BUNDLE: %%(ca)s}}]
    egress: [%s]
  other:
    command: [%s, -sS, --max-time, "10", "{url}"]
    read: [%%(ca)s]
    env: [{set: {CURL_CA_BUNDLE: %%(ca)s}}]
    egress: [other.test]
  alone:
    command: [%s, -sS, --max-time, "10", "{url}"]
    read: [%%(ca)s]
  show:
    command: [/usr/bin/cat, "{path:workspace}"]
    read: [.]
  stdin:
    command: [/usr/bin/cat]
  id: {command: [/usr/bin/id, -u]}
  secret:
    command: [/usr/bin/printenv, SECRET]
    env: [SECRET]
  sleep:
    command: [/usr/bin/sleep, "{int:1-100}"]
  short:
    command: [/usr/bin/sleep, "{int:1-100}"]
    limits: {time: 500ms}
  status:
    command: [/bin/sh, -c, "exit 7"]
    broad: true
""" % (CURL, NAME, CURL, CURL)


def policy(lab, agent="agent: {user: nobody}\n", egress=()):
    text = L.policy(*egress, extra=TOOLS % {"ca": lab.pki.ca})
    return text.replace("agent: {user: nobody}\n", agent)


def call(*words):
    return "%s tool %s" % (L.AGENTCTL, " ".join(words))


def script(*lines):
    return [SHELL, "-c", "\n".join(lines)]


def test_each_its_own_network(lab):
    """The agent, two tools and a third: four networks at the same time; the events name the tool."""
    urls = ["https://%s/" % NAME, "https://other.test/"]
    lines = ["for u in %s; do" % " ".join(urls)]
    lines += ["%s >/tmp/$$.%s 2>&1; echo %s $u $?" % (call(t, "--", "$u"), t, t) for t in ("fetch", "other", "alone")]
    lines += ["%s -sS $u; echo agent $u $?; done" % CURL]
    r = lab.run(policy(lab), script(*lines))
    got = {tuple(l.split()[:2]): l.split()[2] for l in r.out.splitlines() if len(l.split()) == 3}
    want = {("fetch", urls[0]): "0", ("fetch", urls[1]): "6", ("other", urls[0]): "6", ("other", urls[1]): "0",
            ("alone", urls[0]): "6", ("alone", urls[1]): "6", ("agent", urls[0]): "6", ("agent", urls[1]): "6"}
    check(got == want, "got", got, r.tell())
    e = [e for e in r.events(text="other.test") if e["agentfw"].get("tool") == "fetch"]
    check(e and e[0]["agentfw"]["fence"].endswith(".fetch"), "no event names the tool:", r.events())
    check([e for e in r.events(text="other.test") if "tool" not in e["agentfw"]], "the agent's own event")
    check(not [e for e in r.events() if e["agentfw"].get("tool") == "alone" and e["event"]["category"] == ["network"]],
          "an empty network has no fence")


def test_at_the_same_time(lab):
    """Twenty calls of two tools at once: none mixes up its network or its output."""
    lines = ["i=0; while [ $i -lt 10 ]; do i=$((i+1))"]
    for tool, name in (("fetch", NAME), ("other", "other.test")):
        lines += ["( %s | sed s/^/%s:/ ) &" % (call(tool, "--", "https://%s/" % name), tool)]
    lines += ["done; wait"]
    r = lab.run(policy(lab), script(*lines), timeout=60)
    for tool in ("fetch", "other"):
        n = len([l for l in r.out.splitlines() if l.startswith(tool + ":") and "hello" in l])
        check(n == 10, tool, n, "of 10", r.tell())


def test_call_that_ends_while_another_runs(lab):
    """A call has ended, one that began beside it still runs, and the agent ends: that is its status."""
    r = lab.run(policy(lab), script(call("sleep", "1") + " & first=$!", call("sleep", "93") + " &", "wait $first", "exit 5"))
    check(r.rc == 5, r.tell())


def test_streams_status_environment(lab):
    work = lab.file(".work")
    os.mkdir(work)
    path = os.path.join(work, "policy.yaml")
    with open(path, "w") as f:
        f.write(policy(lab))
    with open(os.path.join(work, "note"), "w") as f:
        f.write("a note\n")
    r = lab.run(path, script("echo in | " + call("stdin"), call("status") + "; echo status $?", call("id"),
                             call("secret"), "unset SECRET; " + call("secret"), "SECRET=forged " + call("secret"),
                             "cd /; " + call("show", "note"), call("show", work + "/note")),
                env={"SECRET": "the user's"})
    check(r.out == "in\nstatus 7\n65534\nthe user's\nthe user's\nthe user's\na note\na note\n", r.tell())


def test_row29_values(lab):
    work = lab.file(".work")
    os.mkdir(work)
    os.symlink("/etc/passwd", os.path.join(work, "link"))
    path = os.path.join(work, "policy.yaml")
    with open(path, "w") as f:
        f.write(policy(lab))
    bad = [("fetch", "--", "--help"), ("fetch", "--", "file:///etc/passwd"), ("fetch", "--", "https://u:p@x/"), ("fetch",),
           ("fetch", "--", "https://a/", "https://b/"), ("fetch", "--", "'https://a/\n'"), ("show", "--", "/etc/passwd"), ("show", "--", "link"),
           ("show", "--", "../../etc/passwd"), ("sleep", "--", "0"), ("sleep", "--", "101"), ("sleep", "--", "1.5"),
           ("sleep", "--", "''"), ("nosuch",), ("../id",), ("id", "--", "extra")]
    r = lab.run(path, script(*["%s; echo $?" % call(*b) for b in bad]))
    check(r.out == "125\n" * len(bad), r.out.split(), r.tell())
    check("root:" not in r.said, r.tell())
    r = lab.run(path, script(call("show", "--", "--version")))  # the name of a file that is not there
    check(r.rc == 1 and work + "/--version" in r.err, r.tell())


def test_without_a_right_to_run_programs(lab):
    """The agent may run one interpreter, nothing else; it speaks to the broker by itself."""
    code = """
import os, socket, subprocess
def tool(name, *args):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(os.environ["AGENTFW_TOOLS"])
    r, w = os.pipe()
    socket.send_fds(s, [b"".join(a.encode() + b"\\0" for a in (name,) + args)], [0, w, 2])
    os.close(w)
    out = os.fdopen(r).read()
    return s.recv(512).decode().strip(), out.strip()
print(tool("id"))
print(tool("fetch", "https://%s/")[1])
print(tool("sleep", "x")[0])
for program in (["/usr/bin/id"], ["%s", "tool", "id"]):
    try: subprocess.run(program); print("RAN")
    except OSError: print("refused")
""" % (NAME, L.AGENTCTL)
    agent = "agent: {user: nobody, exec: [{path: %s, broad: true}], read: [/usr/lib/python3, /usr/lib/python3.11]}\n" % os.path.realpath(L.PYTHON)
    r = lab.run(policy(lab, agent), [os.path.realpath(L.PYTHON), "-c", code])
    check(r.rc == 0 and r.out.splitlines()[0] == "('exit 0', '65534')", r.tell())
    check("hello" in r.out and "exit 125" in r.out and r.out.count("refused") == 2, r.tell())


def test_malformed_calls(lab):
    """Nothing that a caller sends hangs the broker or starts anything; it serves the next one."""
    code = """
import os, socket, time
def raw(data, fds=(0, 1, 2), wait=True):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(os.environ["AGENTFW_TOOLS"])
    if data is not None: socket.send_fds(s, [data], list(fds)) if fds else s.send(data)
    return s.recv(512).decode().strip() if wait else s
for data, fds in ((b"id", (0, 1, 2)), (b"id\\0", ()), (b"id\\0", (0, 1)), (b"id\\0", (0, 1, 2, 0)), (b"\\0" * 300, (0, 1, 2)),
                  (b"x" * 70000 + b"\\0", (0, 1, 2)), (b"\\0", (0, 1, 2)), (b"id\\0\\0", (0, 1, 2))):
    print(raw(data, fds), flush=True)
held = [raw(None, (), False) for _ in range(70)]
for h in held: h.close()
for _ in range(500):  # the broker hears that those are gone
    said = raw(b"id\\0")
    if said == "exit 0": break
    time.sleep(0.01)
print(said, flush=True)
"""
    r = lab.run(policy(lab), [L.PYTHON, "-c", code])
    lines = [l for l in r.out.splitlines() if not l.isdigit()]
    check(len(lines) == 9 and all(l.startswith(("error", "exit 125")) for l in lines[:8]), r.tell())
    check(lines[8] == "exit 0", r.tell())


def boxed(word):
    """Processes of a tool, seen from outside."""
    out = subprocess.run(["pgrep", "-f", "-x", word], capture_output=True, text=True).stdout
    return [int(p) for p in out.split()]


def test_time_limit_and_caller(lab):
    """A tool is killed at its time, and when who called it goes; and with the fence."""
    start = time.monotonic()
    r = lab.run(policy(lab), script(call("short", "97") + "; echo $?"))
    check(r.out == "124\n" and time.monotonic() - start < 3 and "limits: time" in r.err, r.tell())
    h = lab.start(policy(lab), script(call("sleep", "96") + " & echo READY; read x; kill $!; echo KILLED; read x"))
    L.until(lambda: boxed("/usr/bin/sleep 96"), 5, lambda: "the tool does not run")
    h.send("go")
    h.expect("KILLED")
    L.until(lambda: not boxed("/usr/bin/sleep 96"), 5, lambda: "it outlives its caller")
    h.stop()
    h = lab.start(policy(lab), script(call("sleep", "95") + " & echo READY; read x"))
    L.until(lambda: boxed("/usr/bin/sleep 95"), 5, lambda: "the tool does not run")
    h.p.send_signal(signal.SIGKILL)
    L.until(lambda: not boxed("/usr/bin/sleep 95"), 5, lambda: "it outlives the fence")
    h.stop()
    h = lab.start(policy(lab), script(call("sleep", "94") + " & echo READY; read x; exit 3"))
    L.until(lambda: boxed("/usr/bin/sleep 94"), 5, lambda: "the tool does not run")
    h.send("go")
    L.until(lambda: not boxed("/usr/bin/sleep 94"), 5, lambda: "it outlives the agent")
    check(h.result().rc == 3)


def sockets_outside():
    import glob
    return glob.glob("/run/agentfw/net-*/t-*")


def test_row23_not_from_outside(lab):
    """Another process of the host, another fence, and a tool itself may not call a fence's tools."""
    h = lab.start(policy(lab), script("echo READY; read x"))
    mine = [s for s in sockets_outside() if s.endswith("-%d" % h.p.pid)]
    check(len(mine) == 1, "one socket a fence:", sockets_outside())
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(3)
    s.connect(mine[0])
    try:
        socket.send_fds(s, [b"id\0"], [0, 1, 2])
        got = s.recv(100)
    except OSError:
        got = b""
    check(not got, "an outsider was served:", got)
    r = lab.run(policy(lab), script("ls /run/agentfw; AGENTFW_TOOLS=%s %s" % (mine[0], call("id"))))
    check(r.out == "tools\n" and "cannot be reached" in r.err, r.tell())
    h.stop()
    check(mine[0] not in sockets_outside(), "the socket stays")


def test_where_tools_are_called(lab):
    """AGENTFW_TOOLS is there when the policy has tools, and never the one of whoever started the fence."""
    env = {"AGENTFW_TOOLS": "/nosuch/socket"}
    show = ["/bin/sh", "-c", "echo ${AGENTFW_TOOLS-none}"]
    for agent in ("agent: {user: nobody}\n", "agent: {user: nobody, env: [LANG]}\n"):
        r = lab.run(policy(lab, agent), show, env=env)
        check(r.out == "/run/agentfw/tools\n", r.tell())
        r = lab.run("version: 1\n" + agent, show, env=env)
        check(r.out == "none\n", r.tell())
    r = lab.run("version: 1\nagent: {user: nobody}\n", script(call("id")), env=env)
    check(r.rc == 125 and "/run/agentfw/tools" in r.err and "must have `tools`" in r.err, r.tell())


def test_row21_descriptors(lab):
    """A tool with less network than its caller is handed no socket as a standard stream."""
    code = """
import os, socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
c = socket.create_connection(s.getsockname())
b = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
b.connect(os.environ["AGENTFW_TOOLS"])
socket.send_fds(b, [b"stdin\\0"], [c.fileno(), 1, 2])
print(b.recv(100).decode())
d = os.open("/", os.O_RDONLY)
b = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
b.connect(os.environ["AGENTFW_TOOLS"])
socket.send_fds(b, [b"stdin\\0"], [d, 1, 2])
print(b.recv(100).decode())
"""
    r = lab.run(policy(lab), [L.PYTHON, "-c", code])
    check(r.out.count("exit 125") == 2 and "network socket" in r.err and "directory" in r.err, r.tell())


def test_audit_holds_for_tools(lab):
    r = lab.run(policy(lab), script(call("other", "--", "https://%s/" % NAME)), options=("--audit",))
    check(r.rc == 0 and "hello" in r.out, r.tell())
    e = r.event(action="would_deny", text='"tool": "other"')
    check(e["agentfw"]["name"] == NAME, e)


def test_limits_as_root(lab):
    """Memory and processes of a tool as a whole; nothing of it stays."""
    text = policy(lab) + """
  memory:
    command: [%s, -c, "x = 'a' * 300000000"]
    broad: true
    read: [/usr/lib/python3, /usr/lib/python3.11]
    limits: {memory: 100M}
  pids:
    command: [/bin/sh, -c, "for i in 1 2 3 4 5 6; do /usr/bin/sleep 0.3 & done; wait"]
    exec: [/usr/bin/sleep]
    broad: true
    limits: {pids: 4}
""" % os.path.realpath(L.PYTHON)
    r = lab.run(text, script(call("memory") + "; echo $?", call("pids") + "; echo $?"))
    check(r.out.splitlines()[0] == "124" and "limits: memory" in r.err, r.tell())
    check(r.out.splitlines()[1] != "0" and "limits: pids" in r.err, r.tell())


def test_broad_is_logged(lab):
    r = lab.run(policy(lab), [SHELL, "-c", "exit 0"])
    started = [e for e in r.lines() if e["event"]["action"] == "fence_started"]
    check(started and started[0]["agentfw"].get("broad") == ["status: /bin/sh"], started)


def test_why(lab):
    path = lab.file(".yaml", policy(lab))
    for tool, endpoint, rc in (("fetch", NAME, 0), ("fetch", "other.test", 1), ("other", "other.test", 0), ("alone", NAME, 1),
                               ("nosuch", NAME, 125)):
        r = lab.bare([L.AGENTCTL, "why", endpoint, "-p", path, "--tool", tool])
        check(r.rc == rc and (rc or path + ":" in r.out), tool, endpoint, r.tell())
    check(lab.bare([L.AGENTCTL, "why", NAME, "-p", path]).rc == 1, "the agent itself has none of it")
