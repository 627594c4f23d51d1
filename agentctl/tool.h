/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One tool of the agent, in its own box: found in the policy, its command line built, started and
 * waited for. */
#ifndef AGENTFW_TOOL_H
#define AGENTFW_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct log_place;
struct policy_file;

struct tool_call {
	const struct policy_file *policy;
	const char *name;
	char *const *values; /* for the placeholders of its command */
	size_t n_values;
	struct log_place *log;
	const char *cwd;   /* of the caller; NULL: ours */
	const char *agent; /* name of the fence that calls; NULL: none */
	int streams[3];    /* the tool's, as struct launch has them */
	struct ucred who;  /* called, where caller is not -1 */
	int caller;        /* -1, or a socket: when it is closed the tool is killed */
	int stop;          /* the same, of the broker */
	bool audit, verbose, dry_run;
};

/* Runs it in its box and prints every error. Returns the tool's exit status, or one of
 * exit_status.h. */
int tool_run(const struct tool_call *call);

#endif
