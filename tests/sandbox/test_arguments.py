# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments that a profile does not allow (row 29): the tool is not started."""
import os

import box as B
from box import check, modes

ECHO = [B.PYTHON, "-BIS", B.ATTACK, "arguments"]


def tool(box, *words):
    return dict(box.profile(), command=ECHO + list(words))


def given(box, words, args):
    r = box.tool(tool(box, *words), *args)
    check(r.rc == 0, "refused:", args, r.tell())
    return r.report()["argv"]


def refused(box, words, args, says, n=None):
    r = box.tool(tool(box, *words), *args)
    check(r.rc == 125 and not r.out, "accepted:", args, r.tell())
    check(says in r.err, repr(says), "is not in", r.err)
    check("usage: t" in r.err or n is None, "no usage in", r.err)
    check(r.err.isprintable() or all(c.isprintable() or c == "\n" for c in r.err), "control characters:", repr(r.err))


CASES = {
    "{word}": (["a", "a-b", "x@y.z", "+1", "a/b:c=d,e%20"],
               ["", "-a", "--version", "a b", "a\nb", "a;b", "$(id)", "a\x1b[2J", "ä", "a\x7f", "`id`", "a|b", "*", "a\\b"]),
    "{text}": (["", "a b", "a;b $(id)", "ä 語", "'\"`"],
               ["-a", "--", "a\nb", "a\rb", "\x1b]0;x\x07", "\x7f", "\u009b2J", "a\tb"]),
    "{text:lines}": (["a\nb\tc"], ["-a", "--x\n", "a\rb", "\x1b[2J"]),
    "{int:1-100}": (["1", "100", "007"],
                    ["0", "101", "-1", "1x", "", " 1", "1 ", "+1", "0x10", "1e2", "99999999999999999999", "1\n", "١"]),
    "{int:-5-5}": (["-5", "0"], ["-6", "6", "--5", "-"]),
    "{url}": (["https://a.example/", "http://a.example:8080/x?y=1&z#f", "https://[::1]/"],
              ["", "a.example", "ftp://a.example/", "file:///etc/passwd", "https://", "https:///x", "-o", "HTTPS://x/",
               "https://user:pass@a.example/", "https://user@a.example/", "https://a.example@b.example/",
               "https://a.example/ x", "https://a.example/\n", "https://a.example/\x01", "https://ä.example/",
               "https://a\\@b/", "https://a.example/{a,b}", "https://a.example/`id`", "javascript:alert(1)",
               "\thttps://a.example/", "https://a.example/<x>"]),
}


@modes("root")
def test_row29_values(box):
    for word, (good, bad) in CASES.items():
        for value in good:
            check(given(box, [word], [value]) == [value], word, value)
        for value in bad:
            refused(box, [word], [value], "must be", n=1)


@modes("root", "user")
def test_row29_options_where_values_belong(box):
    refused(box, ["{word}"], ["--output=/etc/passwd"], "may not begin with '-'", n=1)
    refused(box, ["-n", "{text}"], ["-x"], "may not begin with '-'", n=1)
    # where it is part of a word, or options are over, it is a value
    check(given(box, ["--name={text}"], ["-x"]) == ["--name=-x"], "--name=")
    check(given(box, ["--", "{text}"], ["-x"]) == ["--", "-x"], "--")
    # a "--" of the caller's does not make it so
    refused(box, ["{text}", "{text}"], ["--", "-x"], "may not begin with '-'", n=1)
    refused(box, ["{word}", "{word}"], ["a", "--"], "may not begin with '-'", n=1)


@modes("root", "user")
def test_row29_dashes_of_the_command_line(box):
    """agentctl takes the first -- only."""
    path = box.policy({"t": tool(box, "{word}")})
    for args in (["t", "a"], ["t", "--", "a"]):
        r = box.ctl("tool", "-p", path, *args)
        check(r.rc == 0 and r.report()["argv"] == ["a"], args, r.tell())
    for args in (["t", "--", "--", "a"], ["t", "a", "--"], ["t", "--", "--dry-run"], ["t", "-v"], ["t", "--help"]):
        r = box.ctl("tool", "-p", path, *args)
        check(r.rc == 125 and not r.out, args, r.tell())


