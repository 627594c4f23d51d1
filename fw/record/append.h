/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that only grows, item by item, through a buffer. What could not be written (a full disk)
 * stays in the buffer and is tried again at the next flush, from the byte where it stopped; a full
 * buffer takes nothing more. */
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
	int error; /* errno of the last flush, 0: it went well */
	char *buf;
	size_t n;
	unsigned keep_share; /* append_keep_free */
	uint64_t keep_most;
};

/* Opens (or makes, 0600) the regular file name in the directory; path is for messages. Refuses
 * links, and files of others than root, us and the directory's owner. */
int append_open(struct append *a, int dir, const char *path, const char *name, struct err *e);
/* From now on it does not take the last room of the file system that users have: a part of it, but
 * no more than most bytes, is kept free, as if the disk were full. */
void append_keep_free(struct append *a, unsigned share, uint64_t most);
void append_done(struct append *a); /* what is still in the buffer is tried once more */
/* All of it or, with false, nothing. */
bool append_put(struct append *a, const void *p, size_t bytes, const void *p2, size_t bytes2);
/* 0, or -errno: the buffer still holds the rest. */
int append_flush(struct append *a);

#endif
