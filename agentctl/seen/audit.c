// SPDX-License-Identifier: GPL-2.0-or-later
/* The audit log's socket, opened in the first network namespace: the kernel tells no other. */
#include "agentctl/seen/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/confine/landlock.h"
#include "agentctl/seen/audit_record.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"

#define INITIAL_PID_NS  0xEFFFFFFCu /* include/linux/proc_ns.h: never changed */
#define INITIAL_USER_NS 0xEFFFFFFDu
#define INITIAL_NET_NS  0xEFFFFFF9u /* since Linux 6.18; before that, any number */
#define BACKLOG         8192        /* records that the kernel keeps; 64 unless it is told */
#define RECEIVE_BYTES   (8 << 20)   /* for bursts */
#define ANSWER_MS       1000
#define DRAIN_TRIES     100  /* a millisecond each */
#define HELD_MAX        32   /* refusals of domains that are not known yet */
#define TURN            1024 /* records per turn, since others must be served, too */
#define SERIALS         64   /* refusals whose SYSCALL may follow */

struct audit {
	int fd, ask; /* the records; questions and their answers */
	audit_fn *fn;
	void *arg;
	pid_t pid;
	char self[PATH_MAX];
	bool known; /* is domain set? */
	uint64_t domain;
	struct audit_record *held[HELD_MAX];
	size_t n_held;
	uint64_t serial[SERIALS];
	size_t n_serials;
	uint64_t overruns;
	uint32_t lost_before, lost;
	int tells_who; /* -1: not asked yet */
	char *buf;     /* of AUDIT_RECORD_MAX bytes, as they come */
};

/* ---- questions ------------------------------------------------------------------------------- */

struct message {
	struct nlmsghdr h;
	char body[sizeof(struct audit_rule_data)];
};

static int audit_ask(struct audit *a, uint16_t type, uint16_t flags, const void *body, size_t bytes)
{
	struct message m = {.h = {.nlmsg_len = NLMSG_LENGTH(bytes),
				  .nlmsg_type = type,
				  .nlmsg_flags = NLM_F_REQUEST | flags}};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	memcpy(m.body, body, bytes);
	return sendto(a->ask, &m, m.h.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0
		   ? -errno
		   : 0;
}

/* The next answer: its body in a->buf, how many bytes. */
static ssize_t read_answer(struct audit *a, uint16_t *ret_type)
{
	struct pollfd pfd = {.fd = a->ask, .events = POLLIN};
	struct nlmsghdr h;
	struct iovec iov[] = {{&h, sizeof(h)}, {a->buf, AUDIT_RECORD_MAX}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	if (poll(&pfd, 1, ANSWER_MS) <= 0)
		return -ETIMEDOUT;
	n = recvmsg(a->ask, &m, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(h) || m.msg_flags & MSG_TRUNC)
		return -EPROTO;
	*ret_type = h.nlmsg_type;
	return n - (ssize_t)sizeof(h);
}

/* 0, or the kernel's -errno. */
static int command(struct audit *a, uint16_t type, const void *body, size_t bytes)
{
	struct nlmsgerr e;
	uint16_t got;
	ssize_t n = audit_ask(a, type, NLM_F_ACK, body, bytes);

	while (n >= 0) {
		n = read_answer(a, &got);
		if (n >= (ssize_t)sizeof(e) && got == NLMSG_ERROR) {
			memcpy(&e, a->buf, sizeof(e));
			return e.error;
		}
	}
	return (int)n;
}

/* A thread of the kernel answers, after a while: so the answer is read later. */
static int ask_status(struct audit *a)
{
	return audit_ask(a, AUDIT_GET, 0, NULL, 0);
}

static int read_status(struct audit *a, struct audit_status *ret)
{
	uint16_t got;
	ssize_t n = 0;

	*ret = (struct audit_status){0};
	while (n >= 0) {
		n = read_answer(a, &got);
		if (n >= 0 && got == AUDIT_GET) {
			memcpy(ret, a->buf, (size_t)n < sizeof(*ret) ? (size_t)n : sizeof(*ret));
			return 0;
		}
		if (n >= (ssize_t)sizeof(struct nlmsgerr) && got == NLMSG_ERROR) {
			struct nlmsgerr e;

			memcpy(&e, a->buf, sizeof(e));
			if (e.error)
				return e.error;
		}
	}
	return (int)n;
}

/* With auditing on, every new process gets an audit context, which slows its system calls, unless a
 * rule of the task list says never. */
static int turn_on(struct audit *a, const struct audit_status *now)
{
	struct audit_rule_data never = {.flags = AUDIT_FILTER_TASK, .action = AUDIT_NEVER};
	struct audit_status on = {.mask = AUDIT_STATUS_ENABLED, .enabled = 1};
	int r;

	if (now->enabled)
		return 0;
	r = command(a, AUDIT_ADD_RULE, &never, sizeof(never));
	if (r < 0 && r != -EEXIST)
		return r;
	a->tells_who = 0;
	if (now->backlog_limit && now->backlog_limit < BACKLOG) {
		on.mask |= AUDIT_STATUS_BACKLOG_LIMIT;
		on.backlog_limit = BACKLOG;
	}
	return command(a, AUDIT_SET, &on, sizeof(on));
}

bool audit_tells_who(struct audit *a)
{
	struct audit_rule_data rule;
	uint16_t got = 0;
	ssize_t n;

	if (a->tells_who >= 0)
		return a->tells_who;
	a->tells_who = 1;
	n = audit_ask(a, AUDIT_LIST_RULES, 0, NULL, 0);
	while (n >= 0 && got != NLMSG_DONE) {
		n = read_answer(a, &got);
		if (n < (ssize_t)sizeof(rule) || got != AUDIT_LIST_RULES)
			continue;
		memcpy(&rule, a->buf, sizeof(rule));
		if ((rule.flags & ~(unsigned)AUDIT_FILTER_PREPEND) == AUDIT_FILTER_TASK &&
		    rule.action == AUDIT_NEVER && !rule.field_count)
			a->tells_who = 0;
	}
	return a->tells_who;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool is_namespace(const char *path, unsigned long number)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == number;
}

/* The first network namespace: of process 1, or where that is closed to us, of the uppermost
 * ancestor that is not. -1: we are in it. */
static int first_network(void)
{
	int fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC), pid = getppid();
	char path[64], line[256];
	struct stat own, other;

	while (fd < 0 && pid > 1) {
		_cleanup_fclose_ FILE *f = NULL;
		const char *end;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "re");
		end = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
		if (is_namespace(path, INITIAL_NET_NS))
			fd = open(path, O_RDONLY | O_CLOEXEC);
		if (!end || sscanf(end, ") %*c %d", &pid) != 1)
			break;
		if (fd < 0 && pid <= 1)
			fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0 && stat("/proc/self/ns/net", &own) == 0 && fstat(fd, &other) == 0 &&
	    own.st_ino == other.st_ino)
		close(steal_fd(&fd));
	return fd;
}