@modes("root", "user")
def test_row29_number_of_arguments(box):
    refused(box, ["{word}", "{word}"], [], "{word} is missing", n=1)
    refused(box, ["{word}", "{word}"], ["a"], "{word} is missing", n=1)
    refused(box, ["{word}"], ["a", "b"], "1 argument too many", n=1)
    refused(box, [], ["a", "b"], "2 arguments too many", n=1)
    check(given(box, ["x"], []) == ["x"], "none")


@modes("root", "user")
def test_row29_braces(box):
    check(given(box, ["{{word}}", "{text}"], ["{word}"]) == ["{word}", "{word}"], "a value is no template")
    check(given(box, ["{text}"], ["%s%n"]) == ["%s%n"], "a value is no format")


@modes("root", "user")
def test_row29_paths(box):
    os.makedirs(box.work + "/sub")
    box.file("work/file", "x")
    outside = box.file("outside", "x")
    os.symlink(outside, box.work + "/out")
    os.symlink("/etc", box.work + "/etc")
    os.symlink("file", box.work + "/in")
    os.symlink(box.dir + "/not-there-yet", box.work + "/dangling")
    os.symlink(box.work, box.dir + "/way")
    words = ["{path:workspace}"]
    for value, real in (("file", "file"), ("./file", "file"), ("sub/../file", "file"), (box.work + "/file", "file"),
                        ("in", "file"), ("new", "new"), ("sub/new", "sub/new"), (".", ""),
                        (box.dir + "/way/file", "file")):
        check(given(box, words, [value]) == [os.path.join(box.work, real).rstrip("/")], value)
    for value in ("/etc/passwd", "../outside", outside, "out", "etc/passwd", "etc/new", "sub/../../outside",
                  "/", "..", "sub/..//../outside", box.work + "x", "nowhere/new", "sub/../../new",
                  "dangling", "file/", "new/", "new/..", "", "a\nb", "file\n"):
        refused(box, words, [value], "t:" if value and value.isprintable() else "must be")
    # an option is none, being a path
    check(given(box, words, ["-rf"]) == [box.work + "/-rf"], "a path that begins with '-'")


@modes("root", "user")
def test_row29_workspace_of_everything(box):
    """Of a workspace that is "/" every file is a part."""
    box.file("work/file", "x")
    path = box.policy({"t": tool(box, "{path:workspace}")}, workspace="/")
    for value, real in ((box.work + "/file", box.work + "/file"), (box.work[1:] + "/file", box.work + "/file"),
                        ("etc/passwd", "/etc/passwd"), ("/etc/../etc/passwd", "/etc/passwd"), ("new", "/new"),
                        (".", "/")):
        r = box.ctl("tool", "-p", path, "t", value, cwd=box.work)
        check(r.rc == 0 and r.report()["argv"] == [real], value, r.tell())


@modes("root", "user")
def test_row29_long_values(box):
    refused(box, ["{path:workspace}"], ["x" * 5000], "t:")
    check(len(given(box, ["{text}"], ["x" * 100000])[0]) == 100000, "a long text")


@modes("root", "user")
def test_row29_unknown_tool(box):
    path = box.policy({"t": tool(box)})
    r = box.ctl("tool", "-p", path, "other")
    check(r.rc == 125 and "no tool 'other'" in r.err and "there are: t" in r.err, r.tell())
    r = box.ctl("tool", "-p", path)
    check(r.rc == 125 and "which tool" in r.err, r.tell())
    r = box.ctl("tool", "-p", box.policy(), "t")
    check(r.rc == 125 and "no tool 't'" in r.err, r.tell())


@modes("root")
def test_row29_what_is_told_is_escaped(box):
    r = box.tool(tool(box, "{word}"), "\x1b]0;owned\x07" + "x" * 5000)
    check(r.rc == 125 and "\x1b" not in r.err and "\x07" not in r.err and len(r.err) < 1500, repr(r.err))
    r = box.ctl("tool", "-p", box.policy({"t": tool(box)}), "\x1b[2J")
    check(r.rc == 125 and "\x1b" not in r.err, repr(r.err))
