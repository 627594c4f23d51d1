# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmodified programs: allowed, they work; refused, they say so at once and the log says who it was."""
import os
import shutil
import time

import lab as L
import topo
from lab import check, need_program

REFUSED_DNS = ("dns-name", "no-rule", "dns-refused")


def start_up(lab):
    """What a fence costs before and after a command, in ms."""
    pol = L.policy("api.allowed.test")
    return min(lab.run(pol, ["/bin/true"]).ms for _ in range(2))


def fast(lab, pol, refused, closed_port):
    """The refusal, without the program's own start: compared with the same program against a closed
    local port outside of a fence. A slow machine gets more tries, never more time."""
    best, r = 1e9, None
    for _ in range(3):
        r = lab.run(pol, refused)
        best = min(best, r.ms - start_up(lab) - lab.bare(closed_port).ms)
        if best < L.FAST_MS:
            break
    check(L.fast(best), "refused after %d ms" % best, r.tell())
    return r


def refused(r, *, exe=None, says=(), command=None, text=None, address=None, port=None, packet=True):
    check(r.rc != 0, "a refused program ends with status 0:", r.tell())
    check(not says or any(s.lower() in r.said.lower() for s in says), "the program's own error is not shown:",
          r.tell())
    e = r.event(text=text or address, action="denied")
    L.check_event(r, e, exe=exe, command=command, address=address, port=port, packet=packet)
    if address:
        check(len(r.events(text=address)) >= 1)
        L.tcpdump_clean(r)
    return e


def url_client(lab, cmd_for, exe, says, out="hello from the far end", timed=True, name_says=None):
    """A program that is given a URL: allowed by name, refused by name, refused by address, both
    families; cmd_for(url) is its command line."""
    pol = L.policy("api.allowed.test")
    r = lab.run(pol, cmd_for("https://api.allowed.test/"))
    check(r.rc == 0 and out in r.out, "allowed, and yet:", r.tell(), [
        (e["agentfw"]["code"], e["agentfw"].get("endpoint"), e["event"]["reason"]) for e in r.events()][:5])
    check(not r.events(), "events of an allowed request:", r.events())

    r = lab.run(pol, cmd_for("https://evil.test/"))
    e = refused(r, exe=exe, says=name_says or says, text="evil.test", command="evil.test", packet=False)
    check(e.get("dns", {}).get("question", {}).get("name", "").rstrip(".") == "evil.test", "question", e)
    check(not lab.zone.asked("evil"), "the name reached the upstream server")
    for address, host in ((topo.EVIL4, topo.EVIL4), (topo.EVIL6, "[%s]" % topo.EVIL6)):
        r = lab.run(pol, cmd_for("https://%s/" % host))
        refused(r, exe=exe, says=says, address=address, port=443, command=address)
    if timed:
        fast(lab, pol, cmd_for("https://%s/" % topo.EVIL4), cmd_for("https://127.0.0.1:1/"))
    check(not [a for a in lab.far.accepted if topo.EVIL4 in a[1]])


def test_curl(lab):
    curl = need_program("curl")
    url_client(lab, lambda u: [curl, "-sS", u], curl, ("curl:",))


def test_curl_time(lab):
    """By curl's own clock."""
    curl = need_program("curl")
    for url in ("https://evil.test/", "https://%s/" % topo.EVIL4, "https://[%s]/" % topo.EVIL6,
                "http://%s:9000/" % topo.ALLOWED4):
        best = 1e9
        for _ in range(3):
            r = lab.run(L.policy("api.allowed.test"), [curl, "-sS", "-w", "%{time_total}", url])
            check(r.rc in (6, 7), "exit status of curl", r.tell())
            best = min(best, float(r.out.strip()) * 1000)
        check(L.fast(best), url, "refused after", best, "ms")


def test_curl_families(lab):
    curl = need_program("curl")
    for flag in ("-4", "-6"):
        r = lab.run(L.policy("api.allowed.test"), [curl, flag, "-sS", "https://api.allowed.test/"])
        check(r.rc == 0 and "hello" in r.out, flag, r.tell())


