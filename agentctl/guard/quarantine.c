// SPDX-License-Identifier: GPL-2.0-or-later
/* A place is renamed to a name that nobody obeys, where the attacker may be at work. */
#include "agentctl/guard/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "policy/base/cleanup.h"

/* Cuts path behind the first part of it that is a link. */
static void cut_at_link(int dirfd, char *path)
{
	struct stat st;

	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
			return;
		*slash = '/';
	}
}

int quarantine(int dirfd, const char *path, int tries)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
	char parent[PATH_MAX], name[NAME_MAX + 1], aside[NAME_MAX + sizeof(QUARANTINE_SUFFIX) + 16];
	_cleanup_close_ int at = -1;
	char *slash;

	if ((size_t)snprintf(parent, sizeof(parent), "./%s", path) >= sizeof(parent))
		return -ENAMETOOLONG;
	cut_at_link(dirfd, parent);
	slash = strrchr(parent, '/');
	snprintf(name, sizeof(name), "%s", slash + 1);
	*slash = '\0';
	at = (int)syscall(SYS_openat2, dirfd, parent, &how, sizeof(how));
	if (at < 0)
		return -errno;
	for (int i = 1; i <= tries; i++) {
		if (i == 1)
			snprintf(aside, sizeof(aside), "%s" QUARANTINE_SUFFIX, name);
		else
			snprintf(aside, sizeof(aside), "%s" QUARANTINE_SUFFIX "-%d", name, i);
		if (renameat2(at, name, at, aside, RENAME_NOREPLACE) == 0 || errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}
