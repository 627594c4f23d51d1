# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to run what is not allowed: copies, links, files without a name, libraries, pages."""
import ctypes
import os
import subprocess

from common import AT_EMPTY_PATH, checked, in_child, libc, output, raise_errno, sys_call


def run_program(a):
    return output(a["argv"])


def copy_and_run(a):
    data = open(a["program"], "rb").read()
    with open(a["to"], "wb") as f:
        f.write(data)
    os.chmod(a["to"], 0o755)
    try:
        return output([a["to"]])
    finally:
        os.unlink(a["to"])


def copy_and_load(a):
    """The loader is asked to run what was written."""
    data = open(a["program"], "rb").read()
    with open(a["to"], "wb") as f:
        f.write(data)
    try:
        return output([a["loader"], a["to"]])
    finally:
        os.unlink(a["to"])


def link_and_run(a):
    os.link(a["program"], a["to"])
    try:
        return output([a["to"]])
    finally:
        os.unlink(a["to"])


def symlink_and_run(a):
    os.symlink(a["program"], a["to"])
    try:
        return output([a["to"]])
    finally:
        os.unlink(a["to"])


def script(a):
    with open(a["to"], "w") as f:
        f.write(a["text"])
    os.chmod(a["to"], 0o755)
    try:
        return output([a["to"]])
    finally:
        os.unlink(a["to"])


def run_descriptor(a):
    """execveat of an open file, by /proc/self/fd, or by a directory and a name."""
    argv = (ctypes.c_char_p * 2)(b"id", None)
    envp = (ctypes.c_char_p * 1)(None)
    if a["how"] == "at":
        directory, name = os.path.split(a["program"])
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    else:
        fd = os.open(a["program"], os.O_RDONLY)

    def go():
        if a["how"] == "proc":
            os.execve("/proc/self/fd/%d" % fd, ["id"], {})
        elif a["how"] == "at":
            sys_call("execveat", fd, name.encode(), argv, envp, 0)
        else:
            sys_call("execveat", fd, b"", argv, envp, AT_EMPTY_PATH)
    return in_child(go)


def unnamed(a):
    """A program in a file without a name: memfd, memfd_secret, O_TMPFILE."""
    if a["how"] == "memfd":
        fd = sys_call("memfd_create", b"x", 0)
    else:
        fd = os.open(a["dir"], os.O_RDWR | os.O_TMPFILE, 0o755)
    os.write(fd, open(a["program"], "rb").read())
    os.fchmod(fd, 0o755)
    path = "/proc/self/fd/%d" % fd
    if a["how"] == "tmpfile":  # a file that is open for writing is not run
        ro = os.open(path, os.O_RDONLY)
        os.close(fd)
        path = "/proc/self/fd/%d" % ro
    return in_child(lambda: os.execve(path, ["id"], {}))


def preload(a):
    """A library of ours in a process that is started."""
    out = subprocess.run([a["program"]], env={"LD_PRELOAD": a["library"]}, capture_output=True, text=True)
    return {"done": a["want"] in out.stdout, "out": out.stdout, "err": out.stderr}


def load_library(a):
    if "copy" in a:
        data = open(a["library"], "rb").read()
        with open(a["copy"], "wb") as f:
            f.write(data)
    try:
        lib = ctypes.CDLL(a.get("copy", a["library"]))
    except OSError as e:
        return {"done": False, "error": str(e)}
    finally:
        if "copy" in a:
            os.unlink(a["copy"])
    return {"done": lib.answer() == 42}


def map_executable(a):
    """Pages of a file that was written, as code: at once, by mprotect, or by a personality."""
    fd = os.open(a["to"], os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o755)
    os.write(fd, b"\xb8\x2a\0\0\0\xc3" + b"\x90" * 4090)  # mov eax, 42; ret
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    R, X, SHARED, PRIVATE = 1, 4, 1, 2
    if a["how"] == "personality":
        libc.personality(0x0400000)  # READ_IMPLIES_EXEC
    try:
        p = libc.mmap(None, 4096, R | X if a["how"] == "mmap" else R, SHARED if a["how"] == "mprotect" else PRIVATE, fd, 0)
        if p == ctypes.c_void_p(-1).value:
            raise_errno()
        if a["how"] == "mprotect":
            libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
            checked(libc.mprotect(p, 4096, R | X))
        for line in open("/proc/self/maps"):
            if int(line.split("-")[0], 16) == p:
                return {"done": line.split()[1][2] == "x", "error": "EACCES"}
    finally:
        os.unlink(a["to"])
    return False
