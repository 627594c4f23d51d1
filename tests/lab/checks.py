# SPDX-License-Identifier: GPL-2.0-or-later
"""What every case says: this must hold, this is needed here, this comes within so many seconds."""
import secrets
import shutil
import time

FAST_MS = 100  # a refusal takes no longer
TICK = 0.02    # seconds between two looks


class Skip(Exception):
    pass


class Slow(AssertionError):
    """Took too long. Other programs may have had the processor: the case is tried again, the limit stays."""


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def need(condition, why):
    if not condition:
        raise Skip(why)


def need_program(name):
    path = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    need(path, "no program '%s'" % name)
    return path


def fast(ms, limit=FAST_MS):
    if ms >= limit:
        raise Slow("took %d ms, the limit is %d" % (ms, limit))
    return True


def token():
    return "tk" + secrets.token_hex(9)


def comes(condition, seconds):
    """What the condition says once it is true, or at the end of the seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(TICK)


def until(condition, seconds, what):
    """Waits for a state. `what` says what is wrong where it does not come: a text, or a function that makes one."""
    value = comes(condition, seconds)
    if not value:
        raise AssertionError("%s (waited %g s)" % (what() if callable(what) else what, seconds))
    return value


def stays(condition, seconds, what):
    """Holds now and for so many seconds: what must not happen has had its time."""
    end = time.monotonic() + seconds
    while True:
        if not condition():
            raise AssertionError(what() if callable(what) else what)
        if time.monotonic() > end:
            return
        time.sleep(TICK)
