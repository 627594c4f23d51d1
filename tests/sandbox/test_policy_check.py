# SPDX-License-Identifier: GPL-2.0-or-later
"""agentctl policy check: what a box would refuse is told before, with its line and what to do."""
import os
import re
import shutil

from box import check, modes, need_program


def told(box, text, *want, rc=None):
    """Each of want is (line, error or warning, a word); no others are told."""
    path = box.policy(text=text)
    r = box.ctl("policy", "check", path)
    said = re.findall(r"^%s:(\d+):(\d+): (error|warning): (.*)" % re.escape(path), r.err, re.M)
    for line, kind, word in want:
        check([s for s in said if s[0] == str(line) and s[2] == kind and word in s[3]], line, kind, word, "in", r.err)
    check(len(said) == len(want), "others:", r.err)
    check(r.rc == (1 if any(w[1] == "error" for w in want) else 0), r.tell())
    return r


HEAD = """version: 1
workspace: %s
agent: {user: boxer}
tools:
"""


@modes("root", "user")
def test_write_without_read(box):
    d = box.directory("data")
    head = HEAD % box.work
    r = told(box, head + "  t:\n    command: [/bin/true]\n    write: [%s]\n" % d, (7, "warning", "but not read"))
    check("add it to read" in r.err, r.err)
    for read in (d, box.dir):
        told(box, head + "  t:\n    command: [/bin/true]\n    read: [%s]\n    write: [%s]\n" % (read, d))


@modes("root", "user")
def test_cwd(box):
    head = HEAD % box.work
    told(box, head + "  t:\n    command: [/bin/true]\n    cwd: $WORKSPACE\n", (5, "warning", "cwd"))
    told(box, head + "  t:\n    command: [/bin/true]\n    cwd: $WORKSPACE\n    read: [$WORKSPACE]\n")
    told(box, head + "  t:\n    command: [/bin/true]\n    cwd: /tmp\n")


@modes("root", "user")
def test_who_writes_a_program(box):
    program = box.copy("/bin/true", "work/out/prog")
    text = HEAD % box.work + """  make:
    command: [/bin/true]
    read: [$WORKSPACE]
    write: [$WORKSPACE/out]
  run:
    command: [%s]
""" % program
    r = told(box, text, (10, "warning", "'make' may write"))
    check("broad: true" in r.err, r.err)
    told(box, text + "    broad: true\n")


@modes("root", "user")
def test_links_that_lead_out(box):
    box.directory("secret")
    os.symlink(box.path("secret"), box.work + "/data")
    r = told(box, HEAD % box.work + "  t:\n    command: [/bin/true]\n    read: [$WORKSPACE/data]\n",
             (7, "error", "leads out of"))
    check("name the place that is meant: " + box.path("secret") in r.err, r.err)


@modes("root", "user")
def test_protected_places(box):
    box.file("work/.git/config", "x")
    r = told(box, HEAD % box.work + "  t:\n    command: [/bin/true]\n    read: [$WORKSPACE]\n    write: [$WORKSPACE/.git]\n",
             (8, "error", "protected place"))
    check("unprotect: [git-data]" in r.err, r.err)
    r = told(box, HEAD % box.work + "  t:\n    command: [/bin/true]\n    unprotect: [gti]\n", (7, "error", "'gti'"))
    check("git" in r.err, r.err)


@modes("root", "user")
def test_write_and_exec(box):
    box.copy("/bin/true", "work/prog")
    path = box.policy(text=HEAD % box.work + "  t:\n    command: [/bin/true]\n    read: [$WORKSPACE]\n"
                      "    write: [$WORKSPACE]\n    exec: [$WORKSPACE]\n")
    r = box.ctl("policy", "check", path)
    check(r.rc == 1 and ":9:" in r.err and "may be written, too" in r.err, r.tell())


@modes("root", "user")
def test_what_well_known_programs_bring(box):
    """Their libraries are found in their own places."""
    for name in ("python3", "git", "node", "gcc", "perl", "java", "clang", "pandoc", "sqlite3", "curl"):
        program = shutil.which(name, path="/usr/bin")
        if program and not os.path.realpath(program).startswith(("/root", "/opt")):
            told(box, HEAD % box.work + "  t:\n    command: [%s]\n    broad: true\n" % program)


@modes("root", "user")
def test_java_runs(box):
    """A program whose libraries lie beside it, found by its own run path."""
    java = need_program("java")
    r = box.tool({"command": [java, "-XshowSettings:none", "-version"], "broad": True, "limits": {"time": "40s"}}, timeout=50)
    check(r.rc == 0 and "penJDK" in r.err, r.tell())


@modes("root", "user")
def test_show(box):
    path = box.policy(text=HEAD % box.work + """  t:
    command: [/usr/bin/printf, "%s", "{text}"]
    read: [/etc/hostname]
    env: [LANG, {set: {TZ: UTC}}]
    limits: {time: 5s, memory: 64M}
    unprotect: [git]
    best_effort: true
  n:
    command: [/bin/true]
    egress: [{to: api.example.com, tls: {ech: allow}}]
""")
    r = box.ctl("policy", "show", path)
    check(r.rc == 0, r.tell())
    for word in ("t:", "/usr/bin/printf %s {text}", "/etc/hostname", "TZ=UTC", "time: 5000", "memory: 67108864",
                 "unprotect", "best_effort", "network  none", "api.example.com  ech allowed", "git-data", ".git/hooks", ".bashrc", "(always)"):
        check(word in r.out, word, "is not in", r.out)


def test_nothing_is_obeyed_by_the_terminal(box):
    """A policy may be a stranger's: escape sequences, as C0 and as C1 in UTF-8, are shown and not sent."""
    path = box.policy(text=HEAD % box.work + """  t:
    command: [/usr/bin/printf, "\\e[31m\\nred"]
    read: ["/nosuch\\u009b31m\u00e4"]
    env: [{set: {TZ: "\\e]0;x\\a"}}]
""")
    for args in (("policy", "show", path), ("policy", "check", path), ("tool", "-p", path, "--dry-run", "t")):
        r = box.ctl(*args)
        for bad in ("\x1b", "\x9b", "\a"):
            check(bad not in r.out + r.err, args, repr(bad), repr(r.out + r.err))
    r = box.ctl("policy", "show", path)
    check("\\x1b[31m\\x0ared" in r.out and "/nosuch\\xc2\\x9b31m\u00e4" in r.out and "\\x1b]0;x\\x07" in r.out, repr(r.out))
    r = box.ctl("policy", "check", path)
    check(r.rc == 1 and "/nosuch\\xc2\\x9b31m\u00e4 is not there" in r.err, repr(r.err))
