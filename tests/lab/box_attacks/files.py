# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to read and change files."""
import ctypes
import os
import socket

from common import checked, libc, sys_call


def read(a):
    return {"done": a["want"] in open(a["path"]).read()}


def read_at(a):
    """Through a descriptor of the directory."""
    d = os.open(a["dir"], os.O_RDONLY | os.O_DIRECTORY)
    return {"done": a["want"] in os.read(os.open(a["name"], os.O_RDONLY, dir_fd=d), 4096).decode()}


def read_from(a):
    os.chdir(a["dir"])
    return {"done": a["want"] in open(a["name"]).read()}


def read_by_link(a):
    make = os.link if a["how"] == "hard" else os.symlink
    make(a["path"], a["to"])
    try:
        return {"done": a["want"] in open(a["to"]).read()}
    finally:
        os.unlink(a["to"])


def read_by_rename(a):
    """What is moved: the file, or a directory above it."""
    os.rename(a["path"], a["to"])
    try:
        return {"done": a["want"] in open(a["then"]).read()}
    finally:
        os.rename(a["to"], a["path"])


def read_by_exchange(a):
    sys_call("renameat2", -100, a["path"].encode(), -100, a["to"].encode(), 2)  # RENAME_EXCHANGE
    try:
        return {"done": a["want"] in open(a["to"]).read()}
    finally:
        sys_call("renameat2", -100, a["path"].encode(), -100, a["to"].encode(), 2)


def read_by_handle(a):
    handle = ctypes.create_string_buffer(128)
    handle[0] = 120
    mount_id = ctypes.c_int()
    checked(libc.name_to_handle_at(-100, a["path"].encode(), handle, ctypes.byref(mount_id), 0))
    d = os.open(os.path.dirname(a["path"]), os.O_RDONLY)
    fd = sys_call("open_by_handle_at", d, handle, os.O_RDONLY)
    return {"done": a["want"] in os.read(fd, 4096).decode()}


def listing(a):
    return {"done": a["want"] in os.listdir(a["path"]), "names": os.listdir(a["path"])}


def stat(a):
    os.lstat(a["path"])
    return True


def watch(a):
    """inotify tells what others do."""
    fd = checked(libc.inotify_init1(0))
    checked(libc.inotify_add_watch(fd, a["path"].encode(), 0xfff))
    return True


def write(a):
    if "parents" in a:
        os.makedirs(os.path.dirname(a["path"]), exist_ok=True)
    with open(a["path"], a.get("how", "w")) as f:
        f.write(a.get("text", "changed"))
    return True


def make(a):
    """A new name, of every kind."""
    how, path = a["how"], a["path"]
    if how == "file":
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    elif how == "dir":
        os.mkdir(path)
    elif how == "link":
        os.symlink(a.get("to", "/nowhere"), path)
    elif how == "hard":
        os.link(a["to"], path)
    elif how == "fifo":
        os.mkfifo(path)
    elif how == "socket":
        socket.socket(socket.AF_UNIX).bind(path)
    return True


def change(a):
    """What is neither reading nor writing: mode, times, attributes, length, names."""
    how, path = a["how"], a["path"]
    if how == "chmod":
        os.chmod(path, 0o600)
    elif how == "utime":
        os.utime(path, (1, 1))
    elif how == "xattr":
        os.setxattr(path, "user.x", b"1")
    elif how == "truncate":
        os.truncate(path, 0)
    elif how == "rename":
        os.rename(path, path + ".moved")
    elif how == "unlink":
        os.unlink(path)
    elif how == "rmdir":
        os.rmdir(path)
    elif how == "chown":
        os.chown(path, os.getuid(), os.getgid())
    return True


def mode(a):
    os.chmod(a["path"], a["mode"])
    return True


def rename(a):
    os.rename(a["path"], a["to"])
    return True


def reopen(a):
    """A descriptor for reading becomes one for writing."""
    fd = os.open("/proc/self/fd/%d" % a["fd"], os.O_WRONLY)
    os.write(fd, b"changed")
    return True
