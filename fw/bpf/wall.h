/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loader of the socket wall (fw/bpf/wall.bpf.c), which attaches it to the fences' cgroups.
 *
 * The programs are loaded once per daemon. They stay attached as long as the cgroup exists, and
 * outlive the daemon. They also apply to cgroups below it. Needs CAP_BPF and CAP_NET_ADMIN, or
 * CAP_SYS_ADMIN, and cgroup BPF in the kernel (CONFIG_CGROUP_BPF); errors say what is missing. */
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
/* Attaches all programs, or fails. cgroup_id is the directory's inode number. */
int wall_attach(struct wall *w, int cgroup_fd, uint64_t cgroup_id, struct err *e);
/* A descriptor, readable when calls were refused. */
int wall_fd(const struct wall *w);
/* Hands at most max refused calls, of any fence, to fn; returns how many. */
size_t wall_read(struct wall *w, size_t max, void (*fn)(void *arg, const struct wall_event *ev),
		 void *arg);
/* -ENOENT: the wall is not on that cgroup. */
int wall_count(const struct wall *w, uint64_t cgroup_id, struct wall_counts *ret);

/* A refused option's name ("SO_MARK") and the reason in *ret_why. NULL, both: not in the list. */
const char *wall_option_name(int32_t level, int32_t option, const char **ret_why);

#endif