def test_curl_http(lab):
    curl = need_program("curl")
    pol = L.policy("http://api.allowed.test:8080")
    r = lab.run(pol, [curl, "-sS", "http://api.allowed.test:8080/"])
    check(r.rc == 0 and "hello" in r.out, r.tell())
    r = lab.run(pol, [curl, "-sS", "-H", "Host: evil.test", "http://api.allowed.test:8080/"])
    check(r.rc != 0, r.tell())
    r.event(text="evil.test")
    check(["evil.test"] not in [q[2] for q in lab.far.requests], "the request arrived")


def test_wildcard_and_deny(lab):
    curl = need_program("curl")
    pol = L.policy("*.cdn.test", deny=["*.private.cdn.test"])
    for name, ok in (("a.cdn.test", True), ("a.b.cdn.test", True), ("cdn.test", False),
                     ("x.private.cdn.test", False)):
        r = lab.run(pol, [curl, "-sS", "https://%s/" % name])
        check((r.rc == 0) == ok, name, r.tell())
        if not ok:
            r.event(text=name)


def test_address_rules(lab):
    curl = need_program("curl")
    pol = L.policy("203.0.113.8/29:443", "[2001:db8::10]:443")
    for url, ok in (("https://203.0.113.10/", 1), ("https://203.0.113.10:8443/", 0), ("https://203.0.113.20/", 0),
                    ("https://[2001:db8::10]/", 1), ("https://[2001:db8::11]/", 0)):
        r = lab.run(pol, [curl, "-sS", url])
        check((r.rc == 0) == bool(ok), url, r.tell())


def test_pinned_name(lab):
    """dns.hosts needs no upstream."""
    curl = need_program("curl")
    lab.zone.dead = True
    pol = L.policy("pinned.allowed.test", hosts={"pinned.allowed.test": topo.ALLOWED4})
    r = lab.run(pol, [curl, "-sS", "https://pinned.allowed.test/"])
    check(r.rc == 0 and "hello" in r.out, r.tell())
    check(not lab.zone.queries, "a pinned name was asked upstream:", lab.zone.queries)


def test_wget(lab):
    wget = need_program("wget")
    url_client(lab, lambda u: [wget, "-nv", "-t1", "-O-", "--ca-certificate=" + lab.pki.ca, u], wget,
               ("refused", "unable to resolve", "failed"))


def test_openssl(lab):
    exe = need_program("openssl")

    def cmd(host, name):
        return [exe, "s_client", "-connect", host, "-servername", name, "-verify_return_error", "-brief"]
    pol = L.policy("api.allowed.test")
    r = lab.run(pol, cmd("api.allowed.test:443", "api.allowed.test"))
    check(r.rc == 0 and "Verification: OK" in r.said, r.tell())
    r = lab.run(pol, cmd(topo.EVIL4 + ":443", "api.allowed.test"))
    refused(r, exe=exe, says=("connect:",), address=topo.EVIL4, port=443)
    r = lab.run(pol, cmd("api.allowed.test:443", "evil.test"))
    check(r.rc != 0, r.tell())
    e = r.event(text="evil.test", code=("other-name", "no-rule"))
    L.check_event(r, e, exe=exe, port=443)
    check("evil.test" not in lab.far.snis, "the hello arrived")


def test_git(lab):
    git = need_program("git")
    pol = L.policy("git.test")
    home = lab.env()["HOME"]
    where = home + "/refused"
    r = lab.run(pol, [git, "clone", "-q", "https://git.test/repo.git", home + "/clone"])
    check(r.rc == 0, r.tell(), [(e["agentfw"]["code"], e["event"]["reason"]) for e in r.events()])
    check("cloned through" in open(home + "/clone/README").read())
    shutil.rmtree(home + "/clone")
    r = lab.run(pol, [git, "clone", "-q", "https://evil.test/repo.git", where])
    check(r.rc == 128 and "fatal:" in r.err, r.tell())
    e = r.event(text="evil.test", action="denied")
    check(e["agentfw"]["attribution"] == "exact" and "git" in e["process"]["executable"], e.get("process"))
    r = lab.run(pol, [git, "clone", "-q", "https://%s/repo.git" % topo.EVIL4, where])
    check(r.rc == 128 and "fatal:" in r.err, r.tell())
    e = r.event(text=topo.EVIL4)
    check("git" in e["process"]["executable"], e["process"])
    L.check_packet(r, e)


