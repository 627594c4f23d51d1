/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A place is given a name that nobody obeys. */
#ifndef AGENTFW_QUARANTINE_H
#define AGENTFW_QUARANTINE_H

#define QUARANTINE_SUFFIX ".agentfw-quarantine"

/* Renames what path, relative to dirfd, ends with; or the first symbolic link on the way, which is
 * what was put there. No link is followed. tries: so many names. 0: it is not there any more; else
 * -errno. */
int quarantine(int dirfd, const char *path, int tries);

#endif
