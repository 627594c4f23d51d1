# SPDX-License-Identifier: GPL-2.0-or-later
"""Protected places in what a box may write: what is there stays as it is, what is made is moved aside."""
import os
import re
import subprocess
import time

import box as B
from box import check, modes

ALL = ("root", "user", "agent")
PROTECTED = 123
ASIDE = ".agentfw-quarantine"
# the list of policy/lists/protected.c: (name of unprotect, path)
PLACES = re.findall(r'^    \{(NULL|"[a-z-]+"), "([^"]+)", (\w+)\}', open(B.ROOT + "/policy/lists/protected.c").read(), re.M)
PLACES = [(name.strip('"'), path, flags) for name, path, flags in PLACES]


def project(box, *names):
    """The workspace, with these files."""
    for name in names:
        box.file("work/" + name, "mine")
    return box.profile(read=[box.work], write=[box.work])


def tree(path):
    return sorted(os.path.relpath(os.path.join(d, n), path) for d, _, files in os.walk(path) for n in files)


@modes(*ALL)
def test_there_are_read_only(box):
    """Every place of the list, in every way a file can be changed."""
    check(len(PLACES) > 60, "the list was not found")
    files = [p for _, p, _ in PLACES if not any(o != p and o.startswith(p + "/") for _, o, _ in PLACES)]
    p = project(box, *files)
    for path in files:
        real = box.work + "/" + path
        box.succeeds_bare("write", path=real, how="a", text="")
        got = box.boxed("several", _profile=p, list=[
            ["write", {"path": real}], ["change", {"how": "truncate", "path": real}],
            ["change", {"how": "unlink", "path": real}], ["change", {"how": "rename", "path": real}],
            ["change", {"how": "chmod", "path": real}], ["rename", {"path": box.work + "/x", "to": real}],
            ["make", {"how": "hard", "to": real, "path": box.work + "/y"}]]).report()
        check(not got["done"], path, got["came"])
        check(open(real).read() == "mine", path, "was changed")


@modes(*ALL)
def test_there_are_directories(box):
    p = project(box, ".git/hooks/pre-commit", ".git/config", ".vscode/tasks.json", ".config/autostart/x", "src/a")
    for path in (".git/hooks/new", ".git/hooks/pre-commit", ".git/config", ".git/new", ".vscode/new", ".vscode/tasks.json",
                 ".config/autostart/new"):
        box.attack("write", _profile=p, path=box.work + "/" + path, text="mine", how="a",
                   _undo=lambda path=path: "new" in path and os.unlink(box.work + "/" + path))
    for path in (".git", ".git/hooks", ".vscode", ".config", ".config/autostart"):
        real = box.work + "/" + path
        box.attack("change", _profile=p, how="rename", path=real, _errors="EBUSY EROFS EXDEV EACCES",
                   _undo=lambda real=real: os.rename(real + ".moved", real))
    # what is beside them can be written
    got = box.boxed("several", _profile=p, list=[["write", {"path": box.work + "/src/a"}],
                                                 ["write", {"path": box.work + "/new"}],
                                                 ["write", {"path": box.work + "/.config/other"}]])
    check(got.rc == 0 and got.report()["came"] == [True] * 3, got.tell())


@modes(*ALL)
def test_moved_away_and_made_again(box):
    p = project(box, ".git/hooks/pre-commit", ".git/config", ".config/autostart/x", ".claude/settings.json")
    for d in (".git", ".config", ".claude"):
        got = box.boxed("several", _profile=p, list=[
            ["rename", {"path": box.work + "/" + d, "to": box.work + "/old"}],
            ["make", {"how": "dir", "path": box.work + "/" + d}],
            ["write", {"path": box.work + "/" + d + "/hooks/x", "parents": True}]]).report()
        check(got["came"][0] is not True and got["came"][1] is not True, got)
    check(open(box.work + "/.git/hooks/pre-commit").read() == "mine", "the hooks are others now")


