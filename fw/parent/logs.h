/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The open records: one per directory, shared by the fences that write there. */
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

int log_open(struct parent *p, const char *dir, uint32_t snaplen, struct log_dir **ret,
	     struct err *e);
void log_close(struct parent *p, struct log_dir *l); /* NULL: nothing */

#endif