/* A socket of the namespace `there`; afterwards we are back in our own. */
static int socket_there(int there, struct err *e)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1;
	int r;

	if (own < 0 || setns(there, CLONE_NEWNET) < 0)
		return err_set(e, errno, "cannot enter the first network namespace: %s",
			       strerror(errno));
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT);
	r = fd < 0 ? -errno : 0;
	if (setns(own, CLONE_NEWNET) < 0)
		return err_set(e, ENOTRECOVERABLE, "cannot get back to the network namespace: %s",
			       strerror(errno));
	return r < 0 ? err_set(e, -r, "cannot open an audit socket: %s", strerror(-r))
		     : steal_fd(&fd);
}

static int listen_there(struct audit *a, struct err *e)
{
	static const int bytes = RECEIVE_BYTES;
	struct sockaddr_nl all = {.nl_family = AF_NETLINK,
				  .nl_groups = 1u << (AUDIT_NLGRP_READLOG - 1)};
	_cleanup_close_ int there = first_network();

	a->fd = there < 0
		    ? socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT)
		    : socket_there(there, e);
	if (there >= 0 && a->fd < 0)
		return a->fd;
	a->ask = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
	if (a->fd < 0 || a->ask < 0)
		return err_set(e, errno, "this kernel has no audit log: %s", strerror(errno));
	(void)setsockopt(a->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return bind(a->fd, (struct sockaddr *)&all, sizeof(all)) < 0
		   ? err_set(e, errno, "cannot read the audit log: %s", strerror(errno))
		   : 0;
}

static int possible(struct err *e)
{
	if (geteuid() != 0)
		return err_set(e, EPERM, "only root reads the audit log");
	if (!is_namespace("/proc/self/ns/pid", INITIAL_PID_NS) ||
	    !is_namespace("/proc/self/ns/user", INITIAL_USER_NS))
		return err_set(e, EPERM, "the audit log cannot be read in a container");
	if (landlock_abi() < LANDLOCK_ABI_WITH_LOG)
		return err_set(e, ENOSYS,
			       "this kernel's Landlock (ABI %d) does not tell what it refuses",
			       landlock_abi());
	return 0;
}

static int start_listening(struct audit *a, struct err *e)
{
	int r = listen_there(a, e);

	if (r == 0 && (r = ask_status(a)) < 0)
		err_set(e, -r, "cannot ask for the state of auditing: %s", strerror(-r));
	return r;
}

int audit_open(struct audit **ret, struct err *e)
{
	struct audit *a;
	ssize_t n;
	int r = possible(e);

	if (r < 0)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(e, ENOMEM, "out of memory");
	a->fd = a->ask = a->tells_who = -1;
	a->buf = malloc(AUDIT_RECORD_MAX);
	n = readlink("/proc/self/exe", a->self, sizeof(a->self) - 1);
	r = !a->buf ? err_set(e, ENOMEM, "out of memory")
	    : n < 0 ? err_set(e, errno, "cannot read /proc/self/exe: %s", strerror(errno))
		    : start_listening(a, e);
	if (r < 0)
		audit_free(a);
	else
		*ret = a;
	return r;
}

