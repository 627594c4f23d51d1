// SPDX-License-Identifier: GPL-2.0-or-later
/* What the hostile client says, a step at a time. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "policy/base/rights.h"
#include "tests/lab/hostile/client.h"

#define FDS_SENT_MAX 253 /* of the kernel's */

bool client_send(int fd, const void *msg, size_t bytes, const int *fds, size_t n)
{
	static _Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = bytes};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		struct cmsghdr *c = (void *)control;

		memset(control, 0, sizeof(control));
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void client_open(struct connection *c, int fd)
{
	*c = (struct connection){.fd = fd};
	for (size_t i = 0; i < POLICIES_HELD; i++)
		c->policy[i] = -1;
}

void client_close(struct hostile_client *h, struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	for (size_t i = 0; i < POLICIES_HELD; i++)
		if (c->policy[i] >= 0)
			close(c->policy[i]);
	client_open(c, -1);
}

void client_read(struct hostile_client *h, struct connection *c)
{
	static union {
		struct ctl_head head;
		struct ctl_created created;
		char bytes[CTL_MAX_MESSAGE];
	} m;
	ssize_t n;

	while (c->fd >= 0) {
		n = recv(c->fd, &m, sizeof(m), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			client_close(h, c);
			return;
		}
		board_add(h->board, BOARD_ANSWERS);
		if (!h->may_speak) {
			fprintf(stderr, "hostile: %s is answered, who may not speak\n", h->who);
			exit(1);
		}
		if (m.head.type == CTL_CREATED)
			snprintf(c->cgroup, sizeof(c->cgroup), "%s", m.created.cgroup);
	}
}