@modes(*ALL)
def test_nested_repositories(box):
    """A repository below a writable place is a project like the place itself."""
    p = project(box, "a/b/c/.git/hooks/pre-commit", "a/b/c/.git/config", "a/b/c/.vscode/tasks.json", "a/b/c/src/x",
                "sub/.git", "deep/er/.envrc")
    for path in ("a/b/c/.git/hooks/pre-commit", "a/b/c/.git/config", "a/b/c/.vscode/tasks.json", "sub/.git",
                 "deep/er/.envrc"):
        box.attack("write", _profile=p, path=box.work + "/" + path, text="mine")
    for path in ("a", "a/b", "a/b/c", "a/b/c/.git", "sub", "sub/.git", "deep/er", "deep"):
        box.fails_boxed("change", _profile=p, how="rename", path=box.work + "/" + path)
    check(box.boxed("write", _profile=p, path=box.work + "/a/b/c/src/x").report()["done"], "its files are closed")


def made(box, profile, calls, expected, left=()):
    """What the calls make is refused. Where no call can be watched, and for who shows one name and means
    another, it is moved aside and told."""
    before = box.path("before")
    subprocess.run(["cp", "-a", box.work, before], check=True)
    r = box.tool(profile, *box.words("several", {"list": calls}))
    came = r.report()["came"]
    check("EPERM" in came or r.rc == PROTECTED, "exit status:", r.tell())
    for path in expected:
        check(not os.path.lexists(box.work + "/" + path), path, "is there:", tree(box.work), r.tell())
    subprocess.run("rm -rf %s; mv %s %s" % (box.work, before, box.work), shell=True, check=True)
    box.unwatched()
    r = box.tool(profile, *box.words("several", {"list": calls}))
    check(r.rc == PROTECTED, "exit status:", r.tell())
    for path in expected:
        check(not os.path.lexists(box.work + "/" + path), path, "is there:", tree(box.work), r.tell())
        check(os.path.lexists(box.work + "/" + path + ASIDE), path, "was not moved aside:", tree(box.work), r.tell())
        check(path + ": made by the command" in r.err, path, "is not told:", r.err)
    for path in left:
        check(os.path.exists(box.work + "/" + path), path, "is gone")
    return r


@modes(*ALL)
def test_made_in_the_place_itself(box):
    """Every place of the list."""
    p = project(box)
    paths = [path for _, path, _ in PLACES if not path.startswith(".git/")]
    calls = [["write", {"path": box.work + "/" + path, "parents": True}] for path in paths]
    box.succeeds_bare("several", list=calls)
    subprocess.run("rm -rf %s/.[a-zA-Z]* %s/*" % (box.work, box.work), shell=True, check=True)
    r = box.tool(p, *box.words("several", {"list": calls}))
    check(r.rc == 0 and not r.report()["done"], "with watched calls:", r.tell())
    check(not any(os.path.exists(box.work + "/" + path) for path in paths), tree(box.work))
    box.unwatched()
    r = box.tool(p, *box.words("several", {"list": calls}))
    check(r.rc == PROTECTED, r.tell())
    for path in paths:
        check(not os.path.exists(box.work + "/" + path), path, "is there:", r.tell())
    check("and %d more" % (len(paths) - 20) in r.err, r.err)


@modes(*ALL)
def test_made_in_every_way(box):
    box.file("work/ready/pre-commit", "evil", 0o755)
    box.file("work/file", "evil")
    p = project(box)
    w = box.work
    made(box, p, [["make", {"how": "dir", "path": w + "/.git"}]], [".git"])
    made(box, p, [["rename", {"path": w + "/ready", "to": w + "/.vscode"}]], [".vscode"], ["file"])
    made(box, p, [["make", {"how": "link", "to": "file", "path": w + "/.bashrc"}]], [".bashrc"], ["file"])
    made(box, p, [["make", {"how": "hard", "to": w + "/file", "path": w + "/.profile"}]], [".profile"], ["file"])
    made(box, p, [["make", {"how": "fifo", "path": w + "/.envrc"}]], [".envrc"])


@modes(*ALL)
def test_made_below(box):
    """In a directory that was there, in one that is new, and in one that comes in by its name."""
    box.file("work/src/x")
    p = project(box)
    w = box.work
    made(box, p, [["write", {"path": w + "/src/.git/hooks/pre-commit", "parents": True}]], ["src/.git"])
    made(box, p, [["write", {"path": w + "/new/er/.git/config", "parents": True}]], ["new/er/.git"])
    made(box, p, [["write", {"path": w + "/src/deep/.envrc", "parents": True}]], ["src/deep/.envrc"])
    made(box, p, [["write", {"path": w + "/conf/autostart/x", "parents": True}],
                  ["rename", {"path": w + "/conf", "to": w + "/.config"}]], [".config/autostart"])
    made(box, p, [["write", {"path": w + "/one/.git", "parents": True}],
                  ["rename", {"path": w + "/one", "to": w + "/src/two"}]], ["src/two/.git"])


