# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that the profile does not name, by every way that has been found to run one (row 27)."""
import glob
import os
import platform

import box as B
from box import check, modes, need

BOTH = ("root", "user", "agent")
ID = "/usr/bin/id"
LIBRARY = """
#include <unistd.h>
int answer(void) { return 42; }
__attribute__((constructor)) static void start(void) { write(1, "uid=loaded\\n", 11); }
"""


def loader():
    path = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}[platform.machine()]
    return os.path.realpath(path)


def reader(box, **more):
    """Reads every program of the host, writes its workspace, and may run Python."""
    return box.profile(read=["/usr/bin"], write=[box.work], **more)


@modes(*BOTH)
def test_row27_not_named(box):
    for program in (ID, "/bin/id", "/proc/self/root/usr/bin/id", "/proc/1/../self/root/usr/bin/id"):
        box.attack("run_program", _profile=reader(box), argv=[program], _errors="EACCES")


@modes(*BOTH)
def test_row27_loader(box):
    for argv in ([loader(), ID], [loader(), "--preload", "", ID], [loader(), "/proc/self/root" + ID],
                 [loader(), "--argv0", "id", ID]):
        box.attack("run_program", _profile=reader(box), argv=argv)


@modes(*BOTH)
def test_row27_loader_of_a_copy(box):
    for d in (box.work, "/tmp", "/dev/shm", "/var/tmp"):
        box.attack("copy_and_load", _profile=reader(box), program=ID, to="%s/copy-%d" % (d, os.getpid()), loader=loader())


@modes(*BOTH)
def test_row27_copies(box):
    for d in (box.work, "/tmp", "/dev/shm", "/var/tmp"):
        box.attack("copy_and_run", _profile=reader(box), program=ID, to="%s/copy-%d" % (d, os.getpid()),
                   _errors="EACCES")


@modes(*BOTH)
def test_row27_links(box):
    program = box.copy(ID, "tools/id")
    profile = reader(box, exec=[])
    profile["read"].append(box.path("tools"))
    box.attack("link_and_run", _profile=profile, program=program, to=box.work + "/hard", _errors="EXDEV EACCES EPERM")
    box.attack("symlink_and_run", _profile=profile, program=ID, to=box.work + "/soft", _errors="EACCES")
    box.attack("symlink_and_run", _profile=profile, program=program, to=box.work + "/soft", _errors="EACCES")


@modes(*BOTH)
def test_row27_link_beside_a_program(box):
    """A writable directory that holds a program of ours: a second name for it changes nothing."""
    program = box.copy(ID, "work/id")
    box.attack("link_and_run", _profile=reader(box), program=program, to=box.work + "/hard", _errors="EACCES")
    box.attack("run_program", _profile=reader(box), argv=[program], _errors="EACCES")


@modes(*BOTH)
def test_row27_descriptors(box):
    for how in ("proc", "empty", "at"):
        box.attack("run_descriptor", _profile=reader(box), program=ID, how=how, _errors="EACCES")


@modes("root", "user", "agent")
def test_row27_files_without_a_name(box):
    box.attack("unnamed", _profile=reader(box), program=ID, how="memfd", _errors="ENOSYS EACCES")
    for d in (box.work, "/tmp", "/dev/shm"):
        box.attack("unnamed", _profile=reader(box), program=ID, how="tmpfile", dir=d)


@modes(*BOTH)
def test_row27_scripts(box):
    """Of an interpreter that may run, and of others."""
    for text in ("#!%s -IS\nprint('uid=')\n" % B.PYTHON, "#!/bin/sh\necho uid=\n", "#!%s /bin/echo\n" % loader(),
                 "#!/bin/echo\n"):
        box.attack("script", _profile=reader(box), text=text, to=box.work + "/uid=script", _errors="EACCES")


def test_row27_script_without_its_interpreter(box):
    script = box.file("bin/job", "#!/bin/sh\necho uid=\n", 0o755)
    check("uid=" in box.call([script]).out, "the script does not run without a box")
    r = box.tool({"command": [script]})
    check(r.rc == 126 and "uid=" not in r.out and "interpreter" in r.err, r.tell())
    r = box.tool({"command": [script], "exec": [{"path": "/bin/sh", "broad": True}]})
    check(r.rc == 0 and "uid=" in r.out, "with its interpreter:", r.tell())


