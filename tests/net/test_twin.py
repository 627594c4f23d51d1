# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that do nothing wrong are not refused, and do not wait: a fresh seed of tests/net/twin every time."""
import os
import secrets

import lab as L
from lab import check


def twin(lab, *options):
    lab.need_product()
    argv = [os.path.join(L.ROOT, "tests/net/twin"), "--build", L.BUILD, "--seed", str(secrets.randbelow(10 ** 6)), *options]
    r = lab._call(argv, 80)
    lines = r.out.splitlines() or [""]
    print("     twin %s: %s" % (" ".join(options), lines[-1]), flush=True)
    failed = [l for l in lines if l.startswith("FAIL")]
    check(r.rc == 0, failed[0] if failed else r.tell(), "| again: %s --request K |" % " ".join(argv[:5]), lines[-1],
          "\n" + r.said[-3000:])


def test_twin(lab):
    """Other cases run beside this one: the time of an idle machine is not asked for."""
    twin(lab, "--seconds", "18", "--limit", "10")


def test_twin_loaded(lab):
    twin(lab, "--seconds", "15", "--load")


test_twin.weight = test_twin_loaded.weight = 40
