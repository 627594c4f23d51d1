// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/run_dir.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

#define LOCK_WAIT_MS  12000 /* a daemon that was told to end ends its fences first */
#define TRIES         20    /* while other daemons remove the directory */
#define HANDLE_MAX    128
#define INITIAL_USERS 0xeffffffdu /* the inode of the first user namespace (linux/nsfs.h) */
#define PREFIX        "net-"

/* ---- the own one --------------------------------------------------------- */

/* Other users who can write there could replace our lock, socket or generation by their own. */
static int check_owner(const char *path, struct err *e)
{
	struct stat st = {0};

	if (lstat(path, &st) < 0 && errno == ENOENT)
		return 0; /* another daemon removed it: it is made again */
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	err_set(e, EPERM, "'%s' is not a directory that only root can write to", path);
	return err_hint(e, "name another place with AGENTFW_RUN_DIR, or leave it out");
}

static int make_dirs(const char *dir, struct err *e)
{
	char path[300];
	int r;

	snprintf(path, sizeof(path), "%s", dir);
	for (char *slash = path + 1; slash;) {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_set(e, errno, "cannot make %s: %s", path, strerror(errno));
		if (!slash || !strchr(slash + 1, '/')) { /* RUN, and RUN/net-N */
			r = check_owner(path, e);
			if (r < 0)
				return r;
		}
		if (slash)
			*slash++ = '/';
	}
	return 0;
}

/* The signals that end a daemon are blocked by now. */
static bool told_to_end(void)
{
	sigset_t came;

	return sigpending(&came) == 0 &&
	       (sigismember(&came, SIGTERM) == 1 || sigismember(&came, SIGINT) == 1 ||
		sigismember(&came, SIGHUP) == 1);
}

/* Waits for a daemon that is ending; an error if one listens. */
static int run_dir_wait(int lock, const char *socket_path, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", socket_path);
	for (int waited = 0; flock(lock, LOCK_EX | LOCK_NB) < 0; waited += 10) {
		_cleanup_close_ int fd =
		    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		/* EAGAIN: it listens, and its backlog is full */
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EAGAIN)
			return err_set(e, EALREADY,
				       "another agentfwd runs in this network namespace");
		if (told_to_end())
			return err_set(e, EINTR, "agentfwd was told to end");
		if (waited >= LOCK_WAIT_MS) {
			err_set(e, ETIMEDOUT,
				"another agentfwd in this network namespace was told to end, and "
				"does not");
			return err_hint(e, "it holds the lock beside %s: is it stopped?",
					socket_path);
		}
		usleep(10 * 1000);
	}
	return 0;
}

/* Is the open file still the one at the path? */
static bool is_at(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

union ns_handle {
	struct file_handle h;
	char bytes[sizeof(struct file_handle) + HANDLE_MAX];
};

/* Writes the namespace's handle, in the place of an earlier namespace's with the same inode.
 * Without handles in the kernel the directory is never removed. */
static int run_dir_mark(const char *dir, struct err *e)
{
	union ns_handle ns = {.h.handle_bytes = HANDLE_MAX};
	char path[300];
	_cleanup_close_ int fd = -1;
	size_t n;
	int unused;

	snprintf(path, sizeof(path), "%s/ns", dir);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(e, errno, "cannot remove %s: %s", path, strerror(errno));
	if (name_to_handle_at(AT_FDCWD, "/proc/self/ns/net", &ns.h, &unused, AT_SYMLINK_FOLLOW) < 0)
		return 0;
	n = sizeof(ns.h) + ns.h.handle_bytes;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, &ns, n) != (ssize_t)n)
		return err_set(e, errno, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

int run_dir_take(const char *dir, const char *socket_path, struct err *e)
{
	char path[300];
	int r;

	snprintf(path, sizeof(path), "%s/lock", dir);
	for (int i = 0; i < TRIES; i++) {
		_cleanup_close_ int fd = -1;

		if ((r = make_dirs(dir, e)) < 0)
			return r;
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT) /* removed meanwhile */
			continue;
		if (fd < 0)
			return err_set(e, errno, "cannot open %s: %s", path, strerror(errno));
		if ((r = run_dir_wait(fd, socket_path, e)) < 0)
			return r;
		if (!is_at(fd, path))
			continue;
		return (r = run_dir_mark(dir, e)) < 0 ? r : steal_fd(&fd);
	}
	return err_set(e, EAGAIN, "cannot keep %s: it is removed again and again", dir);
}

/* ---- those of others ----------------------------------------------------- */

/* ESTALE may also mean a namespace that we may not see: only a process that may see all can
 * tell. */
static bool sees_all(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == INITIAL_USERS &&
	       capng_get_caps_process() == 0 &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
}

static bool is_dead(int dir, int nsfs)
{
	union ns_handle ns;
	_cleanup_close_ int fd = openat(dir, "ns", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_close_ int opened = -1;
	ssize_t n = fd < 0 ? -1 : read(fd, &ns, sizeof(ns));

	if (n < (ssize_t)sizeof(ns.h) || ns.h.handle_bytes > HANDLE_MAX ||
	    (size_t)n != sizeof(ns.h) + ns.h.handle_bytes)
		return false;
	opened = open_by_handle_at(nsfs, &ns.h, O_RDONLY | O_CLOEXEC);
	return opened < 0 && errno == ESTALE;
}

/* The lock last: while it is there no daemon takes the directory. */
static void remove_all(int base, const char *name, int dir)
{
	int copy = dup(dir);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (de->d_name[0] != '.' && strcmp(de->d_name, "lock") != 0)
			unlinkat(dir, de->d_name, 0);
	if (d)
		closedir(d);
	else if (copy >= 0)
		close(copy);
	unlinkat(dir, "lock", 0);
	unlinkat(base, name, AT_REMOVEDIR);
}

static void look_at(int base, const char *name, int nsfs)
{
	_cleanup_close_ int dir =
	    openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_close_ int lock =
	    dir < 0 ? -1 : openat(dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 && is_dead(dir, nsfs))
		remove_all(base, name, dir);
}

void run_dir_clean(const char *dir)
{
	_cleanup_close_ int nsfs = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	const char *slash = strrchr(dir, '/');
	char base[300];
	struct dirent *de;
	DIR *d;

	if (nsfs < 0 || !slash || !sees_all())
		return;
	snprintf(base, sizeof(base), "%.*s", (int)(slash - dir), dir);
	d = opendir(base);
	while (d && (de = readdir(d)))
		if (strncmp(de->d_name, PREFIX, strlen(PREFIX)) == 0)
			look_at(dirfd(d), de->d_name, nsfs);
	if (d)
		closedir(d);
}
