/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A place is renamed to a name that nobody obeys. */
#ifndef AGENTFW_QUARANTINE_H
#define AGENTFW_QUARANTINE_H

#define QUARANTINE_SUFFIX ".agentfw-quarantine"

/* Renames the last part of path, relative to dirfd; or the first symbolic link on the way, if there
 * is one. No link is followed. tries: how many names are tried. 0: the place is gone; else
 * -errno. */
int quarantine(int dirfd, const char *path, int tries);

#endif
