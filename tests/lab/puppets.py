# SPDX-License-Identifier: GPL-2.0-or-later
"""Puppets as a test holds them: a process outside any fence, or inside one, that does what it is told
(puppet.py). A call of a puppet's method is the call there: p.connect("c", address, port)."""
import json
import os
import subprocess

import lab as L

PUPPET = [L.PYTHON, os.path.join(L.HERE, "puppet.py")]


class Refused(Exception):
    """A call of a puppet that failed; ask() gives the answer instead."""


class Puppet:
    def ask(self, name, *args):
        """The answer as it is."""
        self.write(json.dumps([name, *args]) + "\n")
        return json.loads(self.read())

    def __getattr__(self, name):
        def call(*args):
            answer = self.ask(name, *args)
            if "error" in answer:
                raise Refused("%s%s: %s" % (name, args, answer["error"]))
            return answer["ok"]
        return call


class Outside(Puppet):
    def __init__(self, lab, ns=None):
        self.p = subprocess.Popen(lab.enter(ns) + PUPPET, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  start_new_session=True)
        lab.held.append(self)
        self.read()

    def read(self):
        return self.p.stdout.readline()

    def write(self, line):
        self.p.stdin.write(line)
        self.p.stdin.flush()

    def stop(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        self.p.stdin.close()
        self.p.stdout.close()


class Inside(Puppet):
    def __init__(self, lab, policy, start=None):
        self.h = (start or lab.start)(policy, PUPPET)

    def write(self, line):
        self.h.text = ""
        self.h.send(line.strip())

    def read(self):
        self.h.expect("\n", 30)
        return self.h.text.strip().splitlines()[-1]

    def result(self):
        self.h.stop()
        return self.h.record()
