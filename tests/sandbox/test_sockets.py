# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets: raw and odd ones, those of other programs, those that were held before (rows 19, 21)."""
import os
import socket

import box as B
from box import check, modes

SOCKETS = {
    "raw4": (socket.AF_INET, socket.SOCK_RAW, 1),
    "raw6": (socket.AF_INET6, socket.SOCK_RAW, 58),
    "by_hand": (socket.AF_INET, socket.SOCK_RAW, 255),
    "packet": (socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    "packet_datagram": (socket.AF_PACKET, socket.SOCK_DGRAM, 0x0300),
    "netfilter": (socket.AF_NETLINK, socket.SOCK_RAW, 12),
    "audit": (socket.AF_NETLINK, socket.SOCK_RAW, 9),
    "generic": (socket.AF_NETLINK, socket.SOCK_RAW, 16),
    "xdp": (44, socket.SOCK_RAW, 0),
    "vsock": (40, socket.SOCK_STREAM, 0),
    "alg": (38, socket.SOCK_SEQPACKET, 0),
    "mptcp": (socket.AF_INET, socket.SOCK_STREAM, 262),
    "sctp": (socket.AF_INET, socket.SOCK_STREAM, 132),
    "dccp": (socket.AF_INET, 6, 33),
    "udplite": (socket.AF_INET, socket.SOCK_DGRAM, 136),
    "tipc": (30, socket.SOCK_RDM, 0),
    "rds": (21, socket.SOCK_SEQPACKET, 0),
    "smc": (43, socket.SOCK_STREAM, 0),
    "can": (29, socket.SOCK_RAW, 1),
    "bluetooth": (31, socket.SOCK_RAW, 1),
    "key": (15, socket.SOCK_RAW, 2),
}
REFUSED = {"EPERM", "EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT"}


@modes("root", "user", "zero", "agent")
def test_row19_kinds(box):
    """As root where there is no box; those that this kernel has."""
    calls = [["make_socket", {"family": f, "type": t, "protocol": p}] for f, t, p in SOCKETS.values()]
    came = box.succeeds_bare("several", _uid=0, list=calls)["came"]
    there = [n for n, ok in zip(SOCKETS, came) if ok is True]
    check({"raw4", "raw6", "by_hand", "packet", "netfilter"} <= set(there), "there are only", there)
    got = box.fails_boxed("several", list=[c for c, ok in zip(calls, came) if ok is True])
    for name, error in zip(there, got["came"]):
        check(error in REFUSED, name, "in the box:", error)


@modes("root", "user", "zero", "agent")
def test_row19_socketpairs(box):
    """socketpair stays, for unix alone."""
    r = box.boxed("several", list=[["make_socket", {"family": 1, "type": 1, "protocol": 0}]])
    there = r.report()["came"][0]
    check(there is True if box.mode == "agent" else there == "EAFNOSUPPORT", r.tell())


@modes("root", "user", "agent")
def test_row19_uring(box):
    box.attack("uring", _errors="ENOSYS")


def arrives(box, name, kind):
    """The token arrives at a listener outside when there is no box, and does not from inside."""
    s = box.listener(kind=kind)
    tok = B.token()
    box.succeeds_bare(name, _uid=0, port=s.getsockname()[1], token=tok)
    check(tok.encode() in (B.heard(s) or b""), name, "does not arrive without a box")
    r = box.boxed(name, port=s.getsockname()[1], token=tok)
    check(B.heard(s) is None, name, "got out:", r.tell())


def test_row19_tcp(box):
    arrives(box, "tcp_send", socket.SOCK_STREAM)


def test_row19_udp(box):
    arrives(box, "udp_send", socket.SOCK_DGRAM)


def test_row19_sendmmsg(box):
    arrives(box, "sendmmsg", socket.SOCK_DGRAM)


@modes("root", "user", "zero")
def test_row19_header_by_hand(box):
    arrives(box, "raw_packet", socket.SOCK_DGRAM)


# ---- unix sockets --------------------------------------------------------------------------------

def unix_listener(box, path):
    s = box.listener(socket.AF_UNIX, address=path)
    if not path.startswith("\0"):
        os.chmod(path, 0o777)
    return s


def asked(box, s, profile, **kw):
    tok = B.token()
    box.succeeds_bare("unix_connect", token=tok, **kw)
    check(tok.encode() in B.heard(s), "nothing arrives without a box")
    got = box.fails_boxed("unix_connect", _profile=profile, token=tok, **kw)
    check(B.heard(s) is None, "a program outside was asked:", got)


@modes("root", "user", "agent")
def test_unix_abstract(box):
    name = "afws-%d" % os.getpid()
    if box.mode != "agent":
        asked(box, unix_listener(box, "\0" + name), box.profile(), abstract=name)
        return
    box.new_network()  # where the agent will be
    s = B.in_ns("/proc/self/fd/%d" % box.netns, lambda: unix_listener(box, "\0" + name))
    box.succeeds_bare("unix_connect", abstract=name, token="x", _call={"setup": box.enter_network})
    check(B.heard(s) == b"x", "nothing arrives without a box")
    box.fails_boxed("unix_connect", abstract=name, token="x", _errors="EPERM")
    check(B.heard(s) is None, "a program outside was asked")


@modes("root", "user", "agent")
def test_unix_of_a_program_outside(box):
    """As gpg-agent's, in the home directory of the same user."""
    path = box.directory("home") + "/agent.sock"
    asked(box, unix_listener(box, path), box.profile(), path=path)


@modes("root", "user")
def test_unix_beside_a_named_one(box):
    """A profile that names a socket reaches that one alone."""
    named, other = box.directory("a") + "/named.sock", box.directory("b") + "/other.sock"
    s, o = unix_listener(box, named), unix_listener(box, other)
    profile = box.profile(read=[named])
    r = box.boxed("unix_connect", _profile=profile, path=named, token="hello")
    check(r.report()["done"] and B.heard(s) == b"hello", "the named one:", r.tell())
    asked(box, o, profile, path=other)


@modes("root", "user", "agent")
def test_unix_below_run_and_tmp(box):
    for d in ("/run", "/tmp", "/var/tmp"):
        path = "%s/afws-%d.sock" % (d, os.getpid())
        box.at_end(lambda path=path: os.path.exists(path) and os.unlink(path))
        asked(box, unix_listener(box, path), box.profile(), path=path)


# ---- held before (row 21) ------------------------------------------------------------------------

def connected(box):
    s = box.listener()
    c = socket.create_connection(s.getsockname())
    far, _ = s.accept()
    far.settimeout(0.4)
    box.at_end(c.close)
    box.at_end(far.close)
    return c, far


def drained(far):
    try:
        return far.recv(1000)
    except socket.timeout:
        return None


@modes("root", "user", "agent")
def test_row21_socket_over_2(box):
    c, far = connected(box)
    call = {"pass_fds": [c.fileno()]}
    box.succeeds_bare("fd_send", _call=call, fd=c.fileno(), token="token")
    check(drained(far) == b"token", "does not arrive without a box")
    box.fails_boxed("fd_send", _call=call, fd=c.fileno(), token="token", _errors="EBADF")
    check(drained(far) is None, "data left by an inherited socket")


@modes("root", "user", "agent")
def test_row21_stdin_is_a_socket(box):
    c, far = connected(box)
    box.succeeds_bare("fd_send", _call={"stdin": c}, fd=0, token="token")
    check(drained(far) == b"token", "does not arrive without a box")
    r = box.boxed("fd_send", _call={"stdin": c}, fd=0, token="token")
    check(r.rc == 125 and "descriptor 0 is a network socket" in r.err and "hint" in r.err, r.tell())
    check(drained(far) is None, "data left by an inherited socket")


@modes("root", "user", "agent")
def test_row21_stdout_is_a_udp_socket(box):
    s = box.listener(kind=socket.SOCK_DGRAM)
    c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    c.connect(s.getsockname())
    box.at_end(c.close)
    box.bare("fd_send", _call={"stdout": c}, fd=1, token="token")
    check(b"token" in (B.heard(s) or b""), "does not arrive without a box")
    while B.heard(s):
        pass
    r = box.boxed("fd_send", _call={"stdout": c}, fd=1, token="token")
    check(r.rc == 125 and "descriptor 1" in r.err, r.tell())
    check(B.heard(s) is None, "data left by an inherited socket")


@modes("root", "user", "agent")
def test_row21_files_over_2(box):
    secret = box.file("secret", "the secret")
    fd = os.open(secret, os.O_RDONLY)
    box.at_end(lambda: os.close(fd))
    box.attack("fd_read", _call={"pass_fds": [fd]}, fd=fd, want="secret", _errors="EBADF")
    box.attack("fds", _call={"pass_fds": [fd]})


@modes("root", "user", "agent")
def test_row21_stdin_is_a_directory(box):
    box.file("secret", "the secret")
    d = os.open(box.dir, os.O_RDONLY | os.O_DIRECTORY)
    box.at_end(lambda: os.close(d))
    r = box.call(["/bin/cat", "/proc/self/fd/0/secret"], stdin=d)
    check(r.out == "the secret", r.tell())
    r = box.tool({"command": ["/bin/cat", "/proc/self/fd/0/secret"]}, stdin=d)
    check(r.rc == 125 and "descriptor 0 is a directory" in r.err, r.tell())


@modes("root", "user", "agent")
def test_row21_stdin_is_opened_again_for_writing(box):
    path = box.file("input", "input")
    fd = os.open(path, os.O_RDONLY)
    box.at_end(lambda: os.close(fd))
    box.succeeds_bare("reopen", _call={"stdin": fd}, fd=0)
    box.file("input", "input")
    fd2 = os.open(path, os.O_RDONLY)
    box.at_end(lambda: os.close(fd2))
    box.fails_boxed("reopen", _call={"stdin": fd2}, fd=0)
    check(open(path).read() == "input", "stdin was written to")
