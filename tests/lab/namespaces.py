# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces that come and go, and the daemons in them."""
import contextlib
import json
import os
import signal
import subprocess
import time

import lab as L
import topo
from lab import check

POLICY = L.policy("api.allowed.test")


class Namespaces:
    """A run directory of its own, and network namespaces that come and go."""

    def __init__(self, lab):
        self.lab, self.dir, self.names = lab, lab.file(".rundir"), []
        self.env = {"AGENTFW_RUN_DIR": self.dir}

    def add(self):
        name = "afwt-%d-rd%d" % (os.getpid(), len(self.names))
        self.names.append(name)
        topo.run("ip", "netns", "add", name)
        topo.run("ip", "-n", name, "link", "set", "lo", "up")
        return name

    def remove(self, name):
        subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def of(self, name):
        return "%s/net-%d" % (self.dir, os.stat("/run/netns/" + name).st_ino)

    def enter(self, name):
        return ["nsenter", "--net=/run/netns/" + name]

    def daemon(self, enter):
        status = self.lab._call(enter + [L.AGENTCTL, "status", "--json"], 10, env=self.env)
        return json.loads(status.out).get("pid") if status.out else None

    def run(self, enter, stay=0):
        """A fence, and the end of the daemon that it started, after `stay` seconds."""
        r = self.lab._call(enter + [L.AGENTCTL, "run", "-p", self.lab.file(".yaml", POLICY), "--log-dir",
                                    self.lab.file(".log"), "--", "/bin/true"], 20, env=self.env)
        check(r.rc == 0, r.tell())
        pid = self.daemon(enter)
        check(pid, "no daemon")
        time.sleep(stay)  # it looks at what is left some time after its start, and does not say when it has
        os.kill(pid, signal.SIGTERM)
        L.until(lambda: not os.path.exists("/proc/%d" % pid), 10, lambda: "the daemon stays")


@contextlib.contextmanager
def namespaces(lab):
    lab.need_product()
    n = Namespaces(lab)
    try:
        yield n
    finally:
        for name in n.names:
            n.remove(name)
