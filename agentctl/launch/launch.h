/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command is started by its plan, and waited for. */
#ifndef AGENTFW_LAUNCH_H
#define AGENTFW_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agentctl/confine/cgroup.h"
#include "agentctl/launch/output.h"
#include "agentctl/launch/watched_fd.h"
#include "policy/profile.h"

struct err;
struct plan;

#define LAUNCH_WATCHES 8

struct launch {
	struct plan *plan;
	const char *cgroup; /* NULL: stays where it is */
	char **argv;
	struct profile_limits limits; /* of time and output; the others are the plan's */
	int streams[3];               /* the command's; over 2, or 0, 1 and 2 in that order */
	struct watched_fd watch[LAUNCH_WATCHES];
	size_t n_watches;
	/* What must be there before the command runs, and not before its process is: begun and
	 * ended while that is busy. NULL, or 0 or -errno: the command is not to be started. */
	int (*begin_meanwhile)(void *arg, struct err *e);
	int (*end_meanwhile)(void *arg, struct err *e);
	void *meanwhile_arg;
	/* afterwards */
	pid_t pid;
	bool over; /* it has ended: its number may be another's by now */
	bool over_time, over_output;
	bool deserted; /* may be set by a watch: nobody waits for the output any more */
	/* its own */
	struct cgroup_limits cgroups;
	uint64_t met[CGROUP_KINDS];
	int signals, end; /* end: the init process tells the status there */
	struct output out[2];
	uint64_t left; /* of limits.output */
};

/* Signals go to the command from here on. */
void launch_prepare(struct launch *l);
/* fd is looked at beside the command, up to LAUNCH_WATCHES of them; it stays the caller's. */
void launch_watch(struct launch *l, int fd, void (*fn)(struct watched_fd *w), void *arg);
/* An error before the command's first instruction: -errno, e, and *ret_exit is the exit status for
 * it. */
int launch_start(struct launch *l, int *ret_exit, struct err *e);
void launch_kill(struct launch *l);
/* The command's exit status; 128 and its number where a signal ended it; or EXIT_LIMIT. */
int launch_wait(struct launch *l);
/* After launch_start, also one that failed. Tells on stderr which limits were met; who: the name
 * before that. */
void launch_done(struct launch *l, const char *who);

#endif
