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
	const char *why_not; /* why it is only listed, not proposed; else NULL */
};

struct proposals {
	struct proposal *list; /* sorted by right and path */
	size_t n, room;
};

/* The host as it is now. */
struct learn_host {
	const char *home; /* of the agent's user */
	bool (*exists)(const char *path);
	bool (*is_directory)(const char *path);
};

/* 0 or -ENOMEM; proposals_done is due in both cases. */
int learn_files(const struct seen *s, const struct learn_host *h, struct proposals *ret);
void proposals_done(struct proposals *p);

#endif
