# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs cases: functions test_* of the files test_*.py in one folder, several at once, each in a process that is not
the runner's own. A Suite says what a case gets to hold, and how its process begins and ends."""
import argparse
import fnmatch
import glob
import importlib
import json
import os
import select
import signal
import struct
import sys
import time
import traceback

from lab import Skip, Slow
from topo import die_with_parent

TRIES = 3  # a clock on a busy machine: the best of three counts
NUMBER = struct.Struct("=i")


class Suite:
    """What is common to the cases of one folder. `world` makes what a case gets: a thing with reset() and close()."""
    seconds = 60      # a case that hangs is a failure, not a wait; a case's attribute `seconds` allows more
    at_once = 2
    one_each = False  # a process, and a world, for every case; otherwise each process plays one case after the other
    needs = "needs root"

    def __init__(self, folder):
        self.folder = folder

    def variants(self, fn):
        """Endings of a case's name: it runs once for each."""
        return ("",)

    def begin(self):
        """Once, before the first case."""

    def world(self, number, variant):
        raise NotImplementedError

    def end(self):
        """Once, after the last; also after a begin() that failed."""


class Case:
    def __init__(self, number, name, variant, fn):
        self.number, self.name, self.variant, self.fn = number, name, variant, fn
        self.weight = getattr(fn, "weight", 0)  # heavy ones begin first, beside many light ones; negative: last


