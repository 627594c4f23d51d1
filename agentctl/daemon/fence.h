/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fence, as the command sees it that asked the daemon for it. */
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
	int control; /* the socket that holds it; -1: none was made */
	struct ctl_created made;
	const char *tool; /* whose; NULL: the agent's */
	bool gone;        /* the daemon */
	bool ended;       /* by the daemon, in order: summary says how it was */
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

/* Asks the daemon, started if need be, for a fence. f->control is -1 before. -EINTR: a signal came
 * first, which is f->patience.signo. */
int fence_open(struct fence *f, const struct fence_wish *w, struct err *e);
/* To be called when the control socket has something to say; arg is the fence. */
void fence_gone(struct watched_fd *w);
/* Kills what is left, tells on stderr what was refused; status not 0: the command failed, so the
 * last things that were refused are told too. */
void fence_close(struct fence *f, bool verbose, int status);

#endif
