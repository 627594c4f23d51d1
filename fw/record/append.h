/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that only grows, item by item, through a buffer. What could not be written (a full disk)
 * stays in the buffer, and the next flush goes on at that byte; a full buffer takes nothing
 * more. */
#ifndef AGENTFW_APPEND_H
#define AGENTFW_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/base/err.h"

#define APPEND_BYTES (1u << 20)

struct append {
	int fd;
	int error; /* errno of the last flush; 0: success */
	char *buf;
	size_t n;
	unsigned keep_share; /* append_keep_free */
	uint64_t keep_most;
};

/* fd, open for appending, is the append's from now on, also where this fails. */
int append_take(struct append *a, int fd, struct err *e);
/* From now on writing fails with ENOSPC while less than 1/share of the file system is free for
 * users; most: no more than that many bytes are kept free. */
void append_keep_free(struct append *a, unsigned share, uint64_t most);
void append_done(struct append *a); /* flushes once more */
/* Puts all of it, or nothing and returns false. */
bool append_put(struct append *a, const void *p, size_t bytes, const void *p2, size_t bytes2);
/* 0, or -errno: the buffer still holds the rest. */
int append_flush(struct append *a);

#endif
