// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fw/ipc/ask_msg.h"
#include "fw/ipc/engine_msg.h"
#include "fw/ipc/holes.h"
#include "fw/ipc/route.h"
#include "fw/ipc/sockdiag.h"
#include "fw/parent/parent.h"
#include "policy/base/cleanup.h"

#define CONTROL_BYTES (8 << 20)
#define FDS_MAX       8

static const char *const names[PROCESS_ROLES] = {"engine", "gate", "asker"};

const char *process_name(enum process_role role)
{
	return names[role];
}

enum process_role process_of(const struct parent *p, const struct watch *w)
{
	enum process_role role = PROCESS_ENGINE;

	while (&p->processes[role].control != w)
		role++;
	return role;
}

bool processes_ready(const struct parent *p)
{
	for (size_t i = 0; i < PROCESS_ROLES; i++)
		if (!p->processes[i].ready)
			return false;
	return true;
}

/* ---- starting one -------------------------------------------------------- */

/* fds[0] leads to the parent. */
static _Noreturn void cannot_exec(int control, const char *who, const char *what)
{
	struct err e;

	err_set(&e, errno, "%s: cannot %s: %s", who, what, strerror(errno));
	em_send_failed(control, &e);
	_exit(1);
}

/* The child: descriptors to their places, everything else closed, our own program again. */
static _Noreturn void exec_process(const struct parent *p, enum process_role role, const int *fds,
				   size_t n)
{
	const char *who = names[role], *other = role == PROCESS_ENGINE ? hole_engine() : NULL;
	char option[32], uid[16];
	int up[FDS_MAX];
	sigset_t none;

	for (size_t i = 0; i < n; i++) {
		up[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
		if (up[i] < 0)
			cannot_exec(fds[0], who, "have its descriptors");
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(up[i], ENGINE_FD_CONTROL + (int)i) < 0)
			cannot_exec(up[0], who, "have its descriptors");
	close_range((unsigned)ENGINE_FD_CONTROL + (unsigned)n, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGHUP, SIG_IGN); /* see on_signal in parent.c */
	snprintf(option, sizeof(option), "--%s", who);
	snprintf(uid, sizeof(uid), "%u", p->processes[role].uid);
	execl(other ? other : "/proc/self/exe", "agentfwd", option, uid, (char *)NULL);
	cannot_exec(ENGINE_FD_CONTROL, who, "execute itself");
}

/* Its first descriptor is the socket to us; more: the others, in their order. */
static int start_one(struct parent *p, enum process_role role, const int *more, size_t n_more,
		     void (*heard)(struct watch *w, uint32_t events), struct err *e)
{
	struct process *pr = &p->processes[role];
	_cleanup_close_ int theirs = -1;
	int pair[2], bytes = CONTROL_BYTES, r, fds[FDS_MAX];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, errno, "cannot make a socket pair: %s", strerror(errno));
	theirs = pair[1];
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	fds[0] = theirs;
	memcpy(fds + 1, more, n_more * sizeof(*more));
	pr->pid = fork();
	if (pr->pid < 0) {
		close(pair[0]);
		return err_set(e, errno, "cannot fork: %s", strerror(errno));
	}
	if (pr->pid == 0)
		exec_process(p, role, fds, n_more + 1);
	pr->control = (struct watch){.fd = pair[0], .fn = heard, .arg = p};
	pr->ready = false;
	r = loop_add(p->loop, &pr->control, EPOLLIN);
	return r < 0 ? err_set(e, -r, "cannot watch the %s: %s", names[role], strerror(-r)) : 0;
}

/* ---- all of them --------------------------------------------------------- */

struct ways {
	int gate[2];           /* a pipe: the gate's end, the engine's */
	int asker[2];          /* the engine's end, the asker's */
	int route, asks, ends; /* netlink */
};

static void ways_close(struct ways *w)
{
	const int fds[] = {w->gate[0], w->gate[1], w->asker[0], w->asker[1],
			   w->route,   w->asks,    w->ends};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int ways_open(struct parent *p, struct ways *w, struct err *e)
{
	const struct timeval answer = {.tv_sec = ASK_ANSWER_MS / 1000};
	char path[64];

	*w = (struct ways){{-1, -1}, {-1, -1}, route_open(), sockdiag_open(), sockdiag_open()};
	if (w->route < 0 || w->asks < 0 || w->ends < 0)
		return err_set(e, EIO, "cannot open the engine's netlink sockets");
	if (pipe2(w->gate, O_CLOEXEC | O_DIRECT) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->asker) < 0 ||
	    setsockopt(w->asker[0], SOL_SOCKET, SO_RCVTIMEO, &answer, sizeof(answer)) < 0)
		return err_set(e, errno, "cannot make the engine's sockets: %s", strerror(errno));
	/* Anew, since we do not wait there, and the engine does. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->gate[1]);
	p->gate_pipe = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (p->gate_pipe < 0 || fcntl(p->gate_pipe, F_SETFL, O_NONBLOCK | O_DIRECT) < 0)
		return err_set(e, errno, "cannot open the gate's pipe: %s", strerror(errno));
	return 0;
}

int processes_start(struct parent *p, void (*heard)(struct watch *w, uint32_t events),
		    struct err *e)
{
	struct ways w;
	int r = ways_open(p, &w, e);

	if (r == 0)
		r = start_one(p, PROCESS_GATE, (const int[]){w.gate[0], w.ends}, 2, heard, e);
	if (r == 0)
		r = start_one(p, PROCESS_ASKER, (const int[]){w.asker[1], w.route, w.asks}, 3,
			      heard, e);
	if (r == 0)
		r = start_one(p, PROCESS_ENGINE,
			      (const int[]){p->ring_fd, p->ring_event_fd, w.gate[1], w.asker[0]}, 4,
			      heard, e);
	ways_close(&w);
	if (r < 0)
		processes_reap(p, PROCESS_ENGINE);
	return r;
}

int processes_reap(struct parent *p, enum process_role first)
{
	int status[PROCESS_ROLES] = {0};

	if (p->gate_pipe >= 0)
		close(p->gate_pipe);
	p->gate_pipe = -1;
	for (size_t i = 0; i < PROCESS_ROLES; i++) {
		/* the first one that has ended by itself says how */
		struct process *pr = &p->processes[(first + i) % PROCESS_ROLES];

		if (pr->control.active) {
			loop_del(p->loop, &pr->control);
			close(pr->control.fd);
		}
		if (pr->pid > 0) {
			kill(pr->pid, SIGKILL);
			waitpid(pr->pid, &status[i], 0);
		}
		pr->pid = -1;
		pr->ready = false;
	}
	return status[0];
}
