/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What daemons that died have left below the directory of the fences' cgroups, which all network
 * namespaces of the machine share. Each fence's cgroup says in an extended attribute which network
 * namespace and which run directory it belongs to; one that says nothing is judged by where its
 * processes are. Fences of other network namespaces are never touched. */
#ifndef AGENTFW_LEFT_H
#define AGENTFW_LEFT_H

#include <stdbool.h>

/* Says whose this new cgroup is. Where the kernel has no such attributes (before 5.7) it stays
 * without. */
void left_mark(int cgroup_fd, const char *run_dir);

struct left {
	const char *root;    /* …/agentfw */
	const char *run_dir; /* ours */
	bool alone; /* no other daemon lives in this network namespace, whatever its run dir */
	int sockdiag_fd;
};
/* For a daemon that has no fence yet: kills what is in fences of this network namespace, waits
 * until it is gone, destroys its TCP sockets, and removes the cgroups. Says what it found in the
 * log. */
void left_end(const struct left *l);
/* Removes the empty cgroups of ours; is there then anything alive in a fence of this network
 * namespace, or that may be? */
bool left_alive(const struct left *l);

#endif
