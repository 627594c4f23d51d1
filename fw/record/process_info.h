/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who it was, as the record tells it. */
#ifndef AGENTFW_PROCESS_INFO_H
#define AGENTFW_PROCESS_INFO_H

#include <stdint.h>
#include <sys/types.h>

struct process_info {
	pid_t pid;
	uint32_t uid;
	char exe[4096];     /* /proc/PID/exe, may end in " (deleted)" */
	char name[64];      /* comm */
	char cmdline[1024]; /* arguments joined by spaces, not escaped; cut */
};

enum attribution {
	ATTRIBUTED_NONE = 0, /* not found: gone already */
	ATTRIBUTED_FENCE,    /* the fence has one process only, so it is that one */
	ATTRIBUTED_EXACT,    /* the process holds the socket */
};

#endif
