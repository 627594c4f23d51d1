/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket wall's loader: what fw/bpf/wall.bpf.c is, put on the cgroups of fences.
 *
 * The programs are loaded once a daemon. Attached to a cgroup they stay there as long as it lives:
 * nothing here takes them off, and they outlive the daemon. What is below the cgroup is under them,
 * too. Needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN, and cgroup BPF in the kernel
 * (CONFIG_CGROUP_BPF); errors say what of that is missing. */
#ifndef AGENTFW_WALL_H
#define AGENTFW_WALL_H

#include <stddef.h>
#include <stdint.h>

#include "fw/bpf/wall_shared.h"
#include "policy/base/err.h"

struct wall;

struct wall_counts { /* since the fence began */
	uint64_t lost;
	uint64_t dropped[WALL_DROP_COUNT];
};

int wall_new(struct wall **ret, struct err *e);
void wall_free(struct wall *w);
/* cgroup_id is the directory's inode number. All of the programs, or an error. */
int wall_attach(struct wall *w, int cgroup_fd, uint64_t cgroup_id, struct err *e);
/* Readable when calls were refused. */
int wall_fd(const struct wall *w);
/* Hands at most max of the refused calls to fn, which may be called for any fence; how many. */
size_t wall_read(struct wall *w, size_t max, void (*fn)(void *arg, const struct wall_event *ev),
		 void *arg);
/* -ENOENT: nothing of ours is on that cgroup. */
int wall_count(const struct wall *w, uint64_t cgroup_id, struct wall_counts *ret);

/* "SO_MARK", and why it is refused (NULL: not known); or NULL, and the caller has the numbers. */
const char *wall_option_name(int32_t level, int32_t option, const char **ret_why);

#endif
