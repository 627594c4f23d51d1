/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From single accesses to the lists of a profile. */
#ifndef AGENTFW_LEARN_FILES_H
#define AGENTFW_LEARN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/base/rights.h"

struct seen;

struct proposal {
	char *path;
	enum right right;
	uint64_t count; /* accesses */
	size_t files;   /* how many different ones it stands for */
	bool broad, optional;
	const char *why_not; /* not proposed, and why; else NULL */
};

struct proposals {
	struct proposal *list; /* sorted by right and path */
	size_t n, room;
};

/* What the host is like now. */
struct learn_host {
	const char *home; /* of who ran it */
	bool (*exists)(const char *path);
	bool (*is_directory)(const char *path);
};

/* -ENOMEM; ret is to be done with also then. */
int learn_files(const struct seen *s, const struct learn_host *h, struct proposals *ret);
void proposals_done(struct proposals *p);

#endif
