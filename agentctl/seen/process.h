/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is in a box. */
#ifndef AGENTFW_PROCESS_H
#define AGENTFW_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct box_process {
	uint32_t pid, uid;
	char exe[4097], comm[17];
};

/* Who it is, if that is one process only. first: what was started, init: it is the first process of
 * a pid namespace, and the command its child. */
bool box_process(pid_t first, bool init, struct box_process *ret);
/* The same of one process. */
bool box_process_read(pid_t pid, struct box_process *ret);

#endif
