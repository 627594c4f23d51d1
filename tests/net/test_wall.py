# SPDX-License-Identifier: GPL-2.0-or-later
"""The socket wall: what BPF programs on a fence's cgroup refuse. wall_calls.py tries without a system call filter,
as an ordinary user and as root."""
import json
import os
import re
import signal
import subprocess

import lab as L
import topo
from lab import check

NOBODY, ROOT = 65534, 0
BPF = "321"
CALLS = [L.PYTHON, os.path.join(L.HERE, "wall_calls.py")]
DEVICE = "a0"
NAME = "api.allowed.test"
# Somebody's table behind ours, which takes the marks of what was judged off again.
UNMARK = """table inet afwt_unmark {
  chain leave { type filter hook postrouting priority 2000; meta mark set meta mark and 0x80ffffff; }
}
"""


class Fence:
    """A fence with something idle in it, and calls from its cgroup."""

    def __init__(self, lab, pol=None, env=None, cmd=L.WAIT):
        self.lab, self.h = lab, lab.start(pol or L.policy(NAME), cmd, env=env)
        self.cg = self.h.cgroup()

    def call(self, function, uid=NOBODY, timeout=60, /, **a):
        return call(self.lab, self.cg, function, uid, timeout, **a)

    def end(self):
        self.h.stop()
        return self.h.record()


def call(lab, cg, function, uid=NOBODY, timeout=60, /, **a):
    r = lab.bare(CALLS + [cg, str(uid), function, json.dumps(a)], timeout)
    check(r.rc == 0, r.tell())
    return json.loads(r.out)


def fresh(lab):
    """The next daemon begins with the environment that it is given."""
    lab.walled = None
    lab.daemon(True)


def listed():
    """The table of options.h: {(level, number)}, and the names of its levels."""
    text = open(os.path.join(L.ROOT, "fw/bpf/options.h")).read()
    levels = {n: int(v) for n, v in re.findall(r"#define WALL_LEVEL_(\w+)\s+(\d+)", text)}
    table = text[text.index("#define WALL_OPTIONS(X)"):text.index("#define WALL_REFUSED_OPTIONS")]
    pairs = re.findall(r'X\((\w+), (\d+), \w+, ".+?"\)', table)
    check(len(pairs) > 80, "the table is not read", len(pairs))
    return {(levels[n], int(o)) for n, o in pairs}


# ---- lists ----------------------------------------------------------------------------------------

def test_options(lab):
    """Every number of every level that there is: what the table lists passes, nothing else."""
    want = listed()
    a = dict(kinds=["tcp4", "tcp6", "udp4", "udp6", "unix", "netlink"], most=300,
             levels=[0, 1, 2, 6, 17, 33, 40, 41, 58, 132, 136, 255, 263, 265, 266, 270, 271, 279, 280, 281, 282, 283, 284, 285,
                     286, 287, -1, 1 << 16, 1 | 1 << 30])
    f = Fence(lab)
    for kind, passed in f.call("options", ROOT, **a).items():
        got = {tuple(p) for p in passed}
        check(got == want, kind, "passes", sorted(got - want), "refuses", sorted(want - got))
    own = call(lab, "-", "options", NOBODY, **a)
    for kind, passed in f.call("options", NOBODY, **a).items():
        got = {tuple(p) for p in passed}
        refused = want - {tuple(p) for p in own[kind]}  # the kernel asks for a capability
        check((1, 33) in refused and len(refused) < 5, refused)
        check(got == want - refused, kind, "passes", sorted(got - want), "refuses", sorted(want - got))
    bare = {tuple(p) for p in call(lab, "-", "options", ROOT, **dict(a, kinds=["udp6"]))["udp6"]}
    check((1, 36) in bare and (41, 78) in bare, "the kernel itself refuses that")
    f.end()


def test_large_option(lab):
    """More bytes than the kernel shows a program: the option is set all the same."""
    f = Fence(lab)
    code = ("import socket, sys; sys.path.insert(0, %r); import wall_calls as w; s = socket.socket(2, 2)\n"
            "print(w.setsockopt(s.fileno(), 0, 1, b'\\x10' + bytes(8191)), w.setsockopt(s.fileno(), 1, 36, bytes(8192)),"
            " s.getsockopt(0, 1))" % L.HERE)
    r = lab.bare(["/bin/sh", "-c", "echo $$ >%s/cgroup.procs; exec \"$@\"" % f.cg, "sh", L.PYTHON, "-c", code])
    check(r.out.split() == ["0", "1", "16"], r.tell())
    f.end()


