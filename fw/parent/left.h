/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What daemons that died have left in the directory of the fences' cgroups, which all network
 * namespaces of the machine share. An extended attribute, the mark, says to which network namespace
 * and run directory a fence's cgroup belongs. A cgroup without a mark is judged by its processes'
 * namespaces. Fences of other network namespaces are never ended. */
#ifndef AGENTFW_LEFT_H
#define AGENTFW_LEFT_H

#include <stdbool.h>

/* Marks a new cgroup as run_dir's. Without such attributes (before Linux 5.7) it has no mark. */
void left_mark(int cgroup_fd, const char *run_dir);

struct left {
	const char *root;    /* …/agentfw */
	const char *run_dir; /* ours */
	bool alone;          /* no other daemon runs in this network namespace */
	int sockdiag_fd;
};
/* For a daemon that has no fence yet: kills the processes in fences of this network namespace,
 * waits for their end, destroys their sockets and removes the cgroups. Logs what it found. */
void left_end(const struct left *l);
/* Removes our empty cgroups. Then: does any process live, or may it, in a fence of this network
 * namespace? */
bool left_alive(const struct left *l);

#endif
