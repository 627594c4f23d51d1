# SPDX-License-Identifier: GPL-2.0-or-later
"""What the box gives and takes: environment, arguments, limits, its end."""
import errno
import mmap
import os
import signal
import sys
import threading
import time


def environment(a):
    return {"done": True, "env": dict(os.environ), "cwd": os.getcwd()}


def arguments(a):
    return {"done": True, "argv": sys.argv[2:]}


def hog_memory(a):
    b = bytearray(a["bytes"])
    b[::4096] = b"x" * len(b[::4096])
    return True


def hog_memory_mapped(a):
    """The same by mmap, in pieces."""
    kept = []
    for _ in range(a["n"]):
        kept.append(mmap.mmap(-1, a["bytes"] // a["n"], flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        kept[-1].write(b"x" * len(kept[-1]))
    return True


def hog_processes(a):
    n = 0
    try:
        for n in range(a["n"]):
            if os.fork() == 0:
                time.sleep(5)  # all of them are there at once
                os._exit(0)
    finally:
        print("made %d" % n, flush=True)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return True


def hog_threads(a):
    stop = threading.Event()
    threads = []
    try:
        for _ in range(a["n"]):
            t = threading.Thread(target=stop.wait, args=(5,))
            t.start()
            threads.append(t)
    except RuntimeError:
        raise OSError(errno.EAGAIN, "no threads")
    finally:
        stop.set()
    return True


def hog_time(a):
    """So many seconds; with cpu: of work."""
    clock = time.process_time if a.get("cpu") else time.monotonic
    end = clock() + a["seconds"]
    while clock() < end:
        if not a.get("cpu"):
            time.sleep(0.05)  # time goes by without work
    return True


def hog_file(a):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open(a["path"], "wb", buffering=0) as f:
        left = a["bytes"]
        while left:
            left -= f.write(b"x" * min(left, 65536))
    return True


def hog_output(a):
    for _ in range(a["lines"]):
        os.write(1, b"x" * 99 + b"\n")
    time.sleep(a.get("then", 0))  # it would go on
    return True


def exit_with(a):
    if "signal" in a:
        os.kill(os.getpid(), a["signal"])
        time.sleep(5)  # the signal ends it
    os._exit(a["status"])


def wait_signal(a):
    got = []
    for s in a["signals"]:
        signal.signal(s, lambda n, _: got.append(n))
    print("READY", flush=True)
    end = time.monotonic() + 10
    while not got and time.monotonic() < end:
        time.sleep(0.01)  # a handler has run
    return {"done": bool(got), "got": got}