def test_socket_kinds(lab):
    """TCP, UDP and ping over both families; whatever else this kernel has is refused."""
    a = dict(families=[2, 10])  # a packet socket (SOCK_PACKET, too) is none of these: only root can have one
    bare = {tuple(s) for s in call(lab, "-", "sockets", ROOT, **a)}
    want = {(f, 1, p) for f in (2, 10) for p in (0, 6)} | {(f, 2, p) for f in (2, 10) for p in (0, 17)} | {(2, 2, 1), (10, 2, 58)}
    check(want < bare and {(2, 3, 255), (10, 3, 255), (2, 3, 1)} <= bare, sorted(want - bare))
    f = Fence(lab)
    for uid in (ROOT, NOBODY):
        got = {tuple(s) for s in f.call("sockets", uid, **a)}
        check(got == want, "made", sorted(got - want)[:20], "refused", sorted(want - got))
    f.end()


BAD4 = ["224.0.0.1", "232.1.2.3", "239.255.255.255", "255.255.255.255"]
BAD6 = [("fe80::1", DEVICE), ("fe80::1", "lo"), ("febf:ffff::1", DEVICE), ("ff02::1", DEVICE), ("ff05::1", ""), ("ff0e::1", DEVICE),
        ("ffff::1", "")] + [("::ffff:" + a, "") for a in BAD4] + [("::ffff:0:224.0.0.1", "")]


def test_addresses(lab):
    """bind, connect, sendto: link-local, multicast and broadcast are refused whatever the socket, and leave no device
    behind; everything else is the rules' matter."""
    calls = [(c, k, a, "") for c in ("bind", "connect", "sendto") for k in ("tcp4", "udp4") for a in BAD4]
    calls += [(c, k, a, d) for c in ("bind", "connect", "sendto") for k in ("tcp6", "udp6") for a, d in BAD6]
    calls = [c for c in calls if not (c[0] == "sendto" and c[1].startswith("tcp"))]
    bare = call(lab, "-", "addresses", ROOT, calls=calls, port=7777)
    check(any(bound for _, bound in bare), "nothing is left bound without a fence")
    f = Fence(lab, L.policy("udp://%s:7777" % topo.ALLOWED4, "udp://[%s]:7777" % topo.ALLOWED6))
    for uid in (ROOT, NOBODY):
        for c, (err, bound) in zip(calls, f.call("addresses", uid, calls=calls, port=7777)):
            check(err == "EPERM" and bound == 0, uid, c, err, bound)
    fine = [(c, k, a, "") for k in ("tcp4", "udp4") for c in ("bind", "connect")
            for a in ("0.0.0.0", "127.0.0.1", "127.9.9.9", topo.AGENT4)]
    fine += [(c, k, a, "") for k in ("tcp6", "udp6") for c in ("bind", "connect")
             for a in ("::", "::1", "::ffff:127.0.0.1", topo.AGENT6)]
    fine += [("connect", "udp4", a, "") for a in ("8.8.8.8", "169.254.1.1", "223.255.255.255", "240.0.0.1")]
    fine += [("connect", "udp6", a, "") for a in ("fe7f::1", "fec0::1", "fdff::1", "64:ff9b::e000:1")]
    fine += [("sendto", "udp4", topo.ALLOWED4, ""), ("sendto", "udp6", topo.ALLOWED6, ""), ("sendto", "udp6", "::ffff:" + topo.ALLOWED4, "")]
    for c, (err, bound) in zip(fine, f.call("addresses", NOBODY, calls=fine, port=7777)):
        check(err != "EPERM" and bound == 0, c, err, bound)
    a = dict(device=DEVICE, to=topo.ALLOWED6, port=7777)
    check(call(lab, "-", "source", **a) == [None, None] and f.call("source", **a) == ["EPERM", None], "sources by control message")
    f.end()


# ---- the record ------------------------------------------------------------------------------------

def test_record(lab):
    """Each refused call is told, with who it was; repeats are folded."""
    f = Fence(lab)
    a = f.call("one_of_each", ROOT, device=DEVICE)
    check(set(a["errors"].values()) == {"EPERM"}, a["errors"])
    L.until(lambda: len(f.h.record().events()) == 6, 5, lambda: "told: %s" % f.h.record().events())
    r = f.end()
    for code, text in (("socket-type", "raw/255"), ("socket-address", "[fe80::77]:7001"), ("socket-address", "[fe80::78]:7002"),
                       ("socket-address", "[ff02::79]:7003"), ("socket-option", "SO_MARK"), ("socket-option", "SOL_IPV6, 299")):
        e = r.event(code=code, text=text)
        check(e["process"]["pid"] == a["pid"] and e["user"]["id"] == "0", e)
        check(e["agentfw"]["attribution"] == "exact" and e["event"]["reason"] and "suggest" not in e["agentfw"], e)
        check(e["event"]["count"] == 1 and not e["agentfw"].get("capture"), e)
    ended = [e for e in r.lines() if e["event"]["action"] == "fence_ended"][0]
    check(ended["agentfw"]["summary"]["refused"] == 6, ended)


