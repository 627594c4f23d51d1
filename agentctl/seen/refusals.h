/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a box refused, each thing once with a count, and sent on to the daemon. */
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
	bool name; /* it is made or removed: the right to its directory counts */
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
/* Counts it; `what` is copied. NULL: out of memory, or too many entries; then it counts as lost.
 * *ret_new: the first of its kind, for refusals_tell when all is known of it. */
struct refusal_entry *refusals_add(struct refusals *rs, const struct refusal *what, bool *ret_new);
bool refusals_known(const struct refusals *rs, const struct refusal *what);
/* Fills in who it was, unless that is known exactly. */
void refusals_who(struct refusal_entry *e, const struct refusal *who);
/* Sends it to the daemon, if one runs; else refusals_finish does. */
void refusals_tell(struct refusals *rs, struct refusal_entry *e);
/* Sends the rest to the daemon, and the count of lost ones; where status is not 0, prints the last
 * ones on stderr. */
void refusals_finish(struct refusals *rs, uint64_t lost, int status);

#endif
