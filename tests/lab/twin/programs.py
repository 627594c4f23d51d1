# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs as they are: curl, git, openssl, node, java. Each start costs, so they are rare."""
import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import zlib

from twin import common as T, way as K



class Gone(Exception):
    """A program that had not the processor time to say anything: nothing is known."""


CONFIG = {}
PATH = "/usr/local/bin:/usr/bin:/bin"
SLOW = 25  # a virtual machine on a busy computer
ONE = threading.Lock()  # such a one at a time


def setup(config):
    CONFIG.update(config)


def run(argv, data=b"", seconds=SLOW):
    with ONE if argv[0] in ("java", "node") else contextlib.nullcontext():
        return run_now(argv, data, seconds)


def run_now(argv, data, seconds):
    try:
        p = subprocess.run(argv, input=data, capture_output=True, timeout=seconds,
                           env={"PATH": PATH, "HOME": "/tmp", "NODE_EXTRA_CA_CERTS": CONFIG["ca"], "GIT_SSL_NO_VERIFY": "1"})
    except subprocess.TimeoutExpired:
        if argv[0] in ("java", "node") and (CONFIG["load"] or os.getloadavg()[0] > 2 * os.cpu_count()):
            K.NOTES["no end of %s under load" % argv[0]] += 1
            raise Gone()
        raise TimeoutError(argv[0])
    if p.returncode:
        raise K.Wrong("%s: exit %d %s" % (argv[0], p.returncode, ascii(p.stderr[-200:].decode("latin-1"))))
    return p.stdout


def url(r, t, scheme=None):
    scheme = scheme or r.choice(("http", "https"))
    return "%s://%s:%d" % (scheme, K.host(t), t.base + (T.HTTP if scheme == "http" else T.TLS))


def report(out, n, off):
    K.same(tuple(int(x) for x in out.split()), (n, T.checksum(n, off)))


def curl(r, t):
    at = url(r, t)
    base = ["curl", "-sSfk", "--max-time", str(K.Limit.seconds)]
    for _ in range(r.randrange(1, 4)):
        n, off, path = K.down(r, 1 << 20)
        how = r.choice(("get", "post", "post", "expect", "chunked"))
        yield "%s %s of %d bytes" % (at, how, n)
        data = T.body(n, off)
        if how == "get":
            out = run(base + [at + path])
            K.same((len(out), zlib.crc32(out)), (n, T.checksum(n, off)))
            continue
        more = {"post": ["--data-binary", "@-"], "expect": ["-H", "Expect: 100-continue", "--data-binary", "@-"],
                "chunked": ["-T", "-"]}[how]
        report(run(base + more + [at + "/u"], data), n, off)


def git(r, t):
    at = url(r, t)
    yield "clone from %s" % at
    where = tempfile.mkdtemp(prefix="afwt-twin-")
    try:
        run(["git", "clone", "-q", at + "/repo.git", where + "/x"])
        if "cloned through" not in open(where + "/x/README").read():
            raise K.Wrong("another README")
    finally:
        shutil.rmtree(where, ignore_errors=True)


NODE = """
const [url, n, off] = process.argv.slice(1);
const data = require('fs').readFileSync(0);
(async () => {
  for (let i = 0; i < 3; i++) {
    const a = await fetch(url, {method: 'POST', body: data, keepalive: true});
    console.log(a.status, (await a.text()).trim());
  }
})().catch(e => { console.error(String(e), String(e.cause)); process.exit(1); });
"""


def node(r, t):
    t = t if t.name else t._replace(address="127.0.0.1" if t.family == 4 and t.base != T.FAR else t.address)
    n, off, at = K.size(r, 1 << 17), r.randrange(T.BIG), url(r, t, None if t.name in (T.NAME, T.SHORT) else "http")
    yield "%s, 3 POSTs of %d bytes" % (at, n)
    for line in run(["node", "-e", NODE, at + "/u"], T.body(n, off)).splitlines():
        report(line.split(b" ", 1)[1], n, off)


JAVA = """
import java.net.URI;
import java.net.http.*;
public class Post {
    public static void main(String[] a) throws Exception {
        byte[] data = System.in.readAllBytes();
        HttpClient c = HttpClient.newHttpClient();
        for (int i = 0; i < 3; i++) {
            HttpRequest q = HttpRequest.newBuilder(URI.create(a[0])).expectContinue(i == 1)
                .POST(HttpRequest.BodyPublishers.ofByteArray(data)).build();
            System.out.println(c.send(q, HttpResponse.BodyHandlers.ofString()).body().trim());
        }
    }
}
"""


def java(r, t):
    n, off, at = K.size(r, 1 << 17), r.randrange(T.BIG), url(r, t, "http")
    yield "%s, 3 POSTs of %d bytes" % (at, n)
    for line in run(["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", CONFIG["java"], at + "/u"], T.body(n, off)).splitlines():
        report(line, n, off)


def s_client(r, t):
    """openssl's client; most of the time again, with the session and early data."""
    if t.base in (T.OWN, T.OWN + T.SECOND):
        return
    sni = ["-servername", t.name] if t.name else ["-noservername"]
    base = ["openssl", "s_client", "-quiet", "-CAfile", CONFIG["ca"], *sni, "-connect"]
    n, off, path = K.down(r, 1 << 15)
    yield "s_client, %d bytes" % n
    ask = "GET %s HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n" % (path, K.host(t), t.base)
    at = T.bracket(K.address_of(t))
    out = run(base + ["%s:%d" % (at, t.base + T.TLS), "-ign_eof"], ask.encode())
    if not out.startswith(b"HTTP/1.1 200") or (path.endswith("l") and not out.endswith(T.body(n, off))):
        raise K.Wrong("another answer: %r" % out[:60])
    where = tempfile.mkdtemp(prefix="afwt-twin-")
    try:
        yield "early data"
        to = ["openssl", "s_client", *sni, "-connect", "%s:%d" % (at, t.base + T.EARLY)]  # one at a time there
        run(to + ["-sess_out", where + "/s"])
        with open(where + "/data", "wb") as f:
            f.write(T.body(r.randrange(1, 12000), off))
        if os.path.exists(where + "/s"):
            out = run(to + ["-sess_in", where + "/s", "-early_data", where + "/data"])
            if b"Early data was accepted" not in out:
                K.NOTES["early data not taken"] += 1
    finally:
        shutil.rmtree(where, ignore_errors=True)


def there(name, weight):
    return weight if shutil.which(name, path=PATH) else 0


KINDS = {"curl": (curl, there("curl", 4), 0), "git": (git, there("git", 0.4), 0), "node": (node, there("node", 0.5), 0),
         "java": (java, there("java", 0.1), 0), "s_client": (s_client, there("openssl", 1), 0)}
