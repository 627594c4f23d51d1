/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process it was. */
#ifndef AGENTFW_PROCESS_H
#define AGENTFW_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct box_process {
	uint32_t pid, uid;
	char exe[4097], comm[17];
};

/* The only process of a box; false: there are several, or none. first: the process that was
 * started; init: it is the first of a pid namespace, and the command is its child. */
bool box_process(pid_t first, bool init, struct box_process *ret);
/* Fills ret for pid; false: it is gone. */
bool box_process_read(pid_t pid, struct box_process *ret);

#endif
