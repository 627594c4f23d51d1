// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

static int check(int fd, int dir, const char *path, const char *name, struct err *e)
{
	struct stat st, sd;

	if (fstat(fd, &st) < 0 || fstat(dir, &sd) < 0)
		return err_set(e, errno, "cannot look at '%s/%s': %s", path, name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "'%s/%s' is not a regular file", path, name);
	/* Never write to another user's file, nor to one through a hard link. */
	if ((st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != sd.st_uid) ||
	    st.st_nlink != 1) {
		err_set(e, EPERM, "'%s/%s' belongs to another user, or has hard links", path, name);
		return err_hint(e, "move it away, or name another directory for the log");
	}
	return 0;
}

int append_open(struct append *a, int dir, const char *path, const char *name, struct err *e)
{
	const int flags =
	    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	_cleanup_close_ int fd = openat(dir, name, flags, 0600);
	int r;

	*a = (struct append){.fd = -1};
	if (fd < 0) {
		r = errno;
		err_set(e, r, "cannot open '%s/%s': %s", path, name, strerror(r));
		return err_hint(e, "%s",
				r == ELOOP ? "it is a symbolic link; remove it"
				: r == ENOSPC
				    ? "the disk is full; make room, or name another "
				      "directory for the log"
				    : "name a directory for the log that can be written to");
	}
	r = check(fd, dir, path, name, e);
	if (r < 0)
		return r;
	a->buf = malloc(APPEND_BYTES);
	if (!a->buf)
		return err_set(e, ENOMEM, "out of memory");
	a->fd = steal_fd(&fd);
	return 0;
}

void append_done(struct append *a)
{
	if (a->fd >= 0) {
		append_flush(a);
		close(a->fd);
	}
	free(a->buf);
	*a = (struct append){.fd = -1};
}

bool append_put(struct append *a, const void *p, size_t bytes, const void *p2, size_t bytes2)
{
	size_t all = bytes + bytes2;

	if (all > APPEND_BYTES - a->n)
		append_flush(a);
	if (all > APPEND_BYTES - a->n)
		return false;
	memcpy(a->buf + a->n, p, bytes);
	if (bytes2)
		memcpy(a->buf + a->n + bytes, p2, bytes2);
	a->n += all;
	return true;
}

void append_keep_free(struct append *a, unsigned share, uint64_t most)
{
	a->keep_share = share;
	a->keep_most = most;
}

static bool has_room(const struct append *a)
{
	struct statvfs fs;
	uint64_t keep;

	if (!a->n || !a->keep_share || fstatvfs(a->fd, &fs) < 0)
		return true;
	keep = (uint64_t)fs.f_blocks * fs.f_frsize / a->keep_share;
	if (keep > a->keep_most)
		keep = a->keep_most;
	return (uint64_t)fs.f_bavail * fs.f_frsize >= keep;
}

int append_flush(struct append *a)
{
	size_t done = 0;

	a->error = has_room(a) ? 0 : ENOSPC;
	while (done < a->n && !a->error) {
		ssize_t n = write(a->fd, a->buf + done, a->n - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			a->error = errno;
	}
	a->n -= done;
	memmove(a->buf, a->buf + done, a->n);
	return -a->error;
}
