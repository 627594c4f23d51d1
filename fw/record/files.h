/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two files of a record: agentctl opens them with its caller's rights, the daemon writes. */
#ifndef AGENTFW_RECORD_FILES_H
#define AGENTFW_RECORD_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/err.h"

#define RECORD_EVENTS  "events.jsonl"
#define RECORD_CAPTURE "denied.pcap"

struct record_files { /* descriptors are owned */
	int dir, events, capture;
	uint64_t packets; /* in the capture */
	/* The capture is locked now, it ends with a whole packet, and packets is known. Else another
	 * process has the lock. */
	bool taken;
};

/* Opens both files in dir, which is copied, and makes missing ones (0600). Refuses a directory that
 * users other than its owner can write to, links, and files of users other than root, us and the
 * directory's owner. Cuts off a packet that a crash left incomplete at the capture's end. This reads
 * the whole capture, so it is not for a process that others wait for. path is for messages. */
int record_files_open(struct record_files *f, int dir, const char *path, struct err *e);
void record_files_close(struct record_files *f);

#endif