@modes(*BOTH)
def test_row27_preload(box):
    library = B.compiled("evil.so", LIBRARY, "-shared", "-fPIC")
    mine = box.copy(library, "work/evil.so")
    # a program that may run, as its victim
    profile = reader(box, exec=["/usr/bin/uname"])
    box.attack("preload", _profile=profile, program="/usr/bin/uname", library=mine, want="uid=loaded")
    r = box.boxed("preload", _profile=profile, program="/usr/bin/uname", library=mine, want="Linux")
    check(r.report()["done"], "the victim does not run:", r.tell())


@modes(*BOTH)
def test_row27_libraries(box):
    library = B.compiled("evil.so", LIBRARY, "-shared", "-fPIC")
    profile = reader(box)
    profile["read"].append(library)
    box.attack("load_library", _profile=profile, library=library)
    for d in (box.work, "/tmp", "/dev/shm"):
        box.attack("load_library", _profile=profile, library=library, copy="%s/copy-%d.so" % (d, os.getpid()))


@modes(*BOTH)
def test_row27_pages(box):
    need(platform.machine() == "x86_64", "the code is for x86-64")
    for how in ("mmap", "mprotect", "personality"):
        for d in (box.work, "/tmp", "/dev/shm"):
            box.attack("map_executable", _profile=reader(box), how=how, to="%s/code-%d" % (d, os.getpid()))


@modes(*BOTH)
def test_row27_programs_below_library_directories(box):
    """A compiler's or a desktop's helpers: the loader is asked for them."""
    found = [p for p in glob.glob("/usr/lib/*-linux-gnu/*/*") if os.access(p, os.X_OK) and os.path.isfile(p) and
             open(p, "rb").read(4) == b"\x7fELF" and ".so" not in p and p.count("/") == 5]
    need(found, "no program below the library directories of this host")
    program = found[0]
    argv = [loader(), "--list", program]
    bare = box.call(argv)
    check(bare.rc == 0, bare.tell())
    got = box.boxed("say", argv=[loader(), program], want="").report()
    check("failed to map" in got["err"] or "cannot" in got["err"] or "Permission" in got["err"], got)
    box.fails_boxed("run_program", argv=[program], _errors="EACCES")


@modes(*BOTH)
def test_row27_write_below_exec(box):
    """A writable directory inside one whose programs may run, and the other way round."""
    box.copy(ID, "bin/id")
    inner = box.directory("bin/data")
    profile = box.profile(read=["/usr/bin"], write=[inner], exec=[box.path("bin")])
    r = box.boxed("run_program", _profile=profile, argv=[box.path("bin/id")])
    check(r.report()["done"], "what may run does not:", r.tell())
    box.attack("copy_and_run", _profile=profile, program=ID, to=inner + "/copy", _errors="EACCES")
    box.attack("write", _profile=profile, path=box.path("bin/new"))
    program = box.copy(ID, "work/bin/id")
    profile = box.profile(read=["/usr/bin"], write=[box.work], exec=[program])
    r = box.boxed("run_program", _profile=profile, argv=[program])
    check(r.report()["done"], "what may run does not:", r.tell())
    box.succeeds_bare("write", path=program, how="a", text="")
    box.fails_boxed("write", _profile=profile, path=program, how="a")
    for how in ("unlink", "rename"):
        box.fails_boxed("change", _profile=profile, path=program, how=how, _errors="EBUSY EACCES EXDEV")
    # the directory above it is moved away, and another one made
    got = box.boxed("several", _profile=profile, list=[
        ["rename", {"path": box.work + "/bin", "to": box.work + "/old"}],
        ["make", {"how": "dir", "path": box.work + "/bin"}],
        ["copy_and_run", {"program": ID, "to": program}]]).report()
    check(got["came"][2] is not True, got)
    check(os.path.exists(program), "the program that may run was moved away")


@modes("root", "user")
def test_row27_write_and_exec(box):
    r = box.tool(box.profile(write=[box.work], exec=[box.work]))
    check(r.rc == 125 and "write and exec of the same place" in r.err and "hint" in r.err, r.tell())


# ---- deny below an allowed directory -------------------------------------------------------------

def denied(box, writable):
    """dir/sub/secret is denied, dir is readable or writable."""
    box.file("dir/sub/secret", "hunter2")
    box.file("dir/sub/other", "other")
    box.file("dir/closed/inside", "hunter2")
    d = box.path("dir")
    p = box.profile(read=[d], deny=[d + "/sub/secret", d + "/closed"], write=[box.work] + ([d] if writable else []))
    r = box.boxed("read", _profile=p, path=d + "/sub/other", want="other")
    check(r.report()["done"], "what is beside it is refused, too:", r.tell())
    return d, p


