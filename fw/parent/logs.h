/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The open records: one per directory, by device and inode, shared by the fences that write there.
 */
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

/* The record of the directory that f is of, whatever it is called: the one that is open, or a new
 * one. -EBUSY: it is not open here, and f was not taken. */
int log_open(struct parent *p, struct record_files *f, const char *path, uint32_t snaplen,
	     struct log_dir **ret, struct err *e);
struct log_dir *log_share(struct log_dir *l);        /* one user more */
void log_close(struct parent *p, struct log_dir *l); /* NULL: nothing */

#endif
