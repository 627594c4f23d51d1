/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fence's cgroup, in the directory of the fences' cgroups. */
#ifndef AGENTFW_PLACE_H
#define AGENTFW_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "fw/ipc/control_msg.h"
#include "fw/ipc/scope.h"
#include "policy/base/err.h"

struct place {
	char path[CTL_PATH_MAX]; /* absolute; a pid is written to its cgroup.procs */
	int fd;                  /* the directory; -1: none */
	struct scope scope;
};

/* Makes root/wish, or root/wish.N if that is taken, and marks it as run_dir's; its last part goes
 * to name, CTL_NAME_MAX bytes. -errno with e; place_remove is allowed even then. */
int place_make(struct place *ret, const char *root, const char *run_dir, const char *wish,
	       char *name, struct err *e);
/* Kills every process in it and below. */
void place_kill(const struct place *pl);
/* An unreadable answer counts as yes, until the directory is gone. */
bool place_populated(const struct place *pl);
void place_remove(struct place *pl); /* only if it is empty */

#endif
