/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan while it is made: what the files of this folder share. */
#ifndef AGENTFW_BUILD_H
#define AGENTFW_BUILD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "agentctl/box/box.h"
#include "agentctl/confine/libraries.h"
#include "agentctl/confine/plan.h"
#include "policy/profile.h"

struct err;
struct guard;

/* A path of the profile, and where it leads. */
struct entry {
	struct profile_path path;
	char *real; /* NULL: it is optional, and not there */
};

struct build {
	const struct box *b;
	struct plan *p;
	struct guard *guard; /* NULL: nothing is written so far */
	struct profile profile;
	struct library_dirs *libs;
	char workspace[PATH_MAX];
	struct entry *entry;
	size_t n_entries;
	/* every place that some profile of the policy may write, and the workspace */
	char **writable;
	size_t n_writable;
	bool sockets; /* the profile names one */
	struct err *e;
};

/* An error about an entry of the profile; returns -code. */
int build_error(struct build *b, const struct profile_path *path, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
