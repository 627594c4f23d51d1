/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker runs a fenced agent's tools: it is the agentctl that started the fence. It stands
 * outside, with the policy, the environment and the rights it was started with. The agent reaches
 * it over a unix socket that is mounted into the fence, and needs no right to run programs.
 *
 * SOCK_SEQPACKET. One call per connection:
 *
 *     caller -> broker   one message: the tool's name and its arguments, each ended by a NUL byte,
 *                        and three descriptors (SCM_RIGHTS): the tool's stdin, stdout and stderr
 *     broker -> caller   one message when the tool has ended: "exit N\n", N its exit status;
 *                        or "error TEXT\n": it was not started
 *
 * When the caller closes the connection the tool is killed.
 *
 * The descriptors are the caller's, and may be anything. Root reads and writes none but pipes and
 * sockets: where bytes must be carried (a file, a limit of output, our own messages) a process of
 * the caller's user does it (ferry.h). The tool gets no file, which it could run or map: its bytes
 * come and go by a pipe. */
#ifndef AGENTFW_BROKER_H
#define AGENTFW_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "fw/ipc/control_msg.h"

struct err;
struct watched_fd;

#define BROKER_SOCKET      "tools" /* below the run directory, as the fence sees it */
#define BROKER_ENV         "AGENTFW_TOOLS"
#define BROKER_MESSAGE_MAX 65536
#define BROKER_CALLS_MAX   64 /* at the same time per fence: each is a process of ours */
#define BROKER_ARGS_MAX    256

/* One call; valid until broker_fn returns. */
struct broker_call {
	const char *name;
	char *const *values;
	size_t n_values;
	const char *cwd; /* the caller's */
	int streams[3];  /* 10 and over; the caller's, to be used with their rights only */
	struct ucred who;
	int caller; /* a socket: readable when the caller has gone */
	int stop;   /* a pipe: closed when the broker ends */
};
/* Runs in a process of its own; returns the exit status. What it says on stderr goes to the
 * caller's. */
typedef int broker_fn(void *arg, const struct broker_call *c);

struct broker {
	int epoll, listen;
	int stop[2];             /* a pipe whose end tells the calls to end */
	char path[CTL_PATH_MAX]; /* the socket, outside */
	const char *fence;       /* its name: callers must be in it */
	broker_fn *call;
	void *arg;
	bool late; /* one call did not end in time: the others are not waited for */
	pid_t pid[BROKER_CALLS_MAX];
	int pidfd[BROKER_CALLS_MAX];
};

/* Makes the socket below the run directory and listens. fence lives as long as b. */
int broker_open(struct broker *b, const char *run_dir, const char *fence, broker_fn *call,
		void *arg, struct err *e);
/* To be called when b->epoll is readable; arg is the broker. */
void broker_serve(struct watched_fd *w);
/* Kills the tools that still run. */
void broker_close(struct broker *b);

#endif