def test_record_of_a_living_process(lab):
    """exe and command line are there, also under the sandbox's own filter."""
    # It lives for a while longer: who it was is looked up then.
    r = lab.run(L.policy(NAME), [L.PYTHON, "-c", "import socket, time; s = socket.socket(2, 2)\n"
                                 "try: s.setsockopt(1, 36, 1)\nexcept PermissionError: print('refused')\ntime.sleep(0.3); exit(3)"])
    check(r.out == "refused\n" and r.rc == 3 and "setsockopt(SOL_SOCKET, SO_MARK)" in r.err, r.tell())
    e = r.event(code="socket-option", text="SO_MARK")
    check(os.path.realpath(e["process"]["executable"]) == os.path.realpath(L.PYTHON) and "s.setsockopt" in e["process"]["command_line"], e)


def test_flood_of_calls(lab):
    """Refused calls without end: bounded in the record, and counted; another fence's are told."""
    f, g = Fence(lab), Fence(lab)
    f.call("flood", n=20000)
    a = g.call("one_of_each", ROOT, device=DEVICE)
    L.until(lambda: g.h.record().events(code="socket-option", text="SO_MARK"), 5, "another fence's are not told")
    r, other = f.end(), g.end()
    told = sum(e["event"]["count"] for e in r.events(code="socket-option"))
    lost = sum(e["agentfw"]["lost"] for e in r.lines() if e["event"]["action"] == "lost")
    check(told + lost == 20000 and 100 <= told <= 5000, told, lost)
    check(other.event(code="socket-option", text="SO_MARK")["process"]["pid"] == a["pid"])


# ---- packets ---------------------------------------------------------------------------------------

FAR = [topo.ALLOWED4, topo.ALLOWED6, topo.EVIL4, topo.EVIL6]
OPEN = L.policy(*["%s://%s:9000" % (p, a if "." in a else "[%s]" % a) for p in ("tcp", "udp") for a in FAR],
                *["icmp://" + (a if "." in a else "[%s]" % a) for a in FAR])


def unmark(lab, on=True):
    r = lab.bare(["nft", "-f", "-"], stdin=UNMARK) if on else lab.bare(["nft", "delete", "table", "inet", "afwt_unmark"])
    check(r.rc == 0, r.tell())


def works(lab, f, uid=NOBODY):
    tok = L.token()
    errors = f.call("send_all", uid, to=FAR[:2], port=9000, token=tok, timeout=3)
    check(not any(errors.values()), errors)
    lab.arrives(tok)


def silent(lab, cg, uid, why):
    tok = L.token()
    errors = call(lab, cg, "send_all", uid, to=FAR, port=9000, token=tok)
    check(all(e == "EPERM" for k, e in errors.items() if k.startswith("udp")), why, "at once:", errors)
    check(all(e for k, e in errors.items() if k.startswith("tcp")), why, errors)
    lab.absent(tok, why)


