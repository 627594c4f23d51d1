/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fence, seen from the command that asked the daemon for it. */
#ifndef AGENTFW_CTL_FENCE_H
#define AGENTFW_CTL_FENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "agentctl/daemon/client.h"
#include "fw/ipc/control_msg.h"

struct err;
struct log_place;
struct watched_fd;

struct fence {
	int control; /* the socket that holds the fence; -1: there is none */
	struct ctl_created made;
	const char *tool; /* whose; NULL: the agent's */
	bool gone;        /* the daemon has ended the fence, or is gone */
	bool ended;       /* the daemon has ended the fence: summary is filled */
	struct ctl_summary summary;
	struct patience patience;
};

struct fence_wish {
	const void *blob; /* the compiled policy */
	size_t bytes;
	struct log_place *log;
	uint32_t snaplen;
	bool audit;
	char **command;
	const char *tool;  /* NULL: the agent itself */
	const char *agent; /* name of the agent's fence that a tool belongs to; NULL: none */
};

/* Asks the daemon, which is started if need be, for a fence. f->control is -1 before. -EINTR: a
 * signal came first, f->patience.signo. */
int fence_open(struct fence *f, const struct fence_wish *w, struct err *e);
/* To be called when the control socket has something to say; arg is the fence. */
void fence_gone(struct watched_fd *w);
/* Ends the fence and the processes left in it; tells on stderr how many connections were refused,
 * and where status is not 0, the last ones. */
void fence_close(struct fence *f, bool verbose, int status);

#endif
