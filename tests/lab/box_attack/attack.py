"""What an attacker in a box tries: attack.py NAME key=JSON...

He has every instruction: Python, and through ctypes every system call. A function returns whether it
did what it wanted, or a dictionary that says more; an OSError is a refusal. One line of JSON is printed.
The same code runs without a box, where it must succeed.
"""
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

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


# ---- sockets -------------------------------------------------------------------------------------

def make_socket(a):
    sys_call("socket", a["family"], a["type"], a["protocol"])
    return True


def raw_packet(a):
    """An IP header by hand."""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    data = a["token"].encode()
    udp = struct.pack("!HHHH", 7, a["port"], 8 + len(data), 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton("127.0.0.1"),
                     socket.inet_aton("127.0.0.1"))
    s.sendto(ip + udp, ("127.0.0.1", 0))
    return True


def tcp_send(a):
    s = socket.create_connection(("127.0.0.1", a["port"]), 2)
    s.sendall(a["token"].encode())
    return True


def udp_send(a):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(a["token"].encode(), ("127.0.0.1", a["port"]))
    return True


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.c_void_p),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("len", ctypes.c_uint32)]


def sendmmsg(a):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    data = ctypes.create_string_buffer(a["token"].encode())
    name = ctypes.create_string_buffer(struct.pack("=H", 2) + struct.pack("!H", a["port"]) +
                                       socket.inet_aton("127.0.0.1") + b"\0" * 8, 16)
    iov = Iovec(ctypes.addressof(data), len(a["token"]))
    msg = Msghdr(ctypes.addressof(name), 16, ctypes.addressof(iov), 1)
    return sys_call("sendmmsg", s.fileno(), ctypes.byref(msg), 1, 0) == 1


def uring(a):
    params = ctypes.create_string_buffer(120)
    sys_call("io_uring_setup", 4, params)
    return True


def unix_connect(a):
    """path, or an abstract name"""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(2)
    s.connect("\0" + a["abstract"] if "abstract" in a else a["path"])
    s.sendall(a["token"].encode())
    return True


def fd_send(a):
    """By a descriptor that was held before."""
    os.write(a["fd"], a["token"].encode())
    return True


def fd_read(a):
    return {"done": a["want"] in os.pread(a["fd"], 4096, 0).decode()}


def fds(a):
    """Every descriptor there is."""
    found = []
    for n in map(int, os.listdir("/proc/self/fd")):
        try:
            os.fstat(n)
            found.append(n)
        except OSError:
            pass  # that of the listing
    return {"done": any(fd > 2 for fd in found), "fds": sorted(found), "error": "none over 2"}


# ---- leaving -------------------------------------------------------------------------------------

def join_cgroup(a):
    with open(a["path"] + "/cgroup.procs", "w") as f:
        f.write("0")
    return True


def unshare(a):
    checked(libc.unshare(CLONE[a["what"]]))
    return True


