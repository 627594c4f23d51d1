/* How a fenced agent has its tools run: the broker is the agentctl that started the fence. It
 * stands outside, with the policy, the environment and the rights it was started with; the agent
 * reaches it over a unix socket that is mounted into the fence, and needs no right to run programs
 * for that.
 *
 * SOCK_SEQPACKET. One call a connection:
 *     caller -> broker   one message: the tool's name and its arguments, each ended by a NUL byte;
 * with it three descriptors (SCM_RIGHTS): the tool's stdin, stdout and stderr broker -> caller one
 * message when the tool has ended: "exit N\n", N its exit status, or "error TEXT\n": it was not
 * started When the caller closes the connection the tool is killed.
 *
 * The descriptors are the caller's, and may be anything. Root neither reads nor writes them: the
 * tool does, and where something stands between (a limit of output, our own messages) a process
 * that is the caller's user. The tool is handed no file, which it might run or map: its bytes come
 * and go by a pipe. */
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
	int stop[2];             /* a pipe whose end tells the calls to end */
	char path[CTL_PATH_MAX]; /* the socket, outside */
	const char *fence;       /* name: who calls must be in there */
	int (*call)(void *arg, const struct tool_call *c);
	void *arg;
	bool late; /* one did not end when it was told: the others are not waited for */
	pid_t pid[BROKER_CALLS_MAX];
	int pidfd[BROKER_CALLS_MAX];
};

/* Makes the socket below the run directory and listens. call runs in a process of its own, and
 * returns the exit status; what it says on stderr goes to the caller's. */
int broker_open(struct broker *b, const char *run_dir, const char *fence,
		int (*call)(void *arg, const struct tool_call *c), void *arg, struct err *e);
/* To be called when b->epoll is readable. */
void broker_serve(struct launch_watch *w);
/* Kills the tools that still run. */
void broker_close(struct broker *b);

/* ---- ferry.c ---- */

/* This process has his rights from here on, and no others. */
int become(const struct ucred *who);
/* From one descriptor to the other, up to the end. */
void carry(int from, int to);
/* The same in a process of its own, which is his; its pid, or -1. */
pid_t ferry(int from, int to, const struct ucred *who);

/* ---- broker_client.c: inside ---- */

/* Is this process inside a fence? */
bool broker_needed(void);
/* Has the tool run; returns its exit status, or EXIT_CTL with the reason on stderr. */
int broker_call(const char *name, char *const *values, size_t n_values);

#endif
