/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and programs that a command's box refused: seen while it runs, told to the daemon's record,
 * and at the end, if the command failed, to whoever started it. */
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
	const struct guard *guard; /* of the plan; NULL: it writes nothing */
	/* audit mode: what would be enforced; else NULL */
	const struct plan *reference;
	const struct guard *reference_guard;
	const char *policy_path; /* absolute */
	struct log_place *log;
	const char *tool;  /* NULL: the agent */
	const char *fence; /* its name; NULL or "": none */
	bool verbose;      /* say why, if nothing can be seen */
};

struct refused;

/* Before launch_start. *ret NULL: the box refuses no files, or nobody tells us which. Fails only
 * where the command must not be started any more. */
int refused_begin(const struct refused_from *from, struct launch *l, struct refused **ret,
		  struct err *e);
/* After the command: what is left goes to the record, and is said if the status is not 0. Frees r,
 * which may be NULL. */
void refused_end(struct refused *r, int status);

#endif
