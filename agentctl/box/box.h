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
	BOX_REFERENCE, /* the box that BOX_AUDIT does not make: never applied, only judged by */
};

struct box { /* all that it points to lives as long as the plan */
	const struct policy *policy;
	size_t profile;
	const char *policy_path; /* protected; absolute */
	bool of_root; /* the policy is root's: it may name places that the user cannot reach */
	const char *run_dir, *log_dir;
	const char *cwd; /* the caller's; NULL: ours */
	enum box_mode mode;
	bool namespaces; /* false: the host forbids them, Landlock and seccomp hold alone */
};

/* Adds the steps to p, which user_find has filled. *ret_guard: the guard of the directories that
 * the box may write, the caller's to free; NULL: there is none, or an error. */
int box_plan(const struct box *b, struct plan *p, struct guard **ret_guard, struct err *e);
/* A profile's path with "~" and "$WORKSPACE" replaced. */
int box_path(const struct plan *p, const char *workspace, const char *path, char *ret, size_t bytes,
	     struct err *e);

#endif
