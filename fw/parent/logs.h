/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The open records: one per directory (device and inode), shared by the fences that write there. */
#ifndef AGENTFW_LOGS_H
#define AGENTFW_LOGS_H

#include <stdint.h>

#include "fw/record/record.h"
#include "policy/base/err.h"

struct parent;

struct log_dir {
	struct log_dir *next;
	unsigned users;
	struct record *record;
};

/* The record of f's directory: the one that is open, whatever path opened it, or a new one. -EBUSY:
 * none is open here, and f is not taken. */
int log_open(struct parent *p, struct record_files *f, const char *path, uint32_t snaplen,
	     struct log_dir **ret, struct err *e);
struct log_dir *log_share(struct log_dir *l);        /* one user more */
void log_close(struct parent *p, struct log_dir *l); /* NULL: nothing */

#endif