@modes(*ALL)
def test_made_beside_a_repository(box):
    p = project(box, "a/.git/config", "a/src/x")
    made(box, p, [["write", {"path": box.work + "/a/.vscode/tasks.json", "parents": True}]], ["a/.vscode"])
    made(box, p, [["write", {"path": box.work + "/a/CLAUDE.md"}]], ["a/CLAUDE.md"], ["a/.git/config"])


@modes(*ALL)
def test_made_through_a_link(box):
    """Nothing outside is touched when things are moved aside."""
    box.file("elsewhere/autostart/mine", "mine")
    p = project(box)
    w = box.work
    r = box.tool(p, *box.words("several", {"list": [
        ["make", {"how": "link", "to": box.path("elsewhere"), "path": w + "/.config"}]]}))
    check(os.path.exists(box.path("elsewhere/autostart/mine")), "what a link leads to was moved", r.tell())
    check(r.rc == PROTECTED and not os.path.lexists(w + "/.config"), r.tell())


@modes("root", "user")
def test_links_that_were_there(box):
    """A dotfile is often a link: neither it nor what it leads to changes."""
    box.file("work/dotfiles/bashrc", "mine")
    box.file("work/conf/git/config", "mine")
    os.symlink("dotfiles/bashrc", box.work + "/.bashrc")
    os.symlink("conf", box.work + "/.config")
    p = project(box)
    check(box.boxed("write", _profile=p, path=box.work + "/x").rc == 0, "links are taken for new")
    for path in ("dotfiles/bashrc", ".bashrc", "conf/git/config"):
        box.fails_boxed("write", _profile=p, path=box.work + "/" + path)
    r = made(box, p, [["change", {"how": "unlink", "path": box.work + "/.bashrc"}],
                      ["write", {"path": box.work + "/.bashrc"}]], [".bashrc"])
    check("evil" not in r.out, r.out)


@modes(*ALL)
def test_seen_at_once(box):
    """Not only at the end: the user's editor is at work in the same directory."""
    box.unwatched()
    p = project(box, "a/.git/config")
    for path in (".vscode/tasks.json", ".config/autostart/x", "a/.claude/settings.json", ".mcp.json"):
        real = box.work + "/" + path
        r = box.tool(p, *box.words("several", {"list": [
            ["write", {"path": real, "parents": True}], ["hog_time", {"seconds": 0.5}],
            ["stat", {"path": real}]]}))
        check(r.rc == PROTECTED and r.report()["came"][2] == "ENOENT", path, r.tell())


RACE = """
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static volatile uint64_t name;
static uint64_t harmless, meant;
static void *flip(void *arg)
{
	for (;;) {
		name = meant;
		for (int i = 0; i < 300; i++)
			name = harmless;
	}
}
int main(int argc, char **argv)
{
	time_t end = time(NULL) + 4;
	pthread_t t;
	struct stat st;
	memcpy(&harmless, "harmles", 8);
	memcpy(&meant, ".vscode", 8);
	name = harmless;
	chdir(argv[1]);
	pthread_create(&t, NULL, flip, NULL);
	while (time(NULL) < end) {
		if (mkdir((const char *)&name, 0755) == 0 && rmdir("harmles") < 0)
			return 7; /* it was the other one */
	}
	return 0;
}
"""


@modes("root", "user")
def test_one_name_shown_and_another_meant(box):
    """Between our look and the kernel's a thread writes another name: it comes to nothing."""
    racer = B.compiled("racer", RACE, "-pthread")
    r = box.tool(dict(project(box), command=[racer, box.work]), timeout=50)
    check(not os.path.exists(box.work + "/.vscode"), r.tell())
    # it was made, and moved aside; or it never came through
    check(r.rc == (PROTECTED if os.path.exists(box.work + "/.vscode" + ASIDE) else 0), r.tell())