/* Mostly what the message should have; sometimes too many, or anything. */
static size_t with_fds(struct hostile_client *h, int *fds, size_t n)
{
	size_t want = n;

	if (one_in(&h->d, 12))
		want = one_in(&h->d, 2) ? below(&h->d, 8) : below(&h->d, FDS_SENT_MAX + 1);
	while (n > want)
		close(fds[--n]);
	while (n < want) {
		int fd = one_in(&h->d, 2) ? some_fd(h) : open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	return n;
}

static void send_with(struct hostile_client *h, struct connection *c, void *msg, size_t bytes,
		      enum ctl_type type, int *fds, size_t n)
{
	struct ctl_head *head = msg;
	size_t kept = 0;

	*head = (struct ctl_head){CTL_VERSION, type, (uint32_t)bytes};
	if (one_in(&h->d, 40))
		head->version = (uint16_t)odd(&h->d);
	if (one_in(&h->d, 40))
		head->bytes = (uint32_t)odd(&h->d);
	if (one_in(&h->d, 40))
		bytes = head->bytes = (uint32_t)below(&h->d, CTL_MAX_MESSAGE);
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			fds[kept++] = fds[i];
	kept = with_fds(h, fds, kept);
	client_send(c->fd, msg, bytes, fds, kept);
	/* what was handed over changes afterwards, where it can */
	if (type == CTL_CREATE && kept && one_in(&h->d, 8))
		(void)!ftruncate(fds[0], (off_t)below(&h->d, 1 << 16));
	if (type == CTL_CREATE && kept) {
		int *at = &c->policy[c->next_policy++ % POLICIES_HELD];

		if (*at >= 0)
			close(*at);
		*at = fds[0];
		fds[0] = fds[--kept];
	}
	if (type == CTL_LOG && kept && one_in(&h->d, 8))
		fcntl(fds[below(&h->d, kept)], F_SETFL,
		      one_in(&h->d, 2) ? 0 : O_NONBLOCK | O_APPEND);
	if (type == CTL_LOG && kept == 3 && one_in(&h->d, 8))
		(void)!ftruncate(fds[1 + below(&h->d, 2)], (off_t)below(&h->d, 4096));
	while (kept)
		close(fds[--kept]);
}

/* Larger than any message, so that a length may be anything. */
static union {
	struct ctl_head head;
	struct ctl_log log;
	struct ctl_create create;
	struct ctl_denied_file file;
	char bytes[CTL_MAX_MESSAGE + 64];
} m;
static int fds[FDS_SENT_MAX + 8];

static void do_log(struct hostile_client *h, struct connection *c)
{
	bool good = !one_in(&h->d, 3);
	size_t n;

	memset(&m.log, 0, sizeof(m.log));
	n = some_log(h, good, fds, m.log.path);
	m.log.flags = good ? CTL_LOG_TAKEN : (uint32_t)odd(&h->d);
	m.log.snaplen = good ? 2048 : (uint32_t)odd(&h->d);
	m.log.packets = good ? 0 : odd(&h->d);
	if (!good && one_in(&h->d, 4))
		text(&h->d, m.log.path, sizeof(m.log.path), NULL, 0);
	if (!good && one_in(&h->d, 4))
		m.log.path[0] = '/';
	send_with(h, c, &m, sizeof(m.log), CTL_LOG, fds, n);
}

static void do_create(struct hostile_client *h, struct connection *c)
{
	static const char *const names[] = {"hostile", "hostile.x", "hostile-1", "..",
					    ".",       "a/b",       "",          "A"};
	static const char *const tools[] = {"", "fetch", "\xff\xfe", "\x1b[31m"};

	memset(&m.create, 0, sizeof(m.create));
	m.create.flags = one_in(&h->d, 4) ? (uint32_t)odd(&h->d) : 0;
	if (one_in(&h->d, 3))
		text(&h->d, m.create.name, sizeof(m.create.name), names, 8);
	else
		strcpy(m.create.name, "hostile");
	text(&h->d, m.create.command, sizeof(m.create.command), tools, 4);
	text(&h->d, m.create.tool, sizeof(m.create.tool), tools, 4);
	fds[0] = some_policy(h);
	send_with(h, c, &m, sizeof(m.create), CTL_CREATE, fds, 1);
}

static void do_end(struct hostile_client *h, struct connection *c)
{
	send_with(h, c, &m, sizeof(m.head), CTL_END, fds, 0);
}

static void do_status(struct hostile_client *h, struct connection *c)
{
	size_t n = one_in(&h->d, 8) ? 1 + below(&h->d, 200) : 1;

	while (n--) {
		fds[0] = one_in(&h->d, 3) ? some_fd(h)
					  : memfd_create("status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		send_with(h, c, &m, sizeof(m.head), CTL_STATUS, fds, 1);
		if (c->fd >= 0 && !c->slow)
			client_read(h, c);
		if (c->fd < 0)
			return;
	}
}

static void some_file(struct hostile_client *h)
{
	static const char *const paths[] = {"/etc/shadow", "/",           "/tmp/a b\n",
					    "\xff\xff",    "/proc/1/mem", "x"};
	struct ctl_denied_file *f = &m.file;
	struct dice *d = &h->d;

	memset(f, 0, sizeof(*f));
	f->flags = one_in(d, 3) ? (uint32_t)odd(d) : 0;
	f->rights = one_in(d, 20) ? (uint32_t)odd(d) : 1 + (uint32_t)(odd(d) % RIGHTS_ALL);
	f->count = one_in(d, 3) ? odd(d) : 1;
	f->time_ns = odd(d);
	f->until_ns = odd(d);
	f->pid = (uint32_t)odd(d);
	f->uid = (uint32_t)odd(d);
	f->exact = (uint32_t)odd(d);
	text(d, f->policy, sizeof(f->policy), paths, 6);
	text(d, f->fence, sizeof(f->fence), paths, 6);
	text(d, f->tool, sizeof(f->tool), paths, 6);
	text(d, f->path, sizeof(f->path), paths, 6);
	text(d, f->access, sizeof(f->access), paths, 6);
	text(d, f->exe, sizeof(f->exe), paths, 6);
	text(d, f->comm, sizeof(f->comm), paths, 6);
	text(d, f->suggest, sizeof(f->suggest), paths, 6);
}

static void do_files(struct hostile_client *h, struct connection *c)
{
	for (size_t n = one_in(&h->d, 8) ? below(&h->d, 100) : 1; n && c->fd >= 0; n--) {
		some_file(h);
		send_with(h, c, &m, sizeof(m.file), CTL_DENIED_FILE, fds, 0);
	}
}

static void do_files_end(struct hostile_client *h, struct connection *c)
{
	send_with(h, c, &m, sizeof(m.head), CTL_DENIED_END, fds, 0);
}

/* Any type, any length. */
static void do_noise(struct hostile_client *h, struct connection *c)
{
	size_t bytes = one_in(&h->d, 2) ? below(&h->d, 32) : below(&h->d, sizeof(m));
	uint16_t type = (uint16_t)(one_in(&h->d, 4) ? odd(&h->d) : below(&h->d, CTL_LOG_OPEN + 2));

	fill(&h->d, &m, bytes);
	m.head.version = CTL_VERSION;
	m.head.type = type;
	if (!one_in(&h->d, 4))
		m.head.bytes = (uint32_t)bytes;
	client_send(c->fd, &m, bytes, fds, 0);
}

/* The policies of its fences; who reads them then should not see it. */
static void do_change(struct hostile_client *h, struct connection *c)
{
	char noise[64];

	fill(&h->d, noise, sizeof(noise));
	for (size_t i = 0; i < POLICIES_HELD; i++)
		if (one_in(&h->d, 2))
			(void)!ftruncate(c->policy[i], 0);
		else
			(void)!pwrite(c->policy[i], noise, sizeof(noise),
				      (off_t)below(&h->d, 1 << 12));
	do_status(h, c);
}

static void do_shut(struct hostile_client *h, struct connection *c)
{
	shutdown(c->fd, (int)below(&h->d, 3));
}

static void do_close(struct hostile_client *h, struct connection *c)
{
	client_close(h, c);
}

/* In the fence's cgroup: a directory below, a process that must be ended. */
static void do_live(struct hostile_client *h, struct connection *c)
{
	char path[CTL_PATH_MAX + 64], pid[16];
	pid_t child;
	int fd;

	if (!c->cgroup[0])
		return;
	snprintf(path, sizeof(path), "%s/below", c->cgroup);
	if (one_in(&h->d, 3))
		mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s%s/cgroup.procs", c->cgroup,
		 one_in(&h->d, 3) ? "/below" : "");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* the fence may have ended before */
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		if (write(fd, pid, strlen(pid)) < 0)
			_exit(0);
		for (int i = 0; i < CONNECTIONS; i++)
			if (h->c[i].fd >= 0)
				close(h->c[i].fd);
		if (one_in(&h->d, 4))
			raise(SIGSTOP);
		sleep(60); /* the fence ends it sooner */
		_exit(0);
	}
	close(fd);
}

