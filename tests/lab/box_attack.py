# SPDX-License-Identifier: GPL-2.0-or-later
"""What an attacker in a box tries: attack.py NAME key=JSON...

He has every instruction: Python, and through ctypes every system call. A function of box_attacks/ returns
whether it did what it wanted, or a dictionary that says more; an OSError is a refusal. One line of JSON is
printed. The same code runs without a box, where it must succeed.
"""
import errno
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "box_attacks"))
import files  # noqa: E402
import leaving  # noqa: E402
import programs  # noqa: E402
import sockets  # noqa: E402
import told  # noqa: E402
import within  # noqa: E402

ATTACKS = {name: fn for module in (files, leaving, programs, sockets, told, within)
           for name, fn in vars(module).items() if getattr(fn, "__module__", "") == module.__name__}


def several(a):
    """One attack after the other, as one process: which of them came through."""
    came = []
    for name, args in a["list"]:
        try:
            r = ATTACKS[name](args)
            ok = r if isinstance(r, bool) else r["done"]
        except OSError as e:
            ok = errno.errorcode.get(e.errno, str(e.errno))
        came.append(ok)
    return {"done": any(c is True for c in came), "came": came, "error": str(came)}


ATTACKS["several"] = several


def main():
    a = {}
    for word in sys.argv[2:] if sys.argv[1] != "arguments" else ():
        key, _, value = word.partition("=")
        a[key] = json.loads(value)
    answer = {"done": False, "error": None}
    try:
        r = ATTACKS[sys.argv[1]](a)
        answer.update(r if isinstance(r, dict) else {"done": bool(r)})
    except MemoryError:
        answer["error"] = "ENOMEM"
    except OSError as e:
        answer["error"] = errno.errorcode.get(e.errno, str(e.errno)) if e.errno else str(e)
        answer["text"] = str(e)
    os.write(1, (json.dumps(answer) + "\n").encode())


if __name__ == "__main__":
    main()
