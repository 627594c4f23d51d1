# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that does what a test tells it, inside a fence or outside: one call a line on its input,
a JSON list [function, arguments...]; one JSON answer a line, {"ok": value} or {"error": errno name}.

Sockets are kept under names that the test gives them.
"""
import errno
import hashlib
import json
import socket
import struct
import sys
import threading
import time

sockets = {}
served = set()


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def make(kind, address, port, timeout):
    s = socket.socket(family(address), kind)
    s.settimeout(timeout)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if s.family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((address, port))
    return s


def listen(key, address, port, timeout=3.0):
    s = make(socket.SOCK_STREAM, address, port, timeout)
    s.listen(64)
    sockets[key] = s


def serve(key, address, port, greeting="", echo=True):
    """A TCP server in a thread of its own: a greeting, then what it gets, back; then the end."""
    listen(key, address, port, None)
    served.add(key)

    def one(c):
        try:
            c.sendall(greeting.encode())
            while echo:
                data = c.recv(65536)
                if not data:
                    break
                c.sendall(data)
            c.close()
        except OSError:
            pass

    def loop():
        while True:
            try:
                c, _ = sockets[key].accept()
            except (OSError, KeyError):
                return
            threading.Thread(target=one, args=(c,), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()


def udp(key, address, port, timeout=2.0):
    sockets[key] = make(socket.SOCK_DGRAM, address, port, timeout)
    return sockets[key].getsockname()[1]


def udp_echo(key, address, port, word="echo:"):
    """A UDP server in a thread of its own: every datagram back, with a word in front."""
    udp(key, address, port, None)

    def loop():
        while True:
            try:
                data, peer = sockets[key].recvfrom(65536)
                sockets[key].sendto(word.encode() + data, peer)
            except OSError:
                pass
            except KeyError:
                return
    threading.Thread(target=loop, daemon=True).start()


def accept(key, new):
    c, peer = sockets[key].accept()
    c.settimeout(3)
    sockets[new] = c
    return list(peer[:2])


def connect(key, to, port, source="", sport=0, kind="tcp", timeout=3.0):
    """Returns the milliseconds that it took."""
    s = make(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM,
             source or ("::" if ":" in to else "0.0.0.0"), sport, timeout)
    start = time.monotonic()
    while True:
        try:
            s.connect((to, port))
            break
        except OSError as e:  # one before, with the same four-tuple, is not quite over
            if e.errno != errno.EADDRNOTAVAIL or not sport or time.monotonic() > start + 1:
                raise
            time.sleep(0.01)
    sockets[key] = s
    return (time.monotonic() - start) * 1000


def timed_connect(*args, **kw):
    """[errno name or null, milliseconds]"""
    start = time.monotonic()
    try:
        connect(*args, **kw)
        err = None
    except socket.timeout:
        err = "TIMEOUT"
    except OSError as e:
        err = errno.errorcode.get(e.errno, str(e.errno))
    return [err, (time.monotonic() - start) * 1000]


def hammer(to, port, sport, token, seconds):
    """New connections from one port, again and again, and the token in each that comes about."""
    end, made = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        try:
            connect("hammer", to, port, sport=sport, timeout=0.2)
            sockets["hammer"].sendall(token.encode())
            made += 1
            time.sleep(0.05)  # one after the other, not as many as one can
        except OSError:
            pass
        finally:
            if "hammer" in sockets:
                close("hammer", True)
    return made


def send(key, text):
    sockets[key].sendall(text.encode())


def send_hex(key, text):
    sockets[key].sendall(bytes.fromhex(text))


def resolve(name, like):
    """One of the name's addresses, of the family of like."""
    return socket.getaddrinfo(name, 443, family(like))[0][4][0]


def send_to(key, text, to, port):
    sockets[key].sendto(text.encode(), (to, port))


def recv(key, n=65536):
    return sockets[key].recv(n).decode("latin1")


def recv_from(key):
    data, peer = sockets[key].recvfrom(65536)
    return [data.decode("latin1")] + list(peer[:2])


def bulk(key, n):
    """Sends n bytes to an echo server and reads them back: are they the same?"""
    s, data = sockets[key], b"0123456789abcdef" * 4096
    sent, got = hashlib.sha256(), hashlib.sha256()
    s.settimeout(20)

    def out():
        left = n
        while left:
            part = data[:left]
            sent.update(part)
            s.sendall(part)
            left -= len(part)
    t = threading.Thread(target=out)
    t.start()
    left = n
    while left:
        part = s.recv(1 << 18)
        if not part:
            break
        got.update(part)
        left -= len(part)
    t.join()
    return sent.digest() == got.digest()


def close(key, reset=False):
    s = sockets.pop(key)
    if key in served:  # its thread waits in accept
        s.shutdown(socket.SHUT_RDWR)
        served.discard(key)
    if reset:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def port(key):
    return sockets[key].getsockname()[1]


def sleep(seconds):
    time.sleep(seconds)


def main():
    print("READY", flush=True)
    for line in sys.stdin:
        name, *args = json.loads(line)
        try:
            answer = {"ok": globals()[name](*args)}
        except socket.timeout:
            answer = {"error": "TIMEOUT"}
        except OSError as e:
            answer = {"error": errno.errorcode.get(e.errno, str(e.errno))}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
