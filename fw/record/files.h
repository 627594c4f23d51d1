/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two files of a record: opened by whoever has the rights of its owner, for who writes. */
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
	/* The capture was nobody's: it is locked now, its end is a whole packet's, and packets is
	 * known. Else somebody writes there, or is about to. */
	bool taken;
};

/* Opens both files in dir, which is copied, and makes what is not there (0600): regular ones with
 * one name, of root, us, or the directory's owner. Refuses a directory that others than its owner
 * can write to. What a crash has left unfinished at the capture's end is cut off; this takes as
 * long as the capture is large, so it is not for a process that others wait for. path is for
 * messages; e says what, where and what to do. */
int record_files_open(struct record_files *f, int dir, const char *path, struct err *e);
void record_files_close(struct record_files *f);

#endif
