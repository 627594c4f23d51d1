/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places that are root's alone: root made them, and nobody else can change or replace them. A policy
 * there may say more than a caller's own, and root's rights open the policies and the record that
 * root keeps. */
#ifndef AGENTFW_ROOTS_H
#define AGENTFW_ROOTS_H

#include <stdbool.h>

#define ROOTS_POLICIES "/etc/agentfw"

/* Opens path, which has no "." or "..", and follows no link. The file and every directory above it
 * must belong to root, and nobody else may write there. A sticky directory above it is as good: in
 * it nobody else can move files of root's. Of a path below /var/log only the part below it is looked
 * at, since some systems let their log's group write to /var/log. make: makes missing directories, the
 * last one 0700. -EPERM: it is not root's alone; or another -errno. */
int roots_open(const char *path, int flags, bool make);
/* Is fd open on path, and path root's alone? Not where the file system is mounted nosuid, as users'
 * own are: a user makes up the owners of files there. */
bool roots_is(const char *path, int fd);
/* Is path, as text, dir or below it, without "." or ".."? */
bool roots_below(const char *path, const char *dir);

#endif
