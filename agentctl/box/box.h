/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a profile to a plan. */
#ifndef AGENTFW_BOX_H
#define AGENTFW_BOX_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct guard;
struct plan;
struct policy;

enum box_mode {
	BOX_ENFORCE = 0,
	BOX_AUDIT,     /* files are not limited, all of them are watched */
	BOX_REFERENCE, /* as if the profile named files: never applied, what a box of it would
			  refuse */
};

struct box { /* everything in it lives as long as the plan */
	const struct policy *policy;
	size_t profile;
	const char *policy_path; /* protected; absolute */
	bool of_root; /* that file is root's: it may name places that the user cannot reach */
	const char *run_dir, *log_dir;
	const char *cwd; /* the caller's; NULL: ours */
	enum box_mode mode;
	bool namespaces; /* false: the host forbids them, Landlock and seccomp stand alone */
};

/* Adds the steps to p, which user_find has filled. *ret_guard: of what the box may write, the
 * caller's to free; NULL: it may write nothing, or there was an error. */
int box_plan(const struct box *b, struct plan *p, struct guard **ret_guard, struct err *e);
/* path of a profile with "~" and "$WORKSPACE" put in. */
int box_path(const struct plan *p, const char *workspace, const char *path, char *ret, size_t bytes,
	     struct err *e);

#endif
