# SPDX-License-Identifier: GPL-2.0-or-later
"""The few wire formats the tests write themselves: DNS, ClientHello, IP, TCP, UDP, ICMP, QUIC."""
import os
import socket
import struct

A, NS, CNAME, SOA, NULL, PTR, MX, TXT, AAAA, SRV, OPT, SVCB, HTTPS, ANY = (
    1, 2, 5, 6, 10, 12, 15, 16, 28, 33, 41, 64, 65, 255)


# ---- DNS ---------------------------------------------------------------------------------------

def dns_name(name):
    """'a.b' or a list of raw labels."""
    labels = name if isinstance(name, list) else [l.encode() for l in name.strip(".").split(".") if l]
    return b"".join(bytes([len(l)]) + l for l in labels) + b"\0"


def dns_query(name, qtype=A, qid=None, flags=0x0100, qdcount=1, qclass=1, edns=None, trailing=b"",
              counts=None):
    """edns: bytes of options, b"" for a bare OPT, None for none."""
    qid = struct.unpack("!H", os.urandom(2))[0] if qid is None else qid
    ar = 0 if edns is None else 1
    an, ns, ar = counts if counts else (0, 0, ar)
    msg = struct.pack("!6H", qid, flags, qdcount, an, ns, ar)
    if qdcount:
        msg += dns_name(name) + struct.pack("!2H", qtype, qclass)
    if edns is not None:
        msg += b"\0" + struct.pack("!HHIH", OPT, 1232, 0, len(edns)) + edns
    return msg + trailing


def dns_read_name(msg, at):
    labels, end, hops = [], None, 0
    while True:
        n = msg[at]
        if n & 0xc0 == 0xc0:
            end = at + 2 if end is None else end
            at = struct.unpack_from("!H", msg, at)[0] & 0x3fff
            hops += 1
            if hops > 50:
                raise ValueError("pointer loop")
            continue
        if n == 0:
            return labels, at + 1 if end is None else end
        labels.append(msg[at + 1:at + 1 + n])
        at += 1 + n


def dns_parse(msg):
    """{id, flags, rcode, question: (name, type, class), rrs: [(section, name, type, ttl, rdata, offset)]}"""
    qid, flags, qd, an, ns, ar = struct.unpack_from("!6H", msg)
    at, out = 12, {"id": qid, "flags": flags, "rcode": flags & 15, "question": None, "rrs": [],
                   "qd": qd, "an": an}
    for _ in range(qd):
        labels, at = dns_read_name(msg, at)
        t, c = struct.unpack_from("!2H", msg, at)
        at += 4
        out["question"] = (b".".join(labels).decode("latin1"), t, c)
        out["labels"] = labels
    for section, n in (("an", an), ("ns", ns), ("ar", ar)):
        for _ in range(n):
            labels, at = dns_read_name(msg, at)
            t, c, ttl, size = struct.unpack_from("!HHIH", msg, at)
            at += 10
            out["rrs"].append((section, b".".join(labels).decode("latin1"), t, ttl,
                               msg[at:at + size], at))
            at += size
    return out


def dns_addresses(msg):
    p = dns_parse(msg)
    return [socket.inet_ntop(socket.AF_INET if r[2] == A else socket.AF_INET6, r[4])
            for r in p["rrs"] if r[0] == "an" and r[2] in (A, AAAA)]


def dns_ede(msg):
    """The Extended DNS Error code (RFC 8914) or None."""
    for section, _, t, _, rdata, _ in dns_parse(msg)["rrs"]:
        while t == OPT and len(rdata) >= 4:
            code, size = struct.unpack_from("!2H", rdata)
            if code == 15:
                return struct.unpack_from("!H", rdata, 4)[0]
            rdata = rdata[4 + size:]
    return None


def dns_answer(query, rrs, rcode=0, flags=0, qid=None, question=None):
    """rrs: [(owner, type, ttl, rdata)]; the question is echoed byte by byte unless given."""
    p = dns_parse(query)
    labels, end = dns_read_name(query, 12)
    q = query[12:end + 4] if question is None else question
    out = struct.pack("!6H", p["id"] if qid is None else qid, 0x8180 | flags | rcode, 1, len(rrs), 0, 0)
    out += q
    for owner, t, ttl, rdata in rrs:
        out += dns_name(owner) + struct.pack("!HHIH", t, 1, ttl, len(rdata)) + rdata
    return out


def rdata(address):
    if ":" in address:
        return AAAA, socket.inet_pton(socket.AF_INET6, address)
    return A, socket.inet_pton(socket.AF_INET, address)


# ---- TLS ---------------------------------------------------------------------------------------

def _ext(t, body):
    return struct.pack("!2H", t, len(body)) + body


