/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of a network namespace, RUN/net-N, N the number of its inode: the daemon's lock and
 * socket, and the number of the last generation, which must outlive the daemon but not the
 * namespace.
 *
 * Numbers of inodes are used again, so the directory also holds a file handle of the namespace
 * (nsfs, Linux 6.18): it opens nothing else ever after. */
#ifndef AGENTFW_RUN_DIR_H
#define AGENTFW_RUN_DIR_H

#include <stdbool.h>

#include "policy/base/err.h"

/* Makes dir if need be and takes its lock: no other daemon has it, nor removes it, until the
 * returned descriptor is closed. Waits for one that is on its way out; -EALREADY: one answers at
 * socket, in dir. */
int run_dir_take(const char *dir, const char *socket, struct err *e);
/* Removes the directories beside dir whose namespaces are gone for certain. */
void run_dir_clean(const char *dir);

#endif
