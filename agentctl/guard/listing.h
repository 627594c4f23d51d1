/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entries of a directory that matter to the guard. */
#ifndef AGENTFW_LISTING_H
#define AGENTFW_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#define PLACES_MAX 128 /* of protected_places */

struct listing {
	bool names[PLACES_MAX]; /* the directory has the first part of this place's path */
	bool any;
	char *dirs; /* its directories, each name terminated; to be freed */
	size_t bytes;
};

void listing_note(struct listing *l, const char *name);
/* ret begins as zeroes. 0 or -errno. */
int listing_read(int dirfd, struct listing *ret);

#endif