def client_hello(sni, token=b"", ech=False, pad=0, records=1, session=None, sni_raw=None):
    """A ClientHello that carries token (at most 32 bytes) as its session id and in its ALPN."""
    if session is None:
        session = token[:32].ljust(32, b".") if token else os.urandom(32)
    name = sni_raw if sni_raw is not None else (sni.encode() if sni is not None else None)
    exts = b""
    if name is not None:
        exts += _ext(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name)
    exts += _ext(10, b"\0\4\0\x1d\0\x17") + _ext(11, b"\1\0")
    exts += _ext(13, b"\0\x0a\4\3\5\3\4\1\x08\4\x08\5") + _ext(43, b"\4\3\4\3\3")
    exts += _ext(51, struct.pack("!HHH", 36, 0x1d, 32) + os.urandom(32))
    if ech:
        exts += _ext(0xfe0d, b"\0\0\1\0\1\x07" + struct.pack("!H", 32) + os.urandom(32) +
                     struct.pack("!H", 64) + (token or b"x").ljust(64, b"e")[:64])
    if pad:
        exts += _ext(21, b"\0" * pad)
    body = b"\3\3" + os.urandom(32) + bytes([len(session)]) + session
    body += b"\0\x06\x13\1\x13\2\xc0\x2b" + b"\1\0" + struct.pack("!H", len(exts)) + exts
    msg = b"\1" + struct.pack("!I", len(body))[1:] + body
    limit = max(1, min(16384, -(-len(msg) // records)))
    out = b""
    for i in range(0, len(msg), limit):
        part = msg[i:i + limit]
        out += b"\x16\3\1" + struct.pack("!H", len(part)) + part
    return out


# ---- IP ----------------------------------------------------------------------------------------

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def pseudo(src, dst, proto, length):
    if ":" in src:
        return (socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) +
                struct.pack("!I3xB", length, proto))
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, proto, length)


def udp(src, dst, sport, dport, payload):
    head = struct.pack("!4H", sport, dport, 8 + len(payload), 0)
    c = checksum(pseudo(src, dst, 17, 8 + len(payload)) + head + payload) or 0xffff
    return struct.pack("!4H", sport, dport, 8 + len(payload), c) + payload


FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def tcp(src, dst, sport, dport, seq, ack, flags, payload=b"", bad=False, urg=0, options=b""):
    off = (20 + len(options)) // 4
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, off << 4, flags,
                       64000, 0, urg) + options
    c = checksum(pseudo(src, dst, 6, len(head) + len(payload)) + head + payload)
    if bad:
        c ^= 0x5a5a
    return head[:16] + struct.pack("!H", c) + head[18:] + payload


def ipv4(src, dst, proto, payload, ttl=64, ident=None, frag=0, more=False, options=b""):
    options = options.ljust(-(-len(options) // 4) * 4, b"\0")
    ihl = 5 + len(options) // 4
    ident = struct.unpack("!H", os.urandom(2))[0] if ident is None else ident
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, ihl * 4 + len(payload), ident,
                       (0x2000 if more else 0) | frag // 8, ttl, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(src, dst, proto, payload, hops=64):
    return struct.pack("!IHBB", 0x60000000, len(payload), proto, hops) + socket.inet_pton(
        socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def parse_ip(pkt):
    """(src, dst, protocol, transport bytes, is a fragment, header bytes) or None."""
    if not pkt:
        return None
    if pkt[0] >> 4 == 4 and len(pkt) >= 20:
        ihl = (pkt[0] & 15) * 4
        total, _, fr = struct.unpack_from("!HHH", pkt, 2)
        return (socket.inet_ntoa(pkt[12:16]), socket.inet_ntoa(pkt[16:20]), pkt[9], pkt[ihl:total],
                bool(fr & 0x3fff), pkt[:ihl])
    if pkt[0] >> 4 == 6 and len(pkt) >= 40:
        length, proto = struct.unpack_from("!HB", pkt, 4)
        at, frag = 40, False
        end = 40 + length
        while proto in (0, 43, 44, 60) and at + 8 <= len(pkt):
            size = 8 if proto == 44 else 8 + pkt[at + 1] * 8
            frag = frag or proto == 44
            proto, at = pkt[at], at + size
        return (socket.inet_ntop(socket.AF_INET6, pkt[8:24]), socket.inet_ntop(socket.AF_INET6, pkt[24:40]),
                proto, pkt[at:end], frag, pkt[:at])
    return None


def l4_payload(proto, data):
    """(sport, dport, payload)"""
    if proto == 6 and len(data) >= 20:
        return struct.unpack_from("!2H", data) + (data[(data[12] >> 4) * 4:],)
    if proto in (17, 136) and len(data) >= 8:
        return struct.unpack_from("!2H", data) + (data[8:],)
    return 0, 0, data


def checksum_ok(pkt):
    """Are the header and transport checksums of this IP packet right? None: cannot be told."""
    ip = parse_ip(pkt)
    if not ip:
        return None
    src, dst, proto, data, frag, head = ip
    if pkt[0] >> 4 == 4 and checksum(head) != 0:
        return False
    if frag:
        return None
    if proto in (6, 17, 58):
        if proto == 17 and data[6:8] == b"\0\0":
            return pkt[0] >> 4 == 4
        return checksum(pseudo(src, dst, proto, len(data)) + data) == 0
    if proto == 1:
        return checksum(data) == 0
    return None


def read_pcap(path):
    """[IP packet] of a LINKTYPE_RAW file, or of Ethernet frames."""
    data = open(path, "rb").read()
    if len(data) < 24:
        return []
    end = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link = struct.unpack_from(end + "I", data, 20)[0] & 0xffff
    at, out = 24, []
    while at + 16 <= len(data):
        size = struct.unpack_from(end + "I", data, at + 8)[0]
        pkt = data[at + 16:at + 16 + size]
        out.append(pkt[14:] if link == 1 else pkt)
        at += 16 + size
    return out