def clone(a):
    pid = sys_call("clone", CLONE[a["what"]] | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def setns(a):
    fd = os.open(a["path"], os.O_RDONLY)
    checked(libc.setns(fd, 0))
    return True


def setns_pidfd(a):
    fd = sys_call("pidfd_open", a["pid"], 0)
    checked(libc.setns(fd, CLONE[a["what"]]))
    return True


def trace(a):
    PTRACE_ATTACH, PTRACE_DETACH = 16, 17
    sys_call("ptrace", PTRACE_ATTACH, a["pid"], 0, 0)
    os.waitpid(a["pid"], 0x40000000)  # __WALL
    sys_call("ptrace", PTRACE_DETACH, a["pid"], 0, 0)
    return True


def read_memory(a):
    """process_vm_readv of another process."""
    start = int(open("/proc/%d/maps" % a["pid"]).readline().split("-")[0], 16)
    buf = ctypes.create_string_buffer(4)
    local = Iovec(ctypes.addressof(buf), 4)
    remote = Iovec(start, 4)
    sys_call("process_vm_readv", a["pid"], ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return {"done": buf.raw == b"\x7fELF"}


def read_mem_file(a):
    """/proc/PID/mem of another process."""
    pid = os.getppid() if a["pid"] == "parent" else a["pid"]
    start = int(open("/proc/%d/maps" % pid).readline().split("-")[0], 16)
    fd = os.open("/proc/%d/mem" % pid, os.O_RDWR)
    return {"done": os.pread(fd, 4, start) == b"\x7fELF"}


def send_signal(a):
    number = a.get("signal", signal.SIGUSR1)
    signal.signal(number, signal.SIG_IGN) if number not in (9, 19) else None
    pid = {"group": 0, "all": -1}.get(a["pid"], a["pid"])
    os.kill(pid, number)
    return True


def pidfd_signal(a):
    sys_call("pidfd_send_signal", sys_call("pidfd_open", a["pid"], 0), signal.SIGUSR1, None, 0)
    return True


def mount(a):
    checked(libc.mount(a.get("source", "none").encode(), a["target"].encode(), a.get("type", "tmpfs").encode(),
                       ctypes.c_ulong(a.get("flags", 0)), None))
    return True


def umount(a):
    checked(libc.umount2(a["target"].encode(), 2))
    return True


def chroot(a):
    os.chroot(a["path"])
    return True


def linger(a):
    """A process that goes on when the command has ended."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(s, signal.SIG_IGN)
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            time.sleep(a["seconds"])
            open(a["path"], "w").write("still here")
        os._exit(0)
    return True


# ---- programs ------------------------------------------------------------------------------------

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
    R, W, X, SHARED, PRIVATE = 1, 2, 4, 1, 2
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


# ---- files ---------------------------------------------------------------------------------------

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


def several(a):
    """One attack after the other, as one process: which of them came through."""
    came = []
    for name, args in a["list"]:
        try:
            r = globals()[name](args)
            ok = r if isinstance(r, bool) else r["done"]
        except OSError as e:
            ok = errno.errorcode.get(e.errno, str(e.errno))
        came.append(ok)
    return {"done": any(c is True for c in came), "came": came, "error": str(came)}


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


# ---- secrets -------------------------------------------------------------------------------------

def environ_of(a):
    pid = os.getppid() if a["pid"] == "parent" else a["pid"]
    return {"done": a["want"].encode() in open("/proc/%d/environ" % pid, "rb").read()}


def look_at(a):
    """The other things that /proc tells of a process: cwd, root, exe, fd, maps."""
    pid = os.getppid() if a["pid"] == "parent" else a["pid"]
    base = "/proc/%d/" % pid
    what = a["what"]
    if what in ("fd", "fdinfo", "map_files"):
        os.listdir(base + what)
    elif what in ("maps", "mem", "auxv", "syscall", "stack", "personality"):
        open(base + what, "rb").read(1) if what != "mem" else os.open(base + what, os.O_RDONLY)
    else:
        os.readlink(base + what)
    return True


def pids(a):
    """Processes that can be seen."""
    found = sorted(int(n) for n in os.listdir("/proc") if n.isdigit())
    return {"done": a["pid"] in found, "pids": found}


def push_input(a):
    for c in a["text"]:
        fcntl.ioctl(a.get("fd", 0), 0x5412, c.encode())  # TIOCSTI
    return True


def crash(a):
    """A core dump in the working directory."""
    os.chdir(a["dir"])
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    os.wait()
    return {"done": any(n.startswith("core") for n in os.listdir(a["dir"]))}


def core_limit(a):
    """A limit of 1 is one that no pipe to a handler of the host gets over, either; 0 is not."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return {"done": resource.getrlimit(resource.RLIMIT_CORE) != (1, 1), "error": "still 1"}


def say(a):
    """What a program says, through the lines with the wanted beginning."""
    p = subprocess.run(a["argv"], capture_output=True, text=True)
    return {"done": a["want"] in p.stdout, "out": p.stdout, "err": p.stderr}


def status(a):
    text = open("/proc/self/status").read()
    return {"done": True, "status": dict(l.split(":\t", 1) for l in text.splitlines() if ":\t" in l)}


def become(a):
    os.setuid(0) if a["how"] == "setuid" else os.setgroups([0])
    return True


def keyring(a):
    """The user's keyring, which all his processes share."""
    KEYCTL_SEARCH, KEYCTL_READ, USER = 10, 11, -4
    key = sys_call("keyctl", KEYCTL_SEARCH, USER, b"user", a["name"].encode(), 0)
    buf = ctypes.create_string_buffer(100)
    n = sys_call("keyctl", KEYCTL_READ, key, buf, 100, 0)
    return {"done": buf.raw[:n].decode() == a["want"]}


def add_key(a):
    data = a["text"].encode()
    return sys_call("add_key", b"user", a["name"].encode(), data, len(data), -4) > 0


def shared_memory(a):
    n = sys_call("shmget", a["key"], 4096, 0)
    libc.shmat.restype = ctypes.c_void_p
    p = libc.shmat(n, None, 0o10000)
    if p == ctypes.c_void_p(-1).value:
        raise_errno()
    return {"done": ctypes.string_at(p, len(a["want"])).decode() == a["want"]}


def message_queue(a):
    sys_call("mq_open", a["name"].encode(), os.O_RDWR, 0, None)
    return True


# ---- the box itself ------------------------------------------------------------------------------

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
                time.sleep(5)
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
            time.sleep(0.05)
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
    time.sleep(a.get("then", 0))
    return True


def exit_with(a):
    if "signal" in a:
        os.kill(os.getpid(), a["signal"])
        time.sleep(5)
    os._exit(a["status"])


def wait_signal(a):
    got = []
    for s in a["signals"]:
        signal.signal(s, lambda n, _: got.append(n))
    print("READY", flush=True)
    end = time.monotonic() + 10
    while not got and time.monotonic() < end:
        time.sleep(0.01)
    return {"done": bool(got), "got": got}


def main():
    a = {}
    for word in sys.argv[2:] if sys.argv[1] != "arguments" else ():
        key, _, value = word.partition("=")
        a[key] = json.loads(value)
    answer = {"done": False, "error": None}
    try:
        r = globals()[sys.argv[1]](a)
        answer.update(r if isinstance(r, dict) else {"done": bool(r)})
    except MemoryError:
        answer["error"] = "ENOMEM"
    except OSError as e:
        answer["error"] = errno.errorcode.get(e.errno, str(e.errno)) if e.errno else str(e)
        answer["text"] = str(e)
    os.write(1, (json.dumps(answer) + "\n").encode())


if __name__ == "__main__":
    main()
