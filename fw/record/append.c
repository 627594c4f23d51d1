// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/append.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

int append_take(struct append *a, int fd, struct err *e)
{
	*a = (struct append){.fd = fd, .buf = malloc(APPEND_BYTES)};
	return a->buf ? 0 : err_set(e, ENOMEM, "out of memory");
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
