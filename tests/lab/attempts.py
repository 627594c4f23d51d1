# SPDX-License-Identifier: GPL-2.0-or-later
"""What the attacks have in common."""
import errno
import socket
import time

import wire

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
SO_MARK = 36


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp(address, port, timeout=3.0):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.connect((address, port))
    return s


def attempt(fn):
    """(result or None, errno name or None, milliseconds)"""
    start = time.monotonic()
    try:
        value, err = fn(), None
    except socket.timeout:
        value, err = None, "TIMEOUT"
    except OSError as e:
        value, err = None, errno.errorcode.get(e.errno, str(e.errno))
    return value, err, (time.monotonic() - start) * 1000


def stay(seconds=0.05):
    """Sender and socket are still there when what was sent is judged, sent again or told with the sender's name."""
    time.sleep(seconds)


def drain(s, timeout=2.0):
    """What comes back until the other side closes, resets, or is silent: (bytes, errno name)"""
    s.settimeout(timeout)
    out = b""
    while True:
        data, err, _ = attempt(lambda: s.recv(65536))
        if err or not data:
            return out, err or "EOF"
        out += data


def hexes(b):
    return b.hex()


def make_hello(a):
    sni = a.get("sni")
    raw = bytes.fromhex(a["sni_hex"]) if a.get("sni_hex") else None
    return wire.client_hello(sni, a["token"].encode(), ech=bool(a.get("ech")), pad=a.get("pad", 0),
                             records=a.get("records", 1), sni_raw=raw)
