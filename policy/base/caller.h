/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user for whom we act: where we are root by sudo, the user who called it; else our own. Root
 * does nothing for a caller that the caller could not do: the files that a caller names are opened
 * with the caller's rights. */
#ifndef AGENTFW_BASE_CALLER_H
#define AGENTFW_BASE_CALLER_H

#include <stdbool.h>
#include <sys/types.h>

struct err;

uid_t caller_uid(void);
/* We are root, and the caller is not. */
bool caller_is_another(void);

/* Root takes the rights of one user, to open files. For processes with one thread. */
struct rights_lent {
	bool own; /* nothing was changed */
	gid_t gid, groups[64];
	int n_groups;
};
/* name: the user whose groups of the user database are taken; NULL: only gid. Nothing changes where
 * we are not root, or uid is root's. */
int rights_of(uid_t uid, gid_t gid, const char *name, struct rights_lent *ret, struct err *e);
int rights_of_caller(struct rights_lent *ret, struct err *e);
/* Root's own again. */
void rights_back(const struct rights_lent *r);

/* Adds a hint where the caller is another: that the caller's rights were used, and how to use root's.
 * Returns -e->code. */
int caller_hint(struct err *e);

#endif