def test_python_urllib(lab):
    pol = L.policy("api.allowed.test")
    r = lab.run(pol, lab.attack("urllib_get", url="https://api.allowed.test/"))
    check(r.json()["status"] == 200, r.tell(), r.events()[:3])
    for url in ("https://evil.test/", "https://%s/" % topo.EVIL4, "https://[%s]/" % topo.EVIL6):
        r = lab.run(pol, lab.attack("urllib_get", url=url))
        got = r.json()
        check(not got["status"] and L.fast(got["ms"]), url, got)
        r.event(text=url.split("/")[2].strip("[]"))


def test_python_sockets(lab):
    """Raw sockets of the standard library: the errno of a refusal, and its time."""
    pol = L.policy("api.allowed.test")
    for to in (topo.EVIL4, topo.EVIL6):
        for port in (443, 9000, 22):
            r = lab.run(pol, lab.attack("connect", to=to, port=port, token=L.token()))
            got = r.json()
            check(got["connect"] == "ECONNREFUSED" and L.fast(got["ms"]), to, port, got)
            e = r.event(text=to)
            L.check_event(r, e, exe=os.path.realpath(L.PYTHON), command="attack.py", address=to, port=port,
                          transport="tcp")
            check(e["network"]["type"] == ("ipv6" if ":" in to else "ipv4"), e["network"])
            check(str(e["user"]["id"]) == "65534", e["user"])
        r = lab.run(pol, lab.attack("udp_send", to=to, port=9999, token=L.token()))
        got = r.json()
        check(got["error"] in ("ECONNREFUSED", "EHOSTUNREACH", "EACCES", "EPERM", "ENETUNREACH") and
              L.fast(got["ms"]), to, got)
        L.check_event(r, r.event(text=to), exe=os.path.realpath(L.PYTHON), address=to, port=9999,
                      transport="udp")


def test_python_asyncio(lab):
    pol = L.policy("api.allowed.test")
    r = lab.run(pol, lab.attack("asyncio_get", name="api.allowed.test", port=443))
    check("hello from" in r.json()["body"], r.tell())
    for name in ("evil.test", topo.EVIL4):
        r = lab.run(pol, lab.attack("asyncio_get", name=name, port=443))
        check(r.json().get("error") and L.fast(r.json()["ms"]), r.tell())
        r.event(text=name)


NODE = """
const url = process.argv[2], how = process.argv[3], t = performance.now();
const done = (o) => { console.log(JSON.stringify({ms: performance.now() - t, ...o})); };
if (how == 'fetch') fetch(url).then(async r => done({status: r.status, body: await r.text()}),
    e => { done({error: String(e.cause || e)}); process.exitCode = 1; });
else require('https').get(url, r => { let b = ''; r.on('data', d => b += d);
    r.on('end', () => done({status: r.statusCode, body: b})); })
    .on('error', e => { done({error: String(e)}); process.exitCode = 1; });
"""


def node(lab, how):
    exe = need_program("node")
    script = lab.file(".js", NODE)
    pol = L.policy("api.allowed.test")
    # The first network call loads node's own code; what is measured is the difference to a closed port.
    closed = lab.bare([exe, script, "https://127.0.0.1:1/", how]).json()["ms"]
    r = lab.run(pol, [exe, script, "https://api.allowed.test/", how])
    check(r.rc == 0 and "hello from" in r.json()["body"], r.tell())
    for host, text in (("evil.test", "evil.test"), (topo.EVIL4, topo.EVIL4), ("[%s]" % topo.EVIL6, topo.EVIL6)):
        best = 1e9
        for _ in range(3):
            r = lab.run(pol, [exe, script, "https://%s/" % host, how])
            best = min(best, r.json()["ms"] - closed)
        check(r.rc == 1 and r.json()["error"], r.tell())
        check(L.fast(best), host, "refused after", best, "ms")
        e = r.event(text=text)
        L.check_event(r, e, exe=exe, command="https://%s/" % host, packet=host != "evil.test")


