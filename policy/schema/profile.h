/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What profile.c, paths.c and limits.c share: they read a profile. */
#ifndef AGENTFW_SCHEMA_PROFILE_H
#define AGENTFW_SCHEMA_PROFILE_H

#include "policy/profile.h"
#include "policy/schema/schema.h"

/* One profile while it is read: the arg of every function here. */
struct reading {
	struct load *l;
	uint32_t index;
	const char *tool; /* NULL: the agent */
	unsigned line, col;
	enum right right;
	struct compile *net; /* of a tool with `egress` or `ingress` */
	bool network_none, broad, args;
	bool interpreter;  /* the command is one */
	bool command_told; /* its error is told already */
	unsigned command_line, command_col;
	char *user, *cwd, *command;
	/* one entry */
	char *path;
	bool entry_optional, entry_broad;
	unsigned entry_line, entry_col;
};

static inline struct blob_profile *reading_profile(const struct reading *r)
{
	return compile_profile_at(r->l->c, r->index);
}

/* ---- paths.c --------------------------------------------------------------------------------- */

void profile_read(struct yaml *y, void *arg);
void profile_write(struct yaml *y, void *arg);
void profile_exec(struct yaml *y, void *arg);
void profile_deny(struct yaml *y, void *arg);
/* The path of the current event in the form of profile.h, to be freed; NULL: the error is told. */
char *schema_path(struct yaml *y, struct load *l);
void profile_add_path(struct reading *r, enum right right, const char *path, bool optional,
		      bool broad, unsigned line, unsigned col);

/* ---- limits.c -------------------------------------------------------------------------------- */

void profile_limits(struct yaml *y, void *arg);

#endif
