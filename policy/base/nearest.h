/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "did you mean": which of the known words somebody may have meant by an unknown one. */
#ifndef AGENTFW_BASE_NEAREST_H
#define AGENTFW_BASE_NEAREST_H

struct nearest {
	const char *written;
	const char *found; /* the best one so far; NULL: none is near */
	unsigned distance;
};

/* Takes word, which must live as long as n, if it is nearer than n->found. Near: one letter more,
 * less or wrong, or two swapped; two such differences where both words are over four letters; or
 * word begins with what was written. */
void nearest_try(struct nearest *n, const char *word);

#endif
