// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/daemon/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/base/path.h"

#define LOGS "/var/log"

static bool is_dots(const char *name, size_t bytes)
{
	return name[0] == '.' && (bytes == 1 || (bytes == 2 && name[1] == '.'));
}

bool roots_below(const char *path, const char *dir)
{
	if (path[0] != '/' || !path_below(path, dir))
		return false;
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (is_dots(p, strcspn(p, "/")))
			return false;
	}
	return true;
}

static bool is_roots(int fd, bool is_last)
{
	struct stat st;
	mode_t others = S_IWOTH;

	if (fstat(fd, &st) < 0 || st.st_uid != 0)
		return false;
	if (st.st_gid != 0)
		others |= S_IWGRP;
	return !(st.st_mode & others) ||
	       (!is_last && S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX));
}

/* One step down. */
static int enter(int dir, const char *name, bool is_last, int flags, bool make)
{
	int how = (is_last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int fd = openat(dir, name, how);

	if (fd < 0 && errno == ENOENT && make) {
		if (mkdirat(dir, name, is_last ? 0700 : 0755) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(dir, name, how);
	}
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
	return is_roots(fd, is_last) ? steal_fd(&fd) : -EPERM;
}

int roots_open(const char *path, int flags, bool make)
{
	bool in_logs = roots_below(path, LOGS);
	const char *p = in_logs ? path + strlen(LOGS) : path;
	_cleanup_close_ int dir = open(in_logs ? LOGS : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	if (!roots_below(path, "/") || (!in_logs && !is_roots(dir, false)))
		return -EPERM;
	for (p += strspn(p, "/"); *p;) {
		size_t bytes = strcspn(p, "/");
		const char *next = p + bytes + strspn(p + bytes, "/");
		char name[NAME_MAX + 1];
		int fd;

		if (bytes > NAME_MAX)
			return -ENAMETOOLONG;
		snprintf(name, sizeof(name), "%.*s", (int)bytes, p);
		fd = enter(dir, name, !*next, flags, make);
		if (fd < 0 || !*next)
			return fd;
		close(dir);
		dir = fd;
		p = next;
	}
	return -EPERM; /* "/", or the directory of all logs */
}

bool roots_is(const char *path, int fd)
{
	_cleanup_close_ int found = roots_below(path, LOGS) ? -1 : roots_open(path, O_PATH, false);
	struct stat a, b;
	struct statvfs fs;

	return found >= 0 && fstat(found, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino && S_ISREG(b.st_mode) && fstatvfs(fd, &fs) == 0 &&
	       !(fs.f_flag & ST_NOSUID);
}
