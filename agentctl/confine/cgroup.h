/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of a command as a whole, for root: memory and number of processes. */
#ifndef AGENTFW_CTL_CGROUP_H
#define AGENTFW_CTL_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct plan;

enum cgroup_kind { CGROUP_MEMORY = 0, CGROUP_PIDS, CGROUP_KINDS };

struct cgroup_limits {
	char v2[4096];                /* the command's cgroup; "": none */
	char dir[CGROUP_KINDS][4096]; /* where that kind is limited; "": nowhere */
	bool own[CGROUP_KINDS];       /* dir is of version 1: made here, to be joined */
	bool own_v2;                  /* v2 was made here */
};

bool cgroup_can_limit(enum cgroup_kind kind);
/* For every STEP_TOGETHER of the plan. fence: the command's cgroup, or NULL. cgroup_remove is due
 * after an error, too. */
int cgroup_make(struct cgroup_limits *c, const struct plan *p, const char *fence, struct err *e);
int cgroup_join(const struct cgroup_limits *c, struct err *e);
/* How often the limit was met: processes killed for memory, forks refused. */
uint64_t cgroup_met(const struct cgroup_limits *c, enum cgroup_kind kind);
void cgroup_remove(struct cgroup_limits *c);

#endif
