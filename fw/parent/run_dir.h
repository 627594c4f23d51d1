/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of a network namespace, RUN/net-N with N the namespace's inode. It holds the
 * daemon's lock and socket, and the last epoch, which must outlive the daemon but not the
 * namespace.
 *
 * Inode numbers are reused, so the directory also holds a file handle of the namespace (nsfs, Linux
 * 6.18), which never opens another one. */
#ifndef AGENTFW_RUN_DIR_H
#define AGENTFW_RUN_DIR_H

#include <stdbool.h>

#include "policy/base/err.h"

/* Makes dir if needed and takes its lock: no other daemon uses or removes it until the returned
 * descriptor is closed. Waits for a daemon that is ending; -EALREADY: one answers at socket, in
 * dir. */
int run_dir_take(const char *dir, const char *socket, struct err *e);
/* Removes the directories beside dir whose namespaces are certainly gone. */
void run_dir_clean(const char *dir);

#endif
