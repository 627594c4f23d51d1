/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places that are root's alone: root made them, and nobody else can change them, nor put others in
 * their place. What a policy of root's says counts more than a caller's, and what root keeps for
 * itself is opened for every caller. */
#ifndef AGENTFW_ROOTS_H
#define AGENTFW_ROOTS_H

#include <stdbool.h>

#define ROOTS_POLICIES "/etc/agentfw"

/* Opens path, a text without "." and "..", link by no link. It, and all above it, belongs to root
 * and is writable by nobody else; a sticky directory above it is as good, since what is root's in
 * there is moved by nobody else. Of a path below /var/log only what is below it is looked at: who
 * may write there is the business of the system's log. make: what is missing of
 * directories is made, the last one 0700. -EPERM: it is not root's alone; or another -errno. */
int roots_open(const char *path, int flags, bool make);
/* Is that what path is, and fd open on it? Not of file systems mounted nosuid, as those of users
 * are: their owners are what a user says. */
bool roots_is(const char *path, int fd);
/* path is dir, or below it, as text. */
bool roots_below(const char *path, const char *dir);

#endif
