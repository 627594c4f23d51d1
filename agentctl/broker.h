/* How a fenced agent has its tools run: the broker is the agentctl that started the fence. It
 * stands outside, with the policy, the environment and the rights it was started with; the agent
 * reaches it over a unix socket that is mounted into the fence, and needs no right to run programs
 * for that.
 *
 * SOCK_SEQPACKET. One call a connection:
 *     caller -> broker   one message: the tool's name and its arguments, each ended by a NUL byte;
 * with it three descriptors (SCM_RIGHTS): the tool's stdin, stdout and stderr broker -> caller one
 * message when the tool has ended: "exit N\n", N its exit status, or "error TEXT\n": it was not
 * started When the caller closes the connection the tool is killed. */
#ifndef AGENTFW_BROKER_H
#define AGENTFW_BROKER_H

#include "agentctl/ctl.h"

#define BROKER_SOCKET      "tools" /* below the run directory, as the fence sees it */
#define BROKER_ENV         "AGENTFW_TOOLS"
#define BROKER_MESSAGE_MAX 65536
#define BROKER_CALLS_MAX   64 /* of one fence at the same time: each is a process of ours */
#define BROKER_ARGS_MAX    256

/* ---- broker.c: outside ---- */

struct broker {
	int epoll, listen;
	char path[CTL_PATH_MAX]; /* the socket, outside */
	const char *fence;       /* name: who calls must be in there */
	int (*call)(void *arg, const struct tool_call *c);
	void *arg;
	pid_t pid[BROKER_CALLS_MAX];
	int pidfd[BROKER_CALLS_MAX];
};

/* Makes the socket below the run directory and listens. call runs in a process of its own, with the
 * caller's descriptors as 0, 1 and 2; it returns the exit status. */
int broker_open(struct broker *b, const char *run_dir, const char *fence,
		int (*call)(void *arg, const struct tool_call *c), void *arg, struct err *e);
/* To be called when b->epoll is readable. */
void broker_serve(struct launch_watch *w);
/* Kills the tools that still run. */
void broker_close(struct broker *b);

/* ---- broker_client.c: inside ---- */

/* Is this process inside a fence? */
bool broker_needed(void);
/* Has the tool run; returns its exit status, or EXIT_CTL with the reason on stderr. */
int broker_call(const char *name, char *const *values, size_t n_values);

#endif
