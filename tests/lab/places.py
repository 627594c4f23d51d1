# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories and files outside of every box."""
import contextlib
import os
import shutil

from checks import token


@contextlib.contextmanager
def place():
    """A directory that is in no box: not below /tmp, which each has for itself."""
    d = "/var/lib/afwt-" + token()
    os.mkdir(d)
    try:
        yield d
    finally:
        shutil.rmtree(d)


def write(path, text="hello\n"):
    with open(path, "w") as f:
        f.write(text)
    return path