@modes(*BOTH)
def test_row27_deny(box):
    for writable in (False, True):
        d, p = denied(box, writable)
        secret = d + "/sub/secret"
        for path in (secret, d + "/sub/../sub/secret", "/proc/self/root" + secret, d + "/closed/inside",
                     "/proc/self/root" + d + "/closed/inside"):
            box.attack("read", _profile=p, path=path, want="hunter2", _errors="EACCES ENOENT")
        box.attack("listing", _profile=p, path=d + "/closed", want="inside", _errors="EACCES")
        box.attack("read_at", _profile=p, dir=d + "/sub", name="secret", want="hunter2", _errors="EACCES")
        box.attack("read_at", _profile=p, dir=d, name="closed/inside", want="hunter2", _errors="EACCES ENOENT")
        for name in ("secret", "/proc/self/cwd/secret", "../closed/inside"):
            box.attack("read_from", _profile=p, dir=d + "/sub", name=name, want="hunter2", _errors="EACCES ENOENT")
        for how in ("hard", "soft"):
            box.attack("read_by_link", _profile=p, how=how, path=secret, to=box.work + "/link", want="hunter2")
            box.attack("read_by_link", _profile=p, how=how, path=d + "/closed/inside", to=box.work + "/link",
                       want="hunter2")
        box.attack("read_by_handle", _uid=0, _profile=p, path=secret, want="hunter2")


@modes(*BOTH)
def test_row27_deny_and_rename(box):
    d, p = denied(box, True)
    w = box.work
    for kw in ({"path": d + "/sub/secret", "to": d + "/sub/open", "then": d + "/sub/open"},
               {"path": d + "/sub/secret", "to": w + "/open", "then": w + "/open"},
               {"path": d + "/sub", "to": d + "/moved", "then": d + "/moved/secret"},
               {"path": d + "/sub", "to": w + "/moved", "then": w + "/moved/secret"},
               {"path": d + "/closed", "to": d + "/open", "then": d + "/open/inside"},
               {"path": d + "/closed", "to": w + "/open", "then": w + "/open/inside"}):
        box.attack("read_by_rename", _profile=p, want="hunter2", **kw)
    box.file("dir/sub/swap", "other")
    box.attack("read_by_exchange", _profile=p, want="hunter2", path=d + "/sub/secret", to=d + "/sub/swap")
    check(open(d + "/sub/secret").read() == "hunter2", "the denied file was moved")


@modes(*BOTH)
def test_row27_deny_is_not_written(box):
    d, p = denied(box, True)
    for how in ("truncate", "unlink", "rename"):
        box.fails_boxed("change", _profile=p, path=d + "/sub/secret", how=how)
    for how in ("chmod", "utime", "rename", "rmdir"):
        box.fails_boxed("change", _profile=p, path=d + "/closed", how=how)
    box.fails_boxed("make", _profile=p, path=d + "/closed/new", how="file")
    box.fails_boxed("write", _profile=p, path=d + "/sub/secret")
    check(open(d + "/sub/secret").read() == "hunter2" and os.listdir(d + "/closed") == ["inside"], "it was written")


@modes(*BOTH)
def test_row27_deny_has_another_mount(box):
    """The host shows the denied place a second time."""
    d, p = denied(box, False)
    again, file_again = box.directory("dir/again"), box.file("dir/file-again")
    for source, target in ((d + "/closed", again), (d + "/sub/secret", file_again)):
        B.mount(source, target, flags=B.MS_BIND)
        box.at_end(lambda target=target: B.umount(target))
    box.attack("read", _profile=p, path=again + "/inside", want="hunter2", _errors="EACCES ENOENT")
    box.attack("read", _profile=p, path=file_again, want="hunter2", _errors="EACCES")
    whole = box.directory("whole")
    B.mount(d, whole, flags=B.MS_BIND)
    box.at_end(lambda: B.umount(whole))
    p["read"].append(whole)
    box.attack("read", _profile=p, path=whole + "/sub/secret", want="hunter2", _errors="EACCES")
    box.attack("read", _profile=p, path=whole + "/closed/inside", want="hunter2", _errors="EACCES ENOENT")


@modes("root", "user")
def test_row27_deny_of_what_is_not_there(box):
    d = box.directory("dir")
    p = box.profile(read=[d], deny=[d + "/secret"])
    r = box.tool(p)
    check(r.rc == 125 and "optional: true" in r.err and "deny" in r.err, r.tell())
    p["deny"] = [{"path": d + "/secret", "optional": True}]
    check(box.boxed("listing", _profile=p, path=d, want="x").rc == 0, "optional is not enough")