int audit_begin(struct audit *a, audit_fn *fn, void *arg, struct err *e)
{
	struct audit_status now;
	int r = read_status(a, &now);

	if (r < 0 || (r = turn_on(a, &now)) < 0)
		return err_set(e, -r, "cannot turn auditing on: %s", strerror(-r));
	a->lost_before = now.lost;
	a->fn = fn;
	a->arg = arg;
	return 0;
}

int audit_possible(bool *ret_on, struct err *e)
{
	struct audit_status now;
	struct audit *a;
	int r = audit_open(&a, e);

	if (r < 0)
		return r;
	r = read_status(a, &now);
	audit_free(a);
	*ret_on = r == 0 && now.enabled;
	return r < 0 ? err_set(e, -r, "cannot read the state of auditing: %s", strerror(-r)) : 0;
}

void audit_free(struct audit *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_held; i++)
		free(a->held[i]);
	if (a->fd >= 0)
		close(a->fd);
	if (a->ask >= 0)
		close(a->ask);
	free(a->buf);
	free(a);
}

int audit_fd(const struct audit *a)
{
	return a->fd;
}

void audit_follow(struct audit *a, pid_t pid)
{
	a->pid = pid;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void ours(struct audit *a, const struct audit_record *r)
{
	a->serial[a->n_serials++ % SERIALS] = r->serial;
	a->fn(a->arg, r);
}

/* The record of a domain follows its first refusal, so that waits. Refusals of other boxes and
 * programs push each other out. */
static void hold(struct audit *a, const struct audit_record *r)
{
	struct audit_record *copy = malloc(sizeof(*copy));

	if (!copy) {
		a->overruns++;
		return;
	}
	*copy = *r;
	if (a->n_held == HELD_MAX) {
		free(a->held[0]);
		memmove(a->held, a->held + 1, --a->n_held * sizeof(*a->held));
	}
	a->held[a->n_held++] = copy;
}

/* Ours is the domain that our child made while it was still agentctl: a program in the box can make
 * domains, too, and without an init process it has the child's pid. */
static void domain(struct audit *a, const struct audit_record *r)
{
	if (!r->allocated || a->known || r->pid != (uint32_t)a->pid || strcmp(r->exe, a->self) != 0)
		return;
	a->known = true;
	a->domain = r->domain;
	for (size_t i = 0; i < a->n_held; i++) {
		if (a->held[i]->domain == a->domain)
			ours(a, a->held[i]);
		free(a->held[i]);
	}
	a->n_held = 0;
}

static void system_call(struct audit *a, const struct audit_record *r)
{
	size_t n = a->n_serials < SERIALS ? a->n_serials : SERIALS;

	for (size_t i = 0; i < n; i++)
		if (a->serial[i] == r->serial) {
			a->fn(a->arg, r);
			return;
		}
}

static void take_record(struct audit *a, unsigned type, size_t bytes)
{
	static struct audit_record r;

	switch (audit_record_parse(type, a->buf, bytes, &r)) {
	case AUDIT_OK:
		break;
	case AUDIT_BAD: /* it may have been ours */
		a->overruns += type != AUDIT_TYPE_SYSCALL;
		return;
	case AUDIT_NOT_OURS:
		return;
	}
	if (type == AUDIT_TYPE_SYSCALL)
		system_call(a, &r);
	else if (type == AUDIT_TYPE_LANDLOCK_DOMAIN)
		domain(a, &r);
	else if (a->known && r.domain == a->domain)
		ours(a, &r);
	else if (!a->known)
		hold(a, &r);
}

/* true: there may be more. */
static bool read_some(struct audit *a)
{
	for (int i = 0; i < TURN; i++) {
		struct nlmsghdr h;
		struct sockaddr_nl from;
		struct iovec iov[] = {{&h, sizeof(h)}, {a->buf, AUDIT_RECORD_MAX}};
		struct msghdr m = {.msg_name = &from,
				   .msg_namelen = sizeof(from),
				   .msg_iov = iov,
				   .msg_iovlen = 2};
		ssize_t n = recvmsg(a->fd, &m, MSG_DONTWAIT);

		if (n < 0 && errno == ENOBUFS) {
			a->overruns++;
			continue;
		}
		if (n < 0)
			return false;
		if ((size_t)n >= sizeof(h) && from.nl_pid == 0)
			take_record(a, h.nlmsg_type, (size_t)n - sizeof(h));
	}
	return true;
}

void audit_read(struct audit *a)
{
	read_some(a);
}

/* When a system call returns its record is queued; a thread of the kernel sends it later. */
void audit_drain(struct audit *a)
{
	struct audit_status now = {.backlog = 1};

	audit_read(a);
	for (int i = 0;
	     i < DRAIN_TRIES && ask_status(a) == 0 && read_status(a, &now) == 0 && now.backlog;
	     i++) {
		audit_read(a);
		usleep(1000);
	}
	for (int i = 0; i < BACKLOG / TURN && read_some(a); i++)
		;
	a->lost = now.lost - a->lost_before;
}

uint64_t audit_lost(const struct audit *a)
{
	return a->overruns + a->lost;
}