def test_node_fetch(lab):
    node(lab, "fetch")


def test_node_https(lab):
    node(lab, "https")


JAVA = """
import java.net.URI;
import java.net.http.*;
public class Get {
    public static void main(String[] a) throws Exception {
        HttpClient c = HttpClient.newHttpClient();
        for (String url : a) {
            long t = System.nanoTime();
            String s;
            try {
                s = "body " + c.send(HttpRequest.newBuilder(URI.create(url)).build(),
                    HttpResponse.BodyHandlers.ofString()).body().trim();
            } catch (java.io.IOException e) {
                s = "error " + e;
            }
            System.out.println((System.nanoTime() - t) / 1000000 + " " + s);
        }
    }
}
"""


def test_java(lab):
    exe = need_program("java")
    need_program("keytool")
    store = lab.pki.make_java()
    source = lab.file(".d")
    os.makedirs(source)
    with open(source + "/Get.java", "w") as f:
        f.write(JAVA)
    # one virtual machine for all: the first request loads its classes
    r = lab.run(L.policy("api.allowed.test"), [
        exe, "-Djavax.net.ssl.trustStore=" + store, "-Djavax.net.ssl.trustStorePassword=changeit",
        "-Djavax.net.ssl.trustStoreType=PKCS12", source + "/Get.java", "https://api.allowed.test/", "https://127.0.0.2:1/",
        "https://evil.test/", "https://%s/" % topo.EVIL4, "https://[%s]/" % topo.EVIL6], timeout=60)
    lines = [l.split(" ", 1) for l in r.out.splitlines()]
    check(len(lines) == 5, r.tell())
    check("hello from" in lines[0][1], r.tell())
    for (ms, text), name in zip(lines[2:], ("evil.test", topo.EVIL4, topo.EVIL6)):
        check(text.startswith("error") and L.fast(int(ms)), name, ms, text)
        e = r.event(text=name)
        check("java" in e["process"]["executable"], e["process"])


def test_pip(lab):
    need_program("python3")
    r = lab.bare([L.PYTHON, "-m", "pip", "--version"])
    L.need(r.rc == 0, "no pip for %s" % L.PYTHON)
    home = lab.env()["HOME"]

    def cmd(host):
        return [L.PYTHON, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--retries", "0",
                "--target", home + "/pip", "--index-url", "https://%s/simple/" % host, "tinypkg"]
    pol = L.policy("pypi.test")
    r = lab.run(pol, cmd("pypi.test"), timeout=60)
    check(r.rc == 0 and os.path.exists(home + "/pip/tinypkg.py"), r.tell())
    shutil.rmtree(home + "/pip")
    start = time.monotonic()
    r = lab.run(pol, cmd("evil.test"), timeout=60)
    check(r.rc != 0 and "tinypkg" in r.err, r.tell())
    e = r.event(text="evil.test")
    check("pip" in e["process"]["command_line"], e["process"])
    check(time.monotonic() - start < 15, "pip took long")


def test_npm(lab):
    npm = need_program("npm")
    home = lab.env()["HOME"]

    def cmd(host):
        return [npm, "install", "--prefix", home + "/npm", "--cache", home + "/npmcache", "--no-audit", "--no-fund",
                "--no-update-notifier", "--fetch-retries", "0", "--registry", "https://%s/npm/" % host, "tinynpm"]
    pol = L.policy("npm.test")
    os.makedirs(home + "/npm", exist_ok=True)
    os.chmod(home + "/npm", 0o777)
    r = lab.run(pol, cmd("npm.test"), timeout=60)
    check(r.rc == 0 and os.path.exists(home + "/npm/node_modules/tinynpm/index.js"), r.tell(),
          [(e["agentfw"]["code"], e["agentfw"].get("endpoint")) for e in r.events()])
    r = lab.run(pol, cmd("evil.test") + ["--prefer-online"], timeout=60)
    check(r.rc != 0 and "npm" in r.err, r.tell())
    e = r.event(text="evil.test")
    check("npm" in e["process"]["command_line"], e["process"])


