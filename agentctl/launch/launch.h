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
	const char *cgroup; /* the command's; NULL: agentctl's own */
	char **argv;
	struct profile_limits limits; /* time and output; the plan enforces the others */
	int streams[3];               /* the command's; over 2, or 0, 1 and 2 in that order */
	struct watched_fd watch[LAUNCH_WATCHES];
	size_t n_watches;
	/* Work that must be done before the command runs, while its process makes the box. NULL:
	 * none. -errno: the command must not be started. */
	int (*begin_meanwhile)(void *arg, struct err *e);
	int (*end_meanwhile)(void *arg, struct err *e);
	void *meanwhile_arg;
	/* afterwards */
	pid_t pid;
	bool over; /* the command has ended: its pid may be another's by now */
	bool over_time, over_output;
	bool deserted; /* may be set by a watch: nobody waits for the output any more */
	/* its own */
	struct cgroup_limits cgroups;
	uint64_t met[CGROUP_KINDS];
	int signals, end; /* end: where the init process writes the status */
	struct output out[2];
	uint64_t left; /* of limits.output */
};

/* From here on signals are blocked and passed on to the command. */
void launch_prepare(struct launch *l);
/* fn is called when fd is readable, while the command runs; at most LAUNCH_WATCHES. fd stays the
 * caller's. */
void launch_watch(struct launch *l, int fd, void (*fn)(struct watched_fd *w), void *arg);
/* -errno: an error before the command's first instruction, with e and the exit status for it in
 * *ret_exit. */
int launch_start(struct launch *l, int *ret_exit, struct err *e);
void launch_kill(struct launch *l);
/* The command's exit status; 128 and its number where a signal ended it; or EXIT_LIMIT. */
int launch_wait(struct launch *l);
/* After launch_start, also a failed one. Tells on stderr which limits were met by `who`. */
void launch_done(struct launch *l, const char *who);

#endif
