# SPDX-License-Identifier: GPL-2.0-or-later
"""What an attacker inside the fence tries: attack.py [--cgroup PATH] NAME key=value...

Each function of attacks/ sends what it is told, ignores refusals, and prints one line of JSON. The same code
runs without a fence (where its token must arrive), under agentctl run, and with --cgroup as root without
the sandbox, where only the rules stand in the way: it joins the cgroup before it makes a socket.
"""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attacks import crafted, dns, found, packets, payload, plain, udp, way  # noqa: E402

ATTACKS = {name: fn for module in (crafted, dns, found, packets, payload, plain, udp, way)
           for name, fn in vars(module).items() if getattr(fn, "__module__", "") == module.__name__}


def several(a):
    """a["list"]: JSON list of [name, {args}]; one process, one report."""
    out = []
    for name, args in json.loads(sys.stdin.read() if a["list"] == "-" else a["list"]):
        out.append(ATTACKS[name](dict(args)))
    return {"results": out}


def main(argv):
    if argv[0] == "--cgroup":
        with open(argv[1] + "/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))
        argv = argv[2:]
    a = {}
    for arg in argv[1:]:
        k, v = arg.split("=", 1)
        a[k] = int(v) if v.isdigit() and k not in ("token", "hex", "then_hex", "sni_hex") else v
        if k != "list" and v.startswith(('["', "[[")):
            a[k] = json.loads(v)
        if k in ("wait", "seconds", "timeout"):
            a[k] = float(v)
    print(json.dumps((several if argv[0] == "several" else ATTACKS[argv[0]])(a)), flush=True)
    if argv[0] == "crafted":
        os._exit(0)  # closing the socket would send


if __name__ == "__main__":
    main(sys.argv[1:])
