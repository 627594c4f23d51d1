/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record in a directory that is there. */
#ifndef AGENTFW_TESTS_RECORD_H
#define AGENTFW_TESTS_RECORD_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fw/record/record.h"

/* -EBUSY: another record is open there. */
static inline int open_record(const char *dir, struct record **ret, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct record_files f;
	int r = fd < 0 ? -errno : record_files_open(&f, fd, dir, e);

	if (fd >= 0)
		close(fd);
	if (r < 0)
		return r;
	r = f.taken ? record_open(&f, dir, 2048, ret, e) : -EBUSY;
	record_files_close(&f);
	return r;
}

#endif