@modes("root", "user")
def test_flood(box):
    """A command that makes it over and over is ended."""
    box.unwatched()
    p = project(box)
    p["command"] = [B.PYTHON, "-BIS", "-c", (
        "import os\nfor i in range(100000):\n  try: os.mkdir('%s/.vscode')\n  except OSError: pass\n" % box.work
    ).replace("{", "{{").replace("}", "}}")]
    r = box.tool(p)
    check(r.rc == PROTECTED and not os.path.exists(box.work + "/.vscode"), r.tell())
    check(len(os.listdir(box.work)) <= 101 and len(r.err.splitlines()) < 40, r.tell())


@modes(*ALL)
def test_hidden_from_the_look(box):
    """In a directory that the command closed."""
    box.unwatched()
    p = project(box)
    r = box.tool(p, *box.words("several", {"list": [
        ["write", {"path": box.work + "/a/.git/config", "parents": True}],
        ["mode", {"path": box.work + "/a", "mode": 0}]]}))
    check(r.rc == PROTECTED, r.tell())
    check("a/.git: made by" in r.err or "a: cannot be looked into" in r.err, r.err)
    os.chmod(box.work + "/a", 0o755)


@modes("root", "user")
def test_too_deep(box):
    box.unwatched()
    p = project(box)
    p["command"] = [B.PYTHON, "-BIS", "-c", (
        "import os\nos.chdir('%s')\nfor i in range(300):\n  os.mkdir('d')\n  os.chdir('d')\nos.mkdir('.git')\n" % box.work)]
    r = box.tool(p)
    check(r.rc == PROTECTED and "too many or too deep" in r.err, r.tell())
    r = box.tool(p)
    check(r.rc == 125 and "protected places" in r.err and "hint" in r.err, "the next one:", r.tell())
    subprocess.run(["rm", "-rf", box.work + "/d"], check=True)


@modes(*ALL)
def test_unprotect(box):
    p = project(box, ".git/hooks/pre-commit", ".git/config", ".git/HEAD")
    w = box.work
    commit = [["write", {"path": w + "/.git/HEAD"}], ["write", {"path": w + "/.git/objects/x", "parents": True}]]
    config = [["write", {"path": w + "/.git/config"}], ["write", {"path": w + "/.git/hooks/new"}]]
    for names, free, closed in (([], [], commit + config), (["git-data"], commit, config), (["git"], commit + config, [])):
        p["unprotect"] = names
        if free:
            r = box.boxed("several", _profile=p, list=free)
            check(r.rc == 0 and all(c is True for c in r.report()["came"]), names, r.tell())
        for call in closed:
            box.fails_boxed(call[0], _profile=p, **call[1])
        subprocess.run(["rm", "-rf", w + "/.git/objects", w + "/.git/hooks/new"], check=True)
    p["unprotect"] = ["git", "editor"]
    r = box.boxed("several", _profile=p, list=[["write", {"path": w + "/new/.git/config", "parents": True}],
                                               ["write", {"path": w + "/.vscode/x", "parents": True}]])
    check(r.rc == 0 and os.path.exists(w + "/new/.git/config") and os.path.exists(w + "/.vscode/x"), r.tell())
    # with git-data nothing new runs programs
    p["unprotect"] = ["git-data"]
    made(box, p, [["write", {"path": w + "/.git/commondir"}]], [".git/commondir"])


@modes("root", "user")
def test_unprotect_of_another_tool(box):
    """What that one may make is not taken for this one's."""
    p = project(box)
    path = box.policy({"t": p, "other": {"command": ["/bin/true"], "unprotect": ["git"]}})
    r = box.tool(None, *box.words("write", {"path": box.work + "/sub/.git/config", "parents": True}), policy=path)
    check(r.rc == 0 and os.path.exists(box.work + "/sub/.git/config"), r.tell())
    r = box.tool(None, *box.words("write", {"path": box.work + "/.vscode/x", "parents": True}), policy=path)
    check(not r.report()["done"] and not os.path.exists(box.work + "/.vscode"), r.tell())


@modes("root", "user")
def test_unknown_name(box):
    r = box.tool(dict(project(box), unprotect=["gti"]))
    check(r.rc == 125 and re.search(r":\d+:\d+: error: there is no protected place 'gti'", r.err), r.tell())


