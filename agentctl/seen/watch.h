/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watching what a command does with files and programs: the kernel holds a system call, tells it to
 * us (seccomp user notification), and lets it go on when we say so. The command can change its
 * arguments after we have looked. So this is for seeing, and for an early EPERM where another
 * mechanism (guard.h) holds in any case. */
#ifndef AGENTFW_WATCH_H
#define AGENTFW_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct launch;
struct watch;

/* What a call is about to do to one path. */
struct watch_event {
	uint32_t pid;
	uint32_t rights;  /* policy/base/rights.h: what it needs */
	const char *path; /* absolute, no links in it, as the command's own root has it */
	bool exists;
	bool directory_changes; /* a name is made or removed: the directory's rights count */
	bool goes;
	const char *call;
	const char *by; /* EXEC: the script or program that it is run for; NULL: called itself */
	/* of the file, or of its directory where there is none; filled for programs and sockets,
	 * and where all is watched */
	mode_t mode;
	uint64_t born_ns; /* 0: not known */
};

struct watch_user {
	/* Shall tell be called? Asked many times a second. */
	bool (*wanted)(void *arg, const struct watch_event *e);
	void (*tell)(void *arg, const struct watch_event *e);
	/* Shall the call fail with EPERM? */
	bool (*refuse)(void *arg, const struct watch_event *e);
	void *arg;
};

/* To be called before launch_start, for a plan with a STEP_WATCH. user is copied. */
int watch_open(struct launch *l, const struct watch_user *user, struct watch **ret, struct err *e);
bool watch_works(const struct watch *w); /* after the command was started */
void watch_free(struct watch *w);

#endif
