// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/daemon/policy_default.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/base/sudo.h"

#define HERE    "agentfw.yaml"
#define OF_HOST "/etc/agentfw/policy.yaml"

/* Of root, or of who called sudo; a group of theirs counts as they do. */
static bool others_may_write(const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != sudo_id("SUDO_UID", 0))
		return true;
	if (st->st_mode & S_IWOTH)
		return true;
	return (st->st_mode & S_IWGRP) && st->st_gid != 0 && st->st_gid != sudo_id("SUDO_GID", 0);
}

/* The policy says what root does: which user's command runs, where the record is written. In a
 * directory like /tmp anybody may have put one. */
static int trusted(struct err *e)
{
	char path[PATH_MAX], *slash;
	struct stat st;

	if (!realpath(HERE, path) || stat(path, &st) < 0)
		return err_set(e, errno, "cannot open './" HERE "': %s", strerror(errno));
	slash = strrchr(path, '/');
	if (!others_may_write(&st)) {
		slash[slash == path] = '\0';
		if (stat(path, &st) == 0 && !others_may_write(&st))
			return 0;
	}
	err_set(e, EPERM, "./" HERE " is not taken: '%.300s' can be written by others than you",
		path);
	return err_hint(e, "look at it; if it is yours, name it: -p ./" HERE);
}

int policy_default(const char **ret, struct err *e)
{
	if (faccessat(AT_FDCWD, HERE, F_OK, AT_EACCESS) == 0) {
		*ret = HERE;
		return getuid() == 0 ? trusted(e) : 0;
	}
	if (access(OF_HOST, F_OK) == 0) { /* root's eyes see it, for whomever */
		*ret = OF_HOST;
		return 0;
	}
	err_set(e, ENOENT, "no policy: there is neither ./" HERE " nor " OF_HOST);
	return err_hint(e, "name one with -p FILE");
}
