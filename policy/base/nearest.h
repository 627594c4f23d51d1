/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "did you mean": which of the words that there are somebody may have meant by one that there is
 * not. */
#ifndef AGENTFW_BASE_NEAREST_H
#define AGENTFW_BASE_NEAREST_H

struct nearest {
	const char *written;
	const char *found; /* the best one so far; NULL: none is near */
	unsigned distance;
};

/* Looks whether word, which must live on, is what was meant. Near is a letter more, less, wrong, or
 * two in each other's place; in words over four letters two of these; and what begins like it. */
void nearest_try(struct nearest *n, const char *word);

#endif
