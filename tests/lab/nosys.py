# SPDX-License-Identifier: GPL-2.0-or-later
"""nosys.py NR[:ERRNO[:WHERE]],... CMD...: the system calls fail, as where the kernel has not got them. With WHERE only where
the first argument is one of the numbers FROM-TO, or has one of the bits of a mask."""
import ctypes, os, struct, sys
AUDIT_X86_64 = 0xc000003e
calls = [c.split(":") for c in sys.argv[1].split(",")]
prog = []
def ins(code, jt, jf, k): prog.append(struct.pack("HBBI", code, jt, jf, k))
ins(0x20, 0, 0, 0)
for c in calls:
    where = [int(n, 0) for n in c[2].split("-")] if c[2:] else []
    ins(0x15, 0, {0: 1, 1: 4, 2: 5}[len(where)], int(c[0]))
    if where:
        ins(0x20, 0, 0, 16)
    if len(where) == 1:
        ins(0x45, 1, 0, where[0])
    elif where:
        ins(0x35, 0, 1, where[0]); ins(0x25, 0, 1, where[1])
    if where:
        ins(0x06, 0, 0, 0x7fff0000)
    ins(0x06, 0, 0, 0x00050000 | (int(c[1]) if len(c) > 1 else 38))
ins(0x06, 0, 0, 0x7fff0000)
buf = ctypes.create_string_buffer(b"".join(prog))
class F(ctypes.Structure): _fields_ = [("len", ctypes.c_ushort), ("p", ctypes.c_void_p)]
f = F(len(prog), ctypes.addressof(buf))
libc = ctypes.CDLL(None, use_errno=True)
assert os.geteuid() == 0 or libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(f), 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execvp(sys.argv[2], sys.argv[2:])
