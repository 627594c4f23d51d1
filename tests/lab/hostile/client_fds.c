// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors that the hostile client hands over. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fw/record/files.h"
#include "tests/lab/hostile/client.h"

#define SEALS     (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define LOGS_KEPT 8 /* directories of records; the next one takes the place of the oldest */

static int memfd(const void *bytes, size_t n, int seals)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	for (size_t done = 0; done < n;) {
		ssize_t w = write(fd, (const char *)bytes + done, n - done);

		if (w <= 0)
			break;
		done += (size_t)w;
	}
	if (seals)
		fcntl(fd, F_ADD_SEALS, seals);
	return fd;
}

int good_policy(const struct blob *b)
{
	return memfd(b->bytes, b->n, SEALS);
}

/* A sealed policy with some bytes of it changed. */
static int damaged_policy(struct hostile_client *h, const struct blob *b)
{
	uint8_t *copy = malloc(b->n);
	size_t n = one_in(&h->d, 4) ? below(&h->d, b->n) + 1 : b->n;
	int fd;

	if (!copy)
		return -1;
	memcpy(copy, b->bytes, b->n);
	for (size_t i = 1 + below(&h->d, 4); i; i--) {
		size_t at = below(&h->d, n);

		if (one_in(&h->d, 2))
			copy[at] ^= (uint8_t)(1 << below(&h->d, 8));
		else
			copy[at] = (uint8_t)odd(&h->d);
	}
	fd = memfd(copy, n, SEALS);
	free(copy);
	return fd;
}

static int sparse(struct hostile_client *h)
{
	int fd = memfd(NULL, 0, 0);

	(void)!ftruncate(fd, (off_t)(odd(&h->d) >> 20));
	fcntl(fd, F_ADD_SEALS, SEALS);
	return fd;
}

int some_policy(struct hostile_client *h)
{
	const struct blob *b = &h->policy[below(&h->d, POLICIES)];

	switch (below(&h->d, 12)) {
	case 0:
		return damaged_policy(h, b);
	case 1: /* one seal is missing, and then it may change: client_steps.c */
		return memfd(b->bytes, b->n, SEALS & ~(1 << below(&h->d, 4)));
	case 2:
	case 3:
		return memfd(b->bytes, b->n, 0);
	case 4:
		return one_in(&h->d, 4) ? sparse(h) : memfd(b->bytes, below(&h->d, 16), SEALS);
	case 5:
		return some_fd(h);
	default:
		return good_policy(b);
	}
}

static int fifo(struct hostile_client *h)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/fifo", h->dir);
	mkfifo(path, 0600);
	return open(path, O_RDWR | O_CLOEXEC | (one_in(&h->d, 2) ? O_APPEND : 0) |
			      (one_in(&h->d, 2) ? O_NONBLOCK : 0));
}

static int one_of_pair(int type)
{
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	close(pair[1]);
	return pair[0];
}

int some_fd(struct hostile_client *h)
{
	static const char *const paths[] = {"/",         "/dev/null",         "/dev/zero",
					    "/dev/full", "/proc/self/status", "/etc/passwd"};
	static const int flags[] = {O_RDONLY, O_PATH, O_RDONLY | O_DIRECTORY};
	int pipes[2], fd;

	switch (below(&h->d, 9)) {
	case 0:
		return open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case 1:
		return fifo(h);
	case 2:
		return one_of_pair(one_in(&h->d, 2) ? SOCK_STREAM : SOCK_SEQPACKET);
	case 3:
		return eventfd(0, EFD_CLOEXEC);
	case 4: /* its own connection, or another one of its */
		return h->c[below(&h->d, CONNECTIONS)].fd < 0
			   ? -1
			   : dup(h->c[below(&h->d, CONNECTIONS)].fd);
	case 5:
		if (pipe2(pipes, O_CLOEXEC) < 0)
			return -1;
		fd = pipes[one_in(&h->d, 2)];
		close(fd == pipes[0] ? pipes[1] : pipes[0]);
		return fd;
	case 6:
		return memfd("x", 1, one_in(&h->d, 2) ? SEALS : 0);
	default:
		return open(paths[below(&h->d, 6)], flags[below(&h->d, 3)] | O_CLOEXEC);
	}
}

/* ---- records --------------------------------------------------------------------------------- */

static void log_path(struct hostile_client *h, char *path)
{
	snprintf(path, CTL_PATH_MAX, "%s/log-%llu", h->dir,
		 (unsigned long long)(h->logs % LOGS_KEPT));
}

static void new_log(struct hostile_client *h, char *path)
{
	char file[CTL_PATH_MAX + 32];

	h->logs++;
	log_path(h, path);
	snprintf(file, sizeof(file), "%s/" RECORD_EVENTS, path);
	unlink(file);
	snprintf(file, sizeof(file), "%s/" RECORD_CAPTURE, path);
	unlink(file);
	rmdir(path);
	mkdir(path, 0700);
}

size_t some_log(struct hostile_client *h, bool good, int fds[CTL_FDS_MAX], char *path)
{
	const int flags = O_CREAT | O_CLOEXEC | (good || !one_in(&h->d, 6) ? O_RDWR : O_RDONLY) |
			  (good || !one_in(&h->d, 6) ? O_APPEND : 0);
	char file[CTL_PATH_MAX + 32];

	log_path(h, path);
	if (good || one_in(&h->d, 3))
		new_log(h, path);
	fds[0] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(file, sizeof(file), "%s/" RECORD_EVENTS, path);
	fds[1] = open(file, flags, 0600);
	snprintf(file, sizeof(file), "%s/" RECORD_CAPTURE, path);
	fds[2] = open(file, flags, 0600);
	for (size_t i = 0; !good && i < 3; i++) {
		if (!one_in(&h->d, 8))
			continue;
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = some_fd(h);
	}
	if (!good && one_in(&h->d, 10) && fds[1] >= 0)
		(void)!ftruncate(fds[1], (off_t)below(&h->d, 1 << 20)); /* a line that is torn */
	return good || !one_in(&h->d, 10) ? 3 : below(&h->d, 3);
}
