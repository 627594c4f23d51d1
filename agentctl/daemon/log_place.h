/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of a record. It is found, made and opened with the caller's rights, and handed to
 * the daemon as descriptors. Root's rights open /var/log/agentfw, and a directory that a policy of
 * root's names where nobody else can write. */
#ifndef AGENTFW_LOG_PLACE_H
#define AGENTFW_LOG_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "fw/ipc/control_msg.h"

struct err;
struct patience;
struct policy_file;

struct log_place {
	char path[CTL_PATH_MAX]; /* absolute */
	bool of_root;            /* root's rights open it, if it is root's alone */
	int fd;                  /* -1: not opened yet */
};

/* named: --log-dir; NULL: policy's audit.dir; both NULL: the default. reading: root's rights open
 * all directories below /var/log/agentfw, too. Opens nothing. */
int log_place_find(struct log_place *l, const char *named, const struct policy_file *policy,
		   bool reading, struct err *e);
/* Opens it, if it is not open yet. make: makes it, with missing parents. -ENOENT: it is not there. */
int log_place_open(struct log_place *l, bool make, struct err *e);
void log_place_done(struct log_place *l);
/* Opens its files and sends them to the daemon at control, as the record for the next messages. */
int log_place_hand_over(struct log_place *l, int control, uint32_t snaplen, struct patience *p,
			struct err *e);
/* events.jsonl, for reading; a regular file. -ENOENT as above. */
int log_place_events(struct log_place *l, struct err *e);

#endif