def test_postgres_protocol(lab):
    """A protocol that is not TLS, by tcp://: the name gives the address, that is the key."""
    pol = L.policy("tcp://db.test:5432")
    tok = L.token()
    code = ("import socket; print(socket.getaddrinfo('db.test', 5432)[0][4][0])")
    r = lab.run(pol, [L.PYTHON, "-c", code])
    check(r.rc == 0, r.tell())
    r = lab.run(pol, lab.attack("several", list='[["resolve", {"name": "db.test"}], ["pg", {"to": "%s", '
                                '"port": 5432, "token": "%s"}]]' % (topo.ALLOWED4, tok)))
    check("hello" in (r.json()["results"][1]["back"]), r.tell(), r.events()[:3])
    lab.arrives(tok)
    tok = L.token()
    r = lab.run(pol, lab.attack("pg", to=topo.EVIL4, port=5432, token=tok))
    check(r.json()["error"] == "ECONNREFUSED", r.tell())
    lab.absent(tok)


def test_psql(lab):
    psql = need_program("psql")
    exe = lab.bare([psql, "--version"])
    check(exe.rc == 0)
    pol = L.policy("tcp://db.test:5432")

    def cmd(host):
        return [psql, "-XAt", "-h", host, "-U", "agent", "-d", "agent", "-c", "select 1"]
    r = lab.run(pol, cmd("db.test"))
    check(r.rc == 0 and "hello" in r.out, r.tell(), [e["agentfw"] for e in r.events()])
    r = lab.run(pol, cmd("evil.test"))
    check(r.rc == 2 and "could not translate" in r.err, r.tell())
    r = lab.run(pol, cmd(topo.EVIL4))
    check(r.rc == 2 and "refused" in r.err.lower(), r.tell())
    L.check_packet(r, r.event(text=topo.EVIL4))


def test_parallel_requests(lab):
    """Many threads, each with its own name lookup and connection: none lost, none refused."""
    code = """
import urllib.request, concurrent.futures, ssl, json
ctx = ssl.create_default_context()
def get(i):
    try:
        with urllib.request.urlopen('https://api.allowed.test/hello?%d' % i, timeout=5, context=ctx) as f:
            return f.status
    except OSError as e:
        return str(e)
with concurrent.futures.ThreadPoolExecutor(16) as ex:
    got = list(ex.map(get, range(150)))
print(json.dumps({'bad': [g for g in got if g != 200], 'n': len(got)}))
"""
    r = lab.run(L.policy("api.allowed.test"), [L.PYTHON, "-c", code], timeout=60)
    check(r.json()["n"] == 150 and not r.json()["bad"], r.json(), r.events()[:3])


def test_attribution_of_a_child(lab):
    """It is the child that did it, not the shell."""
    curl = need_program("curl")
    r = lab.run(L.policy("api.allowed.test"), ["/bin/sh", "-c", "%s -sS https://%s:9000/; true" % (curl, topo.EVIL4)])
    e = r.event(text=topo.EVIL4)
    L.check_event(r, e, exe=curl, command="curl", address=topo.EVIL4, port=9000)


def test_suggestion_works(lab):
    """The suggested rule, put into the policy, lets the same command through."""
    curl = need_program("curl")
    for url, text in (("https://other.test/", "other.test"), ("https://%s/" % topo.OTHER4, topo.OTHER4)):
        r = lab.run(L.policy("api.allowed.test"), [curl, "-sS", url])
        rule = r.event(text=text)["agentfw"]["suggest"].strip()
        check(rule.startswith("- "), "not a line for the egress list:", rule)
        r = lab.run(L.policy("api.allowed.test").replace("egress:\n", "egress:\n  %s\n" % rule),
                    [curl, "-sS", url])
        check(r.rc == 0, "with", rule, r.tell())
