/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process behind a refusal, for the record. */
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
	ATTRIBUTED_NONE = 0, /* not found */
	ATTRIBUTED_FENCE,    /* the fence has only this process */
	ATTRIBUTED_EXACT,    /* the process holds the socket, or made the refused call */
};

#endif