static void do_slow(struct hostile_client *h, struct connection *c)
{
	int few = 1;

	c->slow = true;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few));
}

/* ends: the connection, if it holds a fence */
static const struct {
	const char *name;
	unsigned weight;
	void (*fn)(struct hostile_client *h, struct connection *c);
	bool ends;
} steps[] = {
    {"log", 14, do_log, true},         {"create", 14, do_create, false},
    {"end", 4, do_end, true},          {"status", 5, do_status, false},
    {"files", 6, do_files, true},      {"files' end", 3, do_files_end, true},
    {"noise", 3, do_noise, true},      {"shut", 1, do_shut, true},
    {"close", 3, do_close, true},      {"change", 6, do_change, false},
    {"live in it", 4, do_live, false}, {"slow", 1, do_slow, false},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static size_t pick(struct hostile_client *h)
{
	size_t all = 0, at, i = 0;

	for (size_t k = 0; k < STEPS; k++)
		all += steps[k].weight;
	for (at = below(&h->d, all); at >= steps[i].weight; i++)
		at -= steps[i].weight;
	return i;
}

void client_step(struct hostile_client *h, struct connection *c)
{
	size_t i = pick(h);

	while (c->cgroup[0] && steps[i].ends && !one_in(&h->d, 4))
		i = pick(h);
	board_say(h->board, "%s: connection %d: %s", h->who, (int)(c - h->c), steps[i].name);
	board_add(h->board, BOARD_CLIENT_STEPS);
	steps[i].fn(h, c);
}
