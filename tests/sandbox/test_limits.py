# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of a profile: without them it works, over them it ends, and is told."""
import os
import time

import box as B
from box import check, modes

RUN = ("root", "user")


def limited(box, **limits):
    return box.profile(write=[box.work], limits=limits)


@modes(*RUN)
def test_time(box):
    box.succeeds_bare("hog_time", seconds=1)
    start = time.monotonic()
    r = box.boxed("hog_time", _profile=limited(box, time="300ms"), seconds=10)
    check(r.rc == 124 and time.monotonic() - start < 3, r.tell())
    check("300 ms" in r.err and "limits: time" in r.err, r.err)
    r = box.boxed("hog_time", _profile=limited(box, time="20s"), seconds=0.1)
    check(r.rc == 0 and not r.err, r.tell())


@modes(*RUN)
def test_time_of_what_was_started(box):
    """A process that went its own way ends, too: before it has slept."""
    p = limited(box, time="300ms")
    script = "import os,time\nif os.fork() == 0:\n os.setsid()\n time.sleep(1)\n open(%r, 'w')\nelse: time.sleep(9)\n"
    path = box.work + "/mark"
    p["command"] = [B.PYTHON, "-c", (script % path).replace("{", "{{").replace("}", "}}")]
    r = box.tool(p)
    check(r.rc == 124, r.tell())
    B.stays(lambda: not os.path.exists(path), 1.2, "it went on")


@modes(*RUN)
def test_cpu(box):
    box.succeeds_bare("hog_time", seconds=2.5, cpu=True)
    r = box.boxed("hog_time", _profile=limited(box, cpu="1s"), seconds=2.5, cpu=True, _call={"timeout": 50})
    check(r.rc in (128 + 24, 128 + 9), r.tell())
    r = box.boxed("hog_time", _profile=limited(box, cpu="1s"), seconds=1.5)
    check(r.rc == 0, "waiting is no work:", r.tell())


@modes(*RUN)
def test_file_size(box):
    box.attack("hog_file", _profile=limited(box, file_size="1M"), _errors="EFBIG", path=box.work + "/big",
               bytes=2 << 20)
    check(os.path.getsize(box.work + "/big") == 1 << 20, os.path.getsize(box.work + "/big"))
    r = box.boxed("hog_file", _profile=limited(box, file_size="4M"), path=box.work + "/big", bytes=2 << 20)
    check(r.report()["done"], r.tell())


@modes(*RUN)
def test_output(box):
    check(len(box.bare("hog_output", lines=200).out) > 20000, "no output without a box")
    r = box.boxed("hog_output", _profile=limited(box, output="10K"), lines=200, then=10)
    check(r.rc == 124 and r.seconds < 5, r.tell())
    check(len(r.out) == 10240 and "limits: output" in r.err, len(r.out), r.err)
    r = box.boxed("hog_output", _profile=limited(box, output="30K"), lines=200)
    check(r.rc == 0 and len(r.out) > 20000, r.tell())


@modes(*RUN)
def test_output_of_a_process_that_stays(box):
    """The end is the command's end, whoever still holds the pipe."""
    p = limited(box, output="10K")
    p["command"] = [B.PYTHON, "-c", "import os,time\nif os.fork() == 0: time.sleep(9)\nprint('x')"]
    r = box.tool(p)
    check(r.rc == 0 and r.out == "x\n" and r.seconds < 5, r.tell())


@modes("user")
def test_memory(box):
    for name, kw in (("hog_memory", {}), ("hog_memory_mapped", {"n": 8})):
        box.attack(name, _profile=limited(box, memory="200M"), _errors="ENOMEM", bytes=400 << 20, **kw)
        r = box.boxed(name, _profile=limited(box, memory="600M"), bytes=400 << 20, **kw)
        check(r.report()["done"], r.tell())


@modes("user")
def test_pids(box):
    for name in ("hog_processes", "hog_threads"):
        box.attack(name, _profile=limited(box, pids=8), _errors="EAGAIN", n=20)
        r = box.boxed(name, _profile=limited(box, pids=60), n=20)
        check(r.report()["done"], r.tell())


@modes(*RUN)
def test_private_directories_are_bounded(box):
    """They are memory of the machine."""
    for d in ("/tmp", "/dev/shm"):
        r = box.boxed("hog_file", path=d + "/big-%d" % os.getpid(), bytes=300 << 20)
        check(r.report()["error"] == "ENOSPC", r.tell())
    for d in ("/dev", "/run"):
        r = box.boxed("hog_file", path=d + "/big-%d" % os.getpid(), bytes=8 << 20)
        check(not r.report()["done"], r.tell())
