# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls by number, and programs that are run: what the attacks share."""
import ctypes
import os
import subprocess

libc = ctypes.CDLL(None, use_errno=True)
CLONE = {"user": 0x10000000, "net": 0x40000000, "mount": 0x20000, "pid": 0x20000000, "time": 0x80,
         "cgroup": 0x2000000, "ipc": 0x8000000, "uts": 0x4000000}
NR = {"socket": 41, "clone": 56, "shmget": 29, "shmat": 30, "ptrace": 101, "process_vm_readv": 310, "memfd_create": 319,
      "execveat": 322, "io_uring_setup": 425, "keyctl": 250, "add_key": 248, "pidfd_open": 434,
      "pidfd_send_signal": 424, "mq_open": 240, "open_by_handle_at": 304, "open_tree": 428,
      "pidfd_getfd": 438, "sendmmsg": 307, "bpf": 321, "renameat2": 316, "request_key": 249,
      "memfd_secret": 447, "mount_setattr": 442, "fsopen": 430, "clone3": 435, "setns": 308}
AT_EMPTY_PATH, MFD_CLOEXEC = 0x1000, 1


def sys_call(name, *args):
    args = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    libc.syscall.restype = ctypes.c_long
    r = libc.syscall(ctypes.c_long(NR[name]), *args)
    if r < 0:
        raise_errno()
    return r


def raise_errno():
    e = ctypes.get_errno()
    raise OSError(e, os.strerror(e))


def checked(r):
    if r < 0:
        raise_errno()
    return r


def output(argv, **kw):
    """What a program says; OSError when it cannot be run."""
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, **kw)
    return {"done": p.returncode == 0 and "uid=" in p.stdout, "out": p.stdout, "err": p.stderr, "rc": p.returncode}


def in_child(fn):
    """fn in a child that it may replace; what the child says."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(w, 1)
        os.dup2(w, 2)
        try:
            fn()
        except OSError as e:
            os.write(1, b"errno=%d" % e.errno)
        os._exit(0)
    os.close(w)
    text = b""
    while chunk := os.read(r, 65536):
        text += chunk
    os.close(r)
    os.waitpid(pid, 0)
    if text.startswith(b"errno="):
        e = int(text[6:])
        raise OSError(e, os.strerror(e))
    return {"done": b"uid=" in text, "out": text.decode(errors="replace")}


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
