// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/caller.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/sudo.h"

uid_t caller_uid(void)
{
	return geteuid() == 0 ? sudo_id("SUDO_UID", 0) : geteuid();
}

bool caller_is_another(void)
{
	return caller_uid() != geteuid();
}

int rights_of(uid_t uid, gid_t gid, const char *name, struct rights_lent *ret, struct err *e)
{
	*ret = (struct rights_lent){.own = geteuid() != 0 || uid == 0};
	if (ret->own)
		return 0;
	ret->n_groups = getgroups(ARRAY_SIZE(ret->groups), ret->groups);
	ret->gid = getegid();
	if (ret->n_groups < 0)
		return err_set(e, errno, "cannot read our groups: %s", strerror(errno));
	if ((name ? initgroups(name, gid) : setgroups(1, &gid)) == 0 && setegid(gid) == 0 &&
	    seteuid(uid) == 0)
		return 0;
	err_set(e, errno, "cannot take the rights of user %u: %s", (unsigned)uid, strerror(errno));
	rights_back(ret);
	return -EPERM;
}

/* The group of a caller who is not in the user database is the one that sudo names. */
int rights_of_caller(struct rights_lent *ret, struct err *e)
{
	const struct passwd *pw = caller_is_another() ? getpwuid(caller_uid()) : NULL;

	return rights_of(caller_uid(), pw ? pw->pw_gid : sudo_id("SUDO_GID", NOBODY),
			 pw ? pw->pw_name : NULL, ret, e);
}

/* Aborts where root's rights cannot be taken back: the code after this expects them. */
void rights_back(const struct rights_lent *r)
{
	if (!r->own && (seteuid(0) < 0 || setegid(r->gid) < 0 ||
			setgroups((size_t)r->n_groups, r->groups) < 0))
		abort();
}

int caller_hint(struct err *e)
{
	if (!caller_is_another())
		return -e->code;
	return err_hint(e,
			"under sudo agentctl opens files with the rights of user %u, who called "
			"it; with those of root: sudo env -u SUDO_UID agentctl …",
			(unsigned)caller_uid());
}
