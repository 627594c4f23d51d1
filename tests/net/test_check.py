# SPDX-License-Identifier: GPL-2.0-or-later
"""agentctl policy check: profiles that cannot work on this host, with their lines and the fix."""
import os
import random
import subprocess

import lab as L
from lab import check


def checked(lab, text, *want):
    """The diagnostics, each as (line, a word in it); no others."""
    path = lab.file(".yaml", text)
    r = lab.bare([L.AGENTCTL, "policy", "check", path])
    said = [l for l in r.err.splitlines() if l.startswith(path + ":")]
    check(r.rc == (1 if want else 0), r.tell())
    for line, word in want:
        check([l for l in said if l.startswith("%s:%d:" % (path, line)) and word in l], "line", line, word, "in", r.err)
    check(len(said) == len(want), "more than that:", r.err)
    return r


def test_all_that_is_wrong(lab):
    r = checked(lab, """version: 1
agent:
  user: nobody
  read: [/nosuch, {path: /nosuch2, optional: true}, /etc]
  write: [/var/tmp]
  exec: [/usr/bin/ldd, /etc/passwd, /usr/bin/id]
tools:
  missing:
    command: [/usr/bin/nosuchprogram, x]
  stranger:
    command: [/usr/bin/id]
    user: nosuchuser
  lost:
    command: [/usr/bin/curl, x]
    cwd: /etc/passwd
  link:
    command: [/usr/bin/id]
    deny: [/nosuch3]
""", (4, "/nosuch is not there"), (5, "but not read"), (6, "bash"), (6, "cannot be executed"), (9, "command: /usr/bin/nosuchprogram is not there"), (10, "nosuchuser"), (13, "no directory"),
            (18, "/nosuch3"))
    check("hint: add it to exec: {path: /bin/bash, broad: true}" in r.err, r.err)
    check("write {path: /nosuch, optional: true}" in r.err, r.err)
    check("install it, or name the program that is there" in r.err, r.err)
    check("path: /usr/bin/nosuchprogram" not in r.err, "a command cannot be optional:", r.err)


def test_of_the_agent_as_a_whole(lab):
    """What belongs to no entry of a list is said where the profile begins."""
    checked(lab, "version: 1\negress: [a.example]\nagent:\n  user: nobody\n  read: [/usr]\n  cwd: /nosuch\n", (4, "cwd: /nosuch is no directory"))
    checked(lab, "version: 1\negress: [a.example]\nagent: {user: nosuchuser}\n", (3, "there is no user 'nosuchuser'"))


def test_what_works_is_silent(lab):
    """Programs of many kinds: static and dynamic ones, scripts with their interpreters, directories."""
    programs = [p for p in ("/usr/bin/curl", "/usr/bin/git", "/usr/sbin/tcpdump", "/usr/bin/openssl")
                if os.path.exists(p)]
    checked(lab, "version: 1\nagent: {user: nobody, exec: [%s, /usr/bin/ldd, {path: /bin/bash, broad: true}, {path: /usr/lib/git-core}]}\n"
            % ", ".join(programs))


def test_libraries(lab):
    """A library in a place of its own: from there nothing can be mapped unless exec names it."""
    where = lab.file(".prog")
    os.makedirs(where + "/lib")
    for name, text, args in (("lib/libown.so", "int own(void) { return 7; }", ["-shared", "-fPIC"]),
                             ("prog", "int own(void); int main(void) { return own(); }",
                              ["-L", where + "/lib", "-lown", "-Wl,-rpath,$ORIGIN/lib"])):
        src = os.path.join(where, "x.c")
        with open(src, "w") as f:
            f.write(text)
        subprocess.run(["gcc", "-o", os.path.join(where, name), src] + args, check=True)
    pol = "version: 1\nagent: {user: nobody}\ntools:\n  own:\n    command: [%s/prog]\n" % where
    run = lambda text: lab.bare([L.AGENTCTL, "tool", "-p", lab.file(".yaml", text), "own"])
    r = checked(lab, pol, (5, "libown.so"))
    check("add %s/lib to exec" % os.path.realpath(where) in r.err, r.err)
    check(run(pol).rc == 127, "it works all the same")
    more = pol + "    exec: [%s/lib]\n" % where
    checked(lab, more)
    check(run(more).rc == 7, run(more).tell())
    os.unlink(where + "/lib/libown.so")
    checked(lab, more, (5, "none of the library directories"))


def test_damaged_programs(lab):
    """Whatever the bytes of a program are, the check comes to an end and says something or nothing."""
    where = lab.file(".prog")
    rng = random.Random(1)
    whole = open("/usr/bin/id", "rb").read()
    pol = lab.file(".yaml", "version: 1\nagent: {user: nobody, exec: [%s]}\n" % where)
    for i in range(60):
        data = bytearray(whole[:rng.randrange(1, len(whole))] if i % 3 == 0 else whole)
        for _ in range(20):
            data[rng.randrange(min(len(data), 4096))] = rng.randrange(256)
        with open(where, "wb") as f:
            f.write(data)
        os.chmod(where, 0o755)
        r = lab.bare([L.AGENTCTL, "policy", "check", pol])
        check(r.rc in (0, 1), r.tell())
