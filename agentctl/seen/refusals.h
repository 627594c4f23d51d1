/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was refused, each thing once, with how often; and on to the daemon. */
#ifndef AGENTFW_REFUSALS_H
#define AGENTFW_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct refused_from;

/* One thing that was refused, or would have been; path, exe and comm as the attacker chose them. */
struct refusal {
	uint32_t rights; /* policy/base/rights.h */
	uint64_t time_ns;
	const char *path, *access;
	bool name; /* it comes or goes: what counts is the right to its directory */
	bool would, directory;
	/* who; exe NULL: not known */
	uint32_t pid, uid;
	bool exact;
	const char *exe, *comm;
};

struct refusals;
struct refusal_entry;

int refusals_new(const struct refused_from *from, struct refusals **ret, struct err *e);
void refusals_free(struct refusals *rs);
/* Counts it; what is copied. NULL: no memory, or too many already, and that is counted too.
 * *ret_new: the first of its kind, which is told with refusals_tell when all is known of it. */
struct refusal_entry *refusals_add(struct refusals *rs, const struct refusal *what, bool *ret_new);
bool refusals_known(const struct refusals *rs, const struct refusal *what);
/* Another, better word of who it was. */
void refusals_who(struct refusal_entry *e, const struct refusal *who);
/* To the daemon, if one runs; else it waits for refusals_finish. */
void refusals_tell(struct refusals *rs, struct refusal_entry *e);
/* Tells the rest, with n that are lost, and says at the end what was refused if status is not 0. */
void refusals_finish(struct refusals *rs, uint64_t lost, int status);

#endif
