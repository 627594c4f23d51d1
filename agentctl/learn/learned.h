/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One thing that was learned, on its way into the text of a policy. */
#ifndef AGENTFW_LEARN_LEARNED_H
#define AGENTFW_LEARN_LEARNED_H

#include <stddef.h>
#include <stdint.h>

#include "agentctl/learn/entry.h"

struct learned {
	const char *tool;                     /* whose; NULL: the agent's */
	const struct seen_endpoint *endpoint; /* or NULL, and */
	const struct proposal *path;
	struct learn_entry entry; /* of the endpoint */
	char why_not[200];        /* it is left out, and why */
	/* anew for each text that is made: */
	int node; /* the item of a list that says it; 0: none does, what held says it already */
	unsigned line;  /* that item's in the text, from 1; 0: none */
	uint64_t count; /* how often, with what the same item says besides */
	size_t files;
};

struct learned_all {
	struct learned *list;
	size_t n;
};

#endif