@modes("root", "user")
def test_named_places(box):
    """A writable place that is a protected one, lies in one, or is the first part of one."""
    project(box, ".git/hooks/pre-commit", ".git/config", ".config/git/config", ".config/x")
    w = box.work
    for path in (".git", ".git/hooks", ".config/git"):
        r = box.tool(box.profile(write=[w + "/" + path]))
        check(r.rc == 125 and "protected place" in r.err and "unprotect:" in r.err, path, r.tell())
    p = box.profile(write=[w + "/.git"], unprotect=["git-data"])
    box.fails_boxed("write", _profile=p, path=w + "/.git/config")
    check(box.boxed("write", _profile=p, path=w + "/.git/HEAD").report()["done"], ".git/HEAD")
    p = box.profile(write=[w + "/.config"])
    box.fails_boxed("write", _profile=p, path=w + "/.config/git/config")
    made(box, p, [["write", {"path": w + "/.config/autostart/x", "parents": True}]], [".config/autostart"])


@modes(*ALL)
def test_the_policy_itself(box):
    """Wherever it lies in a writable place, and the one that is taken when none is named."""
    for name in ("work/p.yaml", "work/conf/deep/p.yaml"):
        d = box.directory(os.path.dirname(name))
        p = box.profile(write=[box.work], read=[box.work])
        path = box.policy({"t": p}) if box.mode != "agent" else None
        if box.mode == "agent":
            continue
        os.rename(path, box.path(name))
        for how, kw in (("write", {"path": box.path(name)}), ("change", {"how": "unlink", "path": box.path(name)}),
                        ("change", {"how": "rename", "path": box.path(name)}),
                        ("change", {"how": "rename", "path": d})):
            if d == box.work and kw["path"] == d:
                continue
            r = box.tool(None, *box.words(how, kw), policy=box.path(name))
            check(not r.report()["done"], name, how, kw, r.tell())
    made(box, box.profile(write=[box.work]), [["write", {"path": box.work + "/agentfw.yaml"}]], ["agentfw.yaml"])


@modes(*ALL)
def test_secrets_in_what_is_named(box):
    """Cloud credentials and keys are not read because the home directory is."""
    secrets = [path for _, path, flags in PLACES if flags == "PROTECTED_SECRET"]
    check(len(secrets) > 8, secrets)
    p = project(box, *secrets)
    for path in secrets:
        box.attack("read", _profile=p, path=box.work + "/" + path, want="mine", _errors="EACCES")
    # in the home directory of the user, when something above it is named
    os.makedirs(B.HOME + "/.aws", exist_ok=True)
    B.write(B.HOME + "/.aws/credentials", "mine", 0o644)
    above = box.profile(read=[os.path.dirname(B.HOME)])
    box.attack("read", _profile=above, path=B.HOME + "/.aws/credentials", want="mine", _errors="EACCES ENOENT")
    # named, or opened, they are read
    p["read"].append(box.work + "/.aws")
    check(box.boxed("read", _profile=p, path=box.work + "/.aws", want="mine").report()["done"], "named")
    p = dict(project(box), unprotect=["ssh"])
    check(box.boxed("read", _profile=p, path=box.work + "/.ssh", want="mine").report()["done"], "opened")


@modes("root", "user")
def test_many_directories_are_quick(box):
    for i in range(40):
        for k in range(50):
            os.makedirs("%s/d%d/e%d" % (box.work, i, k))
    p = project(box)
    times = []
    for profile in (box.profile(), p):
        start = time.monotonic()
        for _ in range(5):
            check(box.tool(dict(profile, command=["/bin/true"])).rc == 0, "it fails")
        times.append(time.monotonic() - start)
    check(times[1] - times[0] < 5, "looking through 2,000 directories takes", times)


@modes("root", "user")
def test_nothing_is_moved_that_was_there(box):
    files = [p for _, p, _ in PLACES if not any(o != p and o.startswith(p + "/") for _, o, _ in PLACES)]
    p = project(box, *(files + ["sub/" + f for f in files]))
    before = tree(box.work)
    r = box.boxed("write", _profile=p, path=box.work + "/x")
    check(r.rc == 0 and not r.err and tree(box.work) == sorted(before + ["x"]), r.tell())
