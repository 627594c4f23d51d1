// SPDX-License-Identifier: GPL-2.0-or-later
/* Paths of another process: by its root, its working directory, its memory. */
#include "agentctl/seen/watch_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/base/path.h"

#define PAGE      4096u
#define LINKS_MAX 4 /* of /proc/self one after the other */
#define TRIES     100

int watch_memory(pid_t pid, uint64_t at, void *ret, size_t bytes)
{
	struct iovec to = {ret, bytes}, from = {(void *)(uintptr_t)at, bytes};
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

	return n == (ssize_t)bytes ? 0 : n < 0 ? -errno : -EFAULT;
}

/* Page by page: the next page need not be mapped. */
int watch_string(pid_t pid, uint64_t at, char *ret, size_t bytes)
{
	size_t n = 0;

	while (n < bytes) {
		size_t part = PAGE - ((at + n) & (PAGE - 1));
		int r;

		if (part > bytes - n)
			part = bytes - n;
		r = watch_memory(pid, at + n, ret + n, part);
		if (r < 0)
			return r;
		if (memchr(ret + n, '\0', part))
			return 0;
		n += part;
	}
	return -ENAMETOOLONG;
}

/* The target of a link of /proc/PID; -ENOENT: it is no path (a pipe, a socket). */
static int proc_link(pid_t pid, const char *name, char *ret, size_t bytes)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, ret, bytes - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return ret[0] == '/' ? 0 : -ENOENT;
}

static int absolute(pid_t pid, int dirfd, const char *text, char *ret, size_t bytes)
{
	char dir[PATH_MAX + 16], name[32] = "cwd";
	int r;

	if (text[0] == '/')
		return (size_t)snprintf(ret, bytes, "%s", text) < bytes ? 0 : -ENAMETOOLONG;
	if (dirfd != AT_FDCWD)
		snprintf(name, sizeof(name), "fd/%d", dirfd);
	r = proc_link(pid, name, dir, sizeof(dir));
	return r < 0     ? r
	       : text[0] ? path_join(dir, text, ret, bytes)
			 : path_join(dir, ".", ret, bytes);
}

/* /proc/self is agentctl for us: replaces links like /proc/self/root. true: text was changed. */
static bool through_self(pid_t pid, char *text, size_t bytes)
{
	static const char *const selves[] = {"/proc/self/", "/proc/thread-self/"};
	char name[32], dir[PATH_MAX + 16], rest[PATH_MAX + 1], *slash;
	const char *p = NULL;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(selves); i++)
		if (strncmp(text, selves[i], strlen(selves[i])) == 0)
			p = text + strlen(selves[i]);
	if (!p)
		return false;
	n = strcspn(p, "/");
	if (n == 2 && strncmp(p, "fd/", 3) == 0)
		n = 3 + strcspn(p + 3, "/");
	else if (strncmp(p, "root", n) != 0 && strncmp(p, "cwd", n) != 0 &&
		 strncmp(p, "exe", n) != 0)
		return false;
	if (n < 3 || n >= sizeof(name))
		return false;
	memcpy(name, p, n);
	name[n] = '\0';
	slash = strchr(p + n, '/');
	if (snprintf(rest, sizeof(rest), "%s", slash ? slash + 1 : "") >= (int)sizeof(rest) ||
	    proc_link(pid, name, dir, sizeof(dir)) < 0)
		return false;
	if (slash)
		return path_join(dir, rest, text, bytes) == 0;
	return (size_t)snprintf(text, bytes, "%s", dir) < bytes;
}

/* openat2 within a root. */
static int open_in(int root, const char *text, uint64_t flags)
{
	struct open_how how = {.flags = O_CLOEXEC | flags, .resolve = RESOLVE_IN_ROOT};
	int fd = -1;

	/* ".." beside a rename or mount anywhere on the host makes the kernel give up */
	for (int i = 0; i < TRIES; i++) {
		fd = (int)syscall(SYS_openat2, root, text, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

int watch_open_file(int root, const char *path)
{
	_cleanup_close_ int fd = open_in(root, path, O_PATH | O_NOFOLLOW);
	char self[48];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int name_of(int fd, char *ret, size_t bytes)
{
	char path[48];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, ret, bytes - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return ret[0] == '/' ? 0 : -ENOENT;
}

static int look_at_file(int fd, struct watch_stat *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MODE | STATX_TYPE | STATX_BTIME, &st) < 0)
		return -errno;
	ret->mode = st.stx_mode;
	ret->born_ns = st.stx_mask & STATX_BTIME
			   ? (uint64_t)st.stx_btime.tv_sec * 1000000000u + st.stx_btime.tv_nsec
			   : 0;
	return 0;
}

/* For a path that does not exist: its directory, with the last part behind it. */
static int of_directory(int root, char *text, char *ret, size_t bytes, struct watch_stat *ret_stat)
{
	char dir[PATH_MAX + 1], *last;
	_cleanup_close_ int fd = -1;
	size_t n = strlen(text);
	int r;

	while (n > 1 && text[n - 1] == '/')
		text[--n] = '\0';
	last = strrchr(text, '/');
	if (!last[1] || strcmp(last, "/.") == 0 || strcmp(last, "/..") == 0)
		return -EINVAL;
	*last = '\0';
	fd = open_in(root, text[0] ? text : "/", O_PATH | O_DIRECTORY);
	if (fd < 0 || (ret_stat && look_at_file(fd, ret_stat) < 0))
		return -ENOTDIR;
	r = name_of(fd, dir, sizeof(dir));
	return r < 0 ? r : path_join(dir, last + 1, ret, bytes) < 0 ? -ENAMETOOLONG : -ENOENT;
}

int watch_root(pid_t pid)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int watch_path(pid_t pid, int root, int dirfd, const char *text, bool follow, char ret_path[4097],
	       struct watch_stat *ret_stat)
{
	char full[2 * PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = absolute(pid, dirfd, text, full, sizeof(full));

	for (int i = 0; r == 0 && i < LINKS_MAX && through_self(pid, full, sizeof(full)); i++)
		;
	if (r < 0)
		return r;
	fd = open_in(root, full, O_PATH | (follow ? 0 : O_NOFOLLOW));
	if (fd < 0 && errno == ENOENT)
		return of_directory(root, full, ret_path, PATH_MAX + 1, ret_stat);
	if (fd < 0)
		return errno == ENOENT ? -ENOTDIR : -errno;
	if (ret_stat && (r = look_at_file(fd, ret_stat)) < 0)
		return r;
	return name_of(fd, ret_path, PATH_MAX + 1);
}
