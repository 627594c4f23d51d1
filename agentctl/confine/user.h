/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user that the command runs as. */
#ifndef AGENTFW_USER_H
#define AGENTFW_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "policy/base/caller.h"

struct err;
struct plan;

/* Fills p's uid, gid, user, home and shell. name NULL or "": the user behind sudo, or the
 * caller. */
int user_find(struct plan *p, const char *name, struct err *e);
/* Must user_become be called? */
bool user_changes(const struct plan *p);
int user_become(const struct plan *p, const gid_t *groups, size_t n, struct err *e);

/* Root takes the rights of p's user until rights_back, to look at files. Others keep their own. */
int user_borrow(const struct plan *p, struct rights_lent *ret, struct err *e);

#endif