def test_no_verdict_no_packet(lab):
    """What no rule has marked does not leave, over both families; with the mark it does, and the far end sees it."""
    fresh(lab)
    try:
        f = Fence(lab, OPEN)
        for uid in (ROOT, NOBODY):
            works(lab, f, uid)
        tok = L.token()
        held = subprocess.Popen(lab.enter() + CALLS + [f.cg, str(NOBODY), "hold", json.dumps(dict(to=FAR[:2], port=9000, token=tok))],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        check(held.stdout.readline() == "READY\n")
        unmark(lab)
        held.stdin.write("send\n")
        held.stdin.flush()
        check(held.stdout.readline() == "SENT\n")
        for uid in (ROOT, NOBODY):
            silent(lab, f.cg, uid, "no marks")
        lab.none_arrives([tok], 1.2, "by connections that were there before")
        unmark(lab, False)
        L.until(lambda: lab.rec.saw(tok), 10, "sent again, it arrives")
        held.communicate("go\n")
        works(lab, f)
        r = f.end()
        lost = [e for e in r.lines() if e["event"]["action"] == "lost" and "without a verdict" in e["event"]["reason"]]
        check(lost and sum(e["agentfw"]["lost"] for e in lost) >= 20, r.lines()[-4:])
    finally:
        lab.bare(["nft", "delete", "table", "inet", "afwt_unmark"])


def test_bound_all_the_same(lab):
    """A 32-bit system call sets options that no program sees (nor does it pass the box's filter): what such a socket
    sends does not leave, even with a verdict."""
    L.need(os.uname().machine == "x86_64", "system calls of another machine")
    fresh(lab)
    try:
        f = Fence(lab, OPEN)
        a = dict(to=FAR[:2], port=9000, device=DEVICE)
        tok = L.token()
        check(call(lab, "-", "bound_by_compat", token=tok, **a) == [[0, None]] * 2)
        lab.arrives(tok)
        tok = L.token()
        check(f.call("bound_by_compat", token=tok, **a) == [[0, "EPERM"]] * 2)
        lab.absent(tok)
        works(lab, f)
        r = f.end()
        check([e for e in r.lines() if e["event"]["action"] == "lost" and "bound to a device" in e["event"]["reason"]], r.lines()[-4:])
    finally:
        f.end()


def test_stays_shut(lab):
    """The daemon is killed, its table deleted: nothing gets out of the cgroup, of what was there or joins it."""
    fresh(lab)
    f = Fence(lab, OPEN)
    works(lab, f)
    for pid in lab.daemons():
        os.kill(pid, signal.SIGKILL)
    L.until(lambda: not lab.daemons(), 5, "daemons live")
    for table in re.findall(r"table (inet \w+)", lab.rules()):
        check(lab.bare(["nft", "delete", "table"] + table.split()).rc == 0, table)
    check(not lab.rules().strip(), lab.rules())
    tok = L.token()
    check(not any(call(lab, "-", "send_all", NOBODY, to=FAR, port=9000, token=tok, timeout=3).values()))
    lab.arrives(tok, "without a fence")
    L.until(lambda: os.path.isdir(f.cg), 1, "the cgroup is gone")
    for uid in (ROOT, NOBODY):
        silent(lab, f.cg, uid, "no daemon, no table")
    check(f.call("one_of_each", ROOT, device=DEVICE)["errors"]["bind"] == "EPERM")
    below = f.cg + "/below"
    os.mkdir(below)
    try:
        silent(lab, below, ROOT, "in a cgroup below")
    finally:
        os.rmdir(below)


# ---- what the kernel or the rights lack ----------------------------------------------------------

def without(lab, pol, lacking=BPF, cmd=("/usr/bin/id", "-u")):
    fresh(lab)
    log, argv = lab.argv(pol, list(cmd))
    lab.walled = False
    i = argv.index(L.AGENTCTL)
    return lab._call(argv[:i] + [L.PYTHON, os.path.join(L.HERE, "nosys.py"), lacking] + argv[i:], 20, log)


def started(r):
    return [e for e in r.lines() if e["event"]["action"] == "fence_started"][0]["agentfw"]


def test_lacks_bpf(lab):
    """Refused by name, or done without where the policy says so, and then the record says it."""
    pol = L.policy(NAME)
    for lacking, why in ((BPF, "Function not implemented"), (BPF + ":1", "Operation not permitted")):
        r = without(lab, pol, lacking)
        check(r.rc == 125 and "lack cgroup BPF programs (socket wall)" in r.err and why in r.err and "best_effort" in r.err, r.tell())
        r = without(lab, pol.replace("user: nobody", "user: nobody, best_effort: true"), lacking)
        check(r.out == "65534\n", r.tell())
        check("socket wall" in started(r)["lacks"], started(r))
    check("lacks" not in started(lab.run(pol, ["/usr/bin/id", "-u"])))


def test_lacks_tool(lab):
    """Each tool's own network asks its own profile."""
    text = """version: 1
agent: {user: nobody}
tools:
  get: {command: [/usr/bin/id, -u], egress: [%s]%s}
"""
    for extra in ("", ", best_effort: true"):
        fresh(lab)
        path = lab.file(".yaml", text % (NAME, extra))
        lab.walled = False
        r = lab.bare([L.PYTHON, os.path.join(L.HERE, "nosys.py"), BPF, L.AGENTCTL, "tool", "-p", path, "get"])
        check(r.out == "65534\n" if extra else r.rc == 125 and "socket wall" in r.err, r.tell())


def test_probe(lab):
    r = lab.bare([os.path.join(L.BUILD, "agentfwd"), "--probe"])
    check("socket_wall yes" in r.out.splitlines(), r.tell())
    r = lab.bare([L.PYTHON, os.path.join(L.HERE, "nosys.py"), BPF, L.AGENTCTL, "doctor"])
    line = [l for l in r.out.splitlines() if "socket wall" in l]
    check(r.rc == 1 and line and line[0].startswith("lacks"), r.tell())
