// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fw/ipc/engine_msg.h"
#include "policy/base/cleanup.h"

#define TEXT_BYTES 64

/* The number as epoch_next writes it; 0: none. */
static uint32_t epoch_number(int fd)
{
	char text[TEXT_BYTES] = "", *end;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	unsigned long value = strtoul(text, &end, 10);

	if (n <= 0 || strlen(text) != (size_t)n || text[0] < '0' || text[0] > '9')
		return 0;
	end += strspn(end, " ");
	return strcmp(end, "\n") == 0 && value <= CT_EPOCH_MAX ? (uint32_t)value : 0;
}

static void path_of(const char *run_dir, char *ret, size_t bytes)
{
	snprintf(ret, bytes, "%s/epoch", run_dir);
}

bool epoch_is_lost(const char *run_dir)
{
	char path[300];
	_cleanup_close_ int fd = -1;

	path_of(run_dir, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && epoch_number(fd) == 0;
}

int epoch_next(const char *run_dir, uint32_t *ret, bool *ret_lost, struct err *e)
{
	char path[300], text[TEXT_BYTES];
	_cleanup_close_ int fd = -1;
	uint32_t epoch;
	int n;

	*ret_lost = epoch_is_lost(run_dir);
	path_of(run_dir, path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, errno, "cannot open %s: %s", path, strerror(errno));
	epoch = epoch_number(fd);
	if (!epoch && getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
		return err_set(e, EIO, "the kernel gives no random numbers");
	epoch = epoch % CT_EPOCH_MAX + 1;
	n = snprintf(text, sizeof(text), "%-10u\n", epoch);
	if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0)
		return err_set(e, errno, "cannot write %s: %s", path, strerror(errno));
	*ret = epoch;
	return 0;
}
