/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and programs that a command's box refused: seen while it runs, sent to the daemon's record,
 * and printed at the end if the command failed. */
#ifndef AGENTFW_REFUSED_H
#define AGENTFW_REFUSED_H

#include <stdbool.h>

struct err;
struct guard;
struct launch;
struct log_place;
struct plan;
struct policy;

struct refused_from { /* lives as long as the struct refused */
	const struct policy *policy;
	const struct plan *plan;
	const struct guard *guard; /* of the plan; NULL: the box has no writable directory */
	/* audit mode: the box that would be enforced; else NULL */
	const struct plan *reference;
	const struct guard *reference_guard;
	const char *policy_path; /* absolute */
	struct log_place *log;
	const char *tool;  /* NULL: the agent */
	const char *fence; /* its name; NULL or "": none */
	bool verbose;      /* print why reads cannot be seen */
};

struct refused;

/* Before launch_start. *ret NULL: the box limits no files by Landlock. Fails only where the command
 * must not be started. */
int refused_begin(const struct refused_from *from, struct launch *l, struct refused **ret,
		  struct err *e);
/* After the command: the rest goes to the record, and where status is not 0 the last ones are
 * printed. Frees r, which may be NULL. */
void refused_end(struct refused *r, int status);

#endif
