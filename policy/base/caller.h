/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On whose behalf root acts: under sudo, of the user behind it. Root does nothing for a caller that
 * the caller could not do: what a caller names is opened with the caller's rights. */
#ifndef AGENTFW_BASE_CALLER_H
#define AGENTFW_BASE_CALLER_H

#include <stdbool.h>
#include <sys/types.h>

struct err;

uid_t caller_uid(void);
/* We are root, and the caller is not. */
bool caller_is_another(void);

/* The rights of one user in the place of root's, for opening files. Not for threads. */
struct rights_lent {
	bool own; /* nothing was changed */
	gid_t gid, groups[64];
	int n_groups;
};
/* name: whose groups of the user database; NULL: no groups but gid. Only root changes anything. */
int rights_of(uid_t uid, gid_t gid, const char *name, struct rights_lent *ret, struct err *e);
/* Those of the caller. */
int rights_of_caller(struct rights_lent *ret, struct err *e);
void rights_back(const struct rights_lent *r);

/* Adds, where the caller is another, why root's own rights did not help, and what does; returns
 * -e->code. */
int caller_hint(struct err *e);

#endif
