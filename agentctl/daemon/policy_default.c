// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/daemon/policy_default.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/daemon/roots.h"
#include "policy/base/cleanup.h"
#include "policy/base/sudo.h"

#define HERE    "agentfw.yaml"
#define OF_HOST ROOTS_POLICIES "/policy.yaml"

/* Others than root and whoever called sudo. The primary groups of these two may write. */
static bool others_may_write(const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != sudo_id("SUDO_UID", 0))
		return true;
	if (st->st_mode & S_IWOTH)
		return true;
	return (st->st_mode & S_IWGRP) && st->st_gid != 0 && st->st_gid != sudo_id("SUDO_GID", 0);
}

/* The policy decides as whom the command runs and where root writes the record. In a directory like
 * /tmp anybody may have put one, or a link to one of root's that allows more. The file that is
 * checked here is the open one that is read; the directory is the one where we stand. */
static int open_trusted(int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd =
	    open(HERE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *why = "can be written by others than you";
	struct stat st, dir;
	bool link = fd < 0 && errno == ELOOP;

	if (fd < 0 && !link)
		return err_set(e, errno, "cannot open './" HERE "': %s", strerror(errno));
	if (link)
		why = "is a link";
	else if (fstat(fd, &st) < 0 || stat(".", &dir) < 0)
		return err_set(e, errno, "cannot look at './" HERE "': %s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		why = "is no regular file";
	else if (!others_may_write(&st) && others_may_write(&dir))
		why = "is in a directory that others than you can write";
	else if (!others_may_write(&st)) {
		*ret_fd = steal_fd(&fd);
		return 0;
	}
	err_set(e, EPERM, "./" HERE " is not taken: it %s", why);
	return err_hint(e, "look at it; if it is yours, name it: -p ./" HERE);
}

int policy_default(const char **ret, int *ret_fd, struct err *e)
{
	struct stat st;

	*ret_fd = -1;
	if (lstat(HERE, &st) == 0) {
		*ret = HERE;
		/* the effective one is the caller's for the moment */
		return getuid() == 0 || geteuid() == 0 ? open_trusted(ret_fd, e) : 0;
	}
	if (access(OF_HOST, F_OK) == 0) { /* by the real user's rights: under sudo, root's */
		*ret = OF_HOST;
		return 0;
	}
	err_set(e, ENOENT, "no policy: there is neither ./" HERE " nor " OF_HOST);
	return err_hint(e, "name one with -p FILE");
}
