// SPDX-License-Identifier: GPL-2.0-or-later
/* The user that the command runs as. */
#include "agentctl/confine/user.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/confine/plan.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/sudo.h"

static int user_take(struct plan *p, const struct passwd *pw)
{
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	snprintf(p->home, sizeof(p->home), "%s", pw->pw_dir);
	snprintf(p->shell, sizeof(p->shell), "%s", pw->pw_shell);
	return 0;
}

static bool number(const char *s, unsigned long *ret)
{
	char *end;

	*ret = strtoul(s, &end, 10);
	return isdigit((unsigned char)*s) && !*end && *ret < UINT32_MAX;
}

static int find_named(struct plan *p, const char *name, struct err *e)
{
	unsigned long uid;
	const struct passwd *pw = number(name, &uid) ? getpwuid((uid_t)uid) : getpwnam(name);

	if (!pw)
		return err_set(e, ENOENT, "user: there is no user '%s'", name);
	if (geteuid() != 0 && pw->pw_uid != getuid()) {
		err_set(e, EPERM, "only root can run a command as user '%s'", name);
		return err_hint(e, "start with sudo, or leave `user` out");
	}
	return user_take(p, pw);
}

int user_find(struct plan *p, const char *name, struct err *e)
{
	uid_t sudo = sudo_id("SUDO_UID", 0);
	const struct passwd *pw;

	if (name && name[0])
		return find_named(p, name, e);
	if (geteuid() != 0) {
		pw = getpwuid(getuid());
		return pw ? user_take(p, pw)
			  : err_set(e, ENOENT, "user %u has no entry in the user database",
				    (unsigned)getuid());
	}
	if (sudo && (pw = getpwuid(sudo)))
		return user_take(p, pw);
	err_set(e, EPERM, "the agent would run as root");
	return err_hint(
	    e, "name a user in the policy (agent: {user: NAME}), or start with sudo as yourself; "
	       "root only runs as root when the policy says user: root");
}

bool user_changes(const struct plan *p)
{
	return !p->rootless && (geteuid() == 0 || p->uid != getuid());
}

int user_become(const struct plan *p, const gid_t *groups, size_t n, struct err *e)
{
	if (setgroups(n, groups) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
	    setresuid(p->uid, p->uid, p->uid) < 0)
		return err_set(e, errno, "cannot become user '%s': %s", p->user, strerror(errno));
	return 0;
}

int user_borrow(const struct plan *p, struct rights_lent *ret, struct err *e)
{
	return rights_of(p->uid, p->gid, p->user, ret, e);
}