def collect(suite):
    cases = []
    for path in sorted(glob.glob(os.path.join(suite.folder, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, fn in vars(module).items():
            if name.startswith("test_") and callable(fn):
                for variant in suite.variants(fn):
                    full = "%s.%s%s" % (module.__name__[5:], name[5:], ":" + variant if variant else "")
                    cases.append((full, variant, fn))
    return cases


def matches(name, patterns):
    return not patterns or any(fnmatch.fnmatch(name, p) or p in name for p in patterns)


# ---- in a worker's process -----------------------------------------------------------------------

def hung(*_):
    raise AssertionError("no end within the seconds of a case")


def attempt(fn, world):
    for _ in range(TRIES - 1):
        try:
            return fn(world)
        except Slow:
            world.reset()
    return fn(world)


class Player:
    """Takes numbers of cases from one pipe, says by another how each began and ended."""

    def __init__(self, suite, cases, todo, out):
        self.suite, self.cases, self.todo, self.out = suite, cases, todo, out
        self.world = None

    def say(self, *words):
        os.write(self.out, json.dumps(words).encode() + b"\n")

    def perform(self, case):
        """(status, text) of one case."""
        try:
            self.world = self.world or self.suite.world(case.number, case.variant)
            signal.alarm(getattr(case.fn, "seconds", self.suite.seconds))
            attempt(case.fn, self.world)
            return "ok", ""
        except Skip as e:
            return "skip", str(e)
        except AssertionError as e:
            return "FAIL", "%s\n%s" % (e, "".join(traceback.format_tb(e.__traceback__)[-3:]))
        except Exception:
            return "FAIL", traceback.format_exc()
        finally:
            signal.alarm(0)
            if self.suite.one_each:
                self.close()

    def close(self):
        world, self.world = self.world, None
        if world:
            world.close()

    def tidy(self):
        """The next case finds a clean world, or makes a new one."""
        try:
            if self.world:
                self.world.reset()
        except Exception:
            self.close()

    def play(self):
        try:
            while number := os.read(self.todo, NUMBER.size):
                i, = NUMBER.unpack(number)
                self.say("begin", i)
                start = time.monotonic()
                status, text = self.perform(self.cases[i])
                self.say("end", i, status, text, (time.monotonic() - start) * 1000)
                if self.suite.one_each:
                    return
                self.tidy()
        finally:
            self.close()


def end_on_term():
    me = os.getpid()
    # What a case forks is not to tidy up for us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1) if os.getpid() == me else os._exit(1))


# ---- in the runner -------------------------------------------------------------------------------

class Worker:
    """A process that plays cases, as the runner sees it."""

    def __init__(self, suite, cases, todo):
        self.text, self.current, self.status = b"", None, None
        self.fd, out = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._play(Player(suite, cases, todo, out))
        os.close(out)

    @staticmethod
    def _play(player):
        status = 1
        try:
            die_with_parent()
            end_on_term()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner ends us
            signal.signal(signal.SIGALRM, hung)
            player.play()
            status = 0
        except BaseException as e:
            if not isinstance(e, SystemExit):
                traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)

    def messages(self):
        """What it has said since; None once it is gone."""
        data = os.read(self.fd, 65536)
        if not data:
            os.close(self.fd)
            self.status = os.waitpid(self.pid, 0)[1]
            return None
        *lines, self.text = (self.text + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def wait(self, seconds=20):
        end = time.monotonic() + seconds
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)  # nothing tells of the end of a child with a limit
        os.close(self.fd)


class Pool:
    """Workers on all the cases. An iteration gives (case, status, text, milliseconds) as they end."""

    def __init__(self, suite, cases, at_once):
        self.suite, self.cases = suite, cases
        self.at_once = max(1, min(at_once, len(cases)))
        self.begun, self.workers = 0, []
        self.todo, fill = os.pipe()
        order = sorted(range(len(cases)), key=lambda i: -cases[i].weight)
        os.write(fill, b"".join(NUMBER.pack(i) for i in order))
        os.close(fill)

    def _ended(self, worker):
        """A worker is gone: what is to be said of the case that it had."""
        self.workers.remove(worker)
        if worker.current is not None:
            yield self.cases[worker.current], "FAIL", "the case's process died", 0
        elif worker.status and not self.suite.one_each:
            raise RuntimeError("a worker died between two cases")

    def __iter__(self):
        while self.begun < len(self.cases) or self.workers:
            while self.begun < len(self.cases) and len(self.workers) < self.at_once:
                self.workers.append(Worker(self.suite, self.cases, self.todo))
            ready, _, _ = select.select([w.fd for w in self.workers], [], [])
            for w in [w for w in self.workers if w.fd in ready]:
                said = w.messages()
                if said is None:
                    yield from self._ended(w)
                for what, i, *result in said or ():
                    self.begun += what == "begin"
                    w.current = i if what == "begin" else None
                    if what == "end":
                        yield self.cases[i], *result

    def close(self):
        for w in self.workers:
            os.kill(w.pid, signal.SIGTERM)
        for w in self.workers:
            w.wait()
        os.close(self.todo)


class Report:
    def __init__(self, verbose):
        self.verbose = verbose
        self.counts, self.skips = {"ok": 0, "FAIL": 0, "skip": 0}, []

    def add(self, case, status, text, ms):
        if status == "skip":
            self.skips.append((case.name, text))
            if os.environ.get("MUST_RUN") == "1":
                status, text = "FAIL", "skipped: " + text
        self.counts[status] += 1
        print("%-4s %s (%d ms)" % (status, case.name, ms), flush=True)
        if status == "FAIL":
            lines = text.rstrip().splitlines() or [""]
            short = lines[-1:] if lines[0].startswith("Trace") else lines[:1]
            for line in lines if self.verbose else short:
                print("       " + line[:1500], flush=True)

    def close(self):
        for name, why in self.skips:
            print("skipped %s: %s" % (name, why))
        print("%d passed, %d failed%s" % (self.counts["ok"], self.counts["FAIL"],
                                          ", %d skipped" % len(self.skips) if self.skips else ""))
        return 1 if self.counts["FAIL"] else 0


def arguments(suite):
    ap = argparse.ArgumentParser()
    ap.add_argument("-v", action="store_true", help="where and how a failure happened")
    ap.add_argument("-l", action="store_true", help="list the cases")
    ap.add_argument("-j", type=int, default=suite.at_once, help="so many at once")
    ap.add_argument("patterns", nargs="*")
    return ap.parse_args()


def main(suite):
    args = arguments(suite)
    wanted = [c for c in collect(suite) if matches(c[0], args.patterns)]
    cases = [Case(i + 1, *c) for i, c in enumerate(wanted)]
    if args.l:
        print("\n".join(c.name for c in cases))
        return 0
    if os.geteuid():
        print(suite.needs)
        return 1
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report(args.v)
    pool = Pool(suite, cases, args.j)
    try:
        suite.begin()
        for result in pool:
            report.add(*result)
    except KeyboardInterrupt:
        return 130
    finally:
        pool.close()
        suite.end()
    return report.close()
