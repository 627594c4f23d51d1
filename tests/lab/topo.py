# SPDX-License-Identifier: GPL-2.0-or-later
"""Three network namespaces of our own, IPv4 and IPv6; the rest of the machine is not touched.

      afwt-PID-agent               afwt-PID-router                afwt-PID-net ("the internet")
    +------------------+         +------------------+           +-------------------------------+
    | a0 198.51.100.2  |---------| r0 198.51.100.1  |           | lo 203.0.113.10  allowed      |
    |    2001:db8:1::2 |         |    2001:db8:1::1 |           |    203.0.113.20  evil         |
    |                  |    (1)  |                  |      (2)  |    203.0.113.53  DNS          |
    | lo               |         | r1 192.0.2.1     |-----------| i0 192.0.2.2                  |
    | the fence is here|         |    2001:db8:2::1 |           |    2001:db8:2::2              |
    +------------------+         +------------------+           | lo 2001:db8::10, ::20, ::53 … |
                                                                +-------------------------------+
    (1) and (2): the recorder listens at r0 and at i0, the far ends of both links, for every frame that
    arrives. (2) says what reached "the internet"; (1) also has multicast and what no router forwards.

The address of the machine's own nameserver is added to the lo of "the internet", so that programs
which read /etc/resolv.conf find our DNS server there without a fence too.
"""
import ctypes
import os
import re
import signal
import socket
import subprocess
import threading

ALLOWED4, ALLOWED6 = "203.0.113.10", "2001:db8::10"
OTHER4, OTHER6 = "203.0.113.11", "2001:db8::11"
EVIL4, EVIL6 = "203.0.113.20", "2001:db8::20"
DNS4, DNS6 = "203.0.113.53", "2001:db8::53"
FORGER4 = "203.0.113.54"
AGENT4, AGENT6 = "198.51.100.2", "2001:db8:1::2"
ROUTER4, ROUTER6 = "198.51.100.1", "2001:db8:1::1"
NET4 = [ALLOWED4, OTHER4, EVIL4, DNS4, FORGER4, "203.0.113.30", "203.0.113.31"]
NET6 = [ALLOWED6, OTHER6, EVIL6, DNS6, "2001:db8::30", "2001:db8::31"]
# Addresses an allowed name must not point to; they exist here, so that a leak would arrive.
REBIND4 = ["169.254.169.254", "100.100.100.200", "10.1.2.3", "172.16.9.9", "192.168.77.7"]
REBIND6 = ["fd00:ec2::254", "fd12:3456::1"]

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def host_nameservers():
    try:
        with open("/etc/resolv.conf") as f:
            text = f.read()
    except OSError:
        return []
    found = re.findall(r"^\s*nameserver\s+(\S+)", text, re.M)
    return [a for a in found if not a.startswith("127.") and a != "::1" and "%" not in a]


def run(*args, text=None):
    p = subprocess.run(args, input=text, capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError("%s: %s" % (" ".join(args), p.stderr.strip()))
    return p.stdout


def die_with_parent():
    _libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def enter(path):
    """Moves the calling thread into the namespace; threads it starts are there too."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


def in_ns(path, fn):
    """Runs fn() in a thread inside the namespace; sockets made there stay there."""
    box = {}

    def body():
        try:
            enter(path)
            box["value"] = fn()
        except BaseException as e:  # handed to the caller below
            box["error"] = e
    t = threading.Thread(target=body)
    t.start()
    t.join()
    if "error" in box:
        raise box["error"]
    return box["value"]


def remove_stale():
    """Namespaces of runs that were killed: their process is gone."""
    for line in run("ip", "netns", "list").splitlines():
        m = re.match(r"afwt-(\d+)-(agent|router|net)\b", line)
        if m and not os.path.exists("/proc/%s" % m[1]):
            remove_ns("afwt-%s-%s" % (m[1], m[2]))


def remove_ns(name):
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout
    for pid in pids.split():
        if int(pid) != os.getpid():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
    subprocess.run(["ip", "netns", "del", name], capture_output=True)


class Topology:
    def __init__(self):
        base = "afwt-%d-" % os.getpid()
        self.agent, self.router, self.net = base + "agent", base + "router", base + "net"
        self.made = []
        try:
            self._make()
        except BaseException:
            self.remove()
            raise

    def path(self, name):
        return "/run/netns/" + name

    def _make(self):
        for ns in (self.agent, self.router, self.net):
            run("ip", "netns", "add", ns)
            self.made.append(ns)
        extra = host_nameservers()
        plan = {
            self.router: ["link set lo up",
                          "link add r0 type veth peer name a0 netns %s" % self.agent,
                          "link add r1 type veth peer name i0 netns %s" % self.net,
                          "addr add 198.51.100.1/24 dev r0", "addr add 192.0.2.1/24 dev r1",
                          "-6 addr add 2001:db8:1::1/64 dev r0 nodad",
                          "-6 addr add 2001:db8:2::1/64 dev r1 nodad",
                          "link set r0 up", "link set r1 up"],
            self.agent: ["link set lo up", "addr add 198.51.100.2/24 brd + dev a0",
                         "-6 addr add 2001:db8:1::2/64 dev a0 nodad", "link set a0 up",
                         "route add default via 198.51.100.1",
                         "-6 route add default via 2001:db8:1::1"],
            self.net: ["link set lo up", "addr add 192.0.2.2/24 dev i0",
                       "-6 addr add 2001:db8:2::2/64 dev i0 nodad", "link set i0 up",
                       "route add default via 192.0.2.1", "-6 route add default via 2001:db8:2::1"],
        }
        far4 = NET4 + REBIND4 + [a for a in extra if ":" not in a]
        far6 = NET6 + REBIND6 + [a for a in extra if ":" in a]
        plan[self.net] += ["addr add %s/32 dev lo" % a for a in far4]
        plan[self.net] += ["-6 addr add %s/128 dev lo nodad" % a for a in far6]
        late = ["route add %s/32 via 192.0.2.2" % a for a in far4]
        late += ["-6 route add %s/128 via 2001:db8:2::2" % a for a in far6]
        for ns in (self.router, self.agent, self.net):
            self._sysctl(ns, {"net/ipv6/conf/all/accept_dad": 0, "net/ipv6/conf/default/accept_dad": 0})
        for ns in (self.router, self.agent, self.net):
            self._batch(ns, plan[ns])
        self._batch(self.router, late)
        self._sysctl(self.router, {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})
        self._sysctl(self.agent, {"net/ipv4/ping_group_range": "0 2147483647",
                                  "net/ipv4/tcp_fastopen": 0x605,
                                  "net/ipv4/ip_unprivileged_port_start": 0})
        self._sysctl(self.net, {"net/ipv4/tcp_fastopen": 0x603})

    def _batch(self, ns, lines):
        for family in ("", "-6 "):
            mine = [l[len(family):] for l in lines if l.startswith("-6 ") == bool(family)]
            if not mine:
                continue
            run("ip", *(["-6"] if family else []), "-n", ns, "-batch", "-", text="\n".join(mine))

    def _sysctl(self, ns, values):
        def write():
            for key, value in values.items():
                with open("/proc/sys/" + key, "w") as f:
                    f.write(str(value))
        in_ns(self.path(ns), write)

    def socket(self, ns, *args):
        return in_ns(self.path(ns), lambda: socket.socket(*args))

    def remove(self):
        for ns in self.made:
            remove_ns(ns)
        self.made = []
