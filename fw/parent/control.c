// SPDX-License-Identifier: GPL-2.0-or-later
/* The control socket: who may use it, and its messages. */
#include "fw/parent/control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fw/ipc/holes.h"
#include "fw/parent/fence.h"
#include "fw/parent/file_denials.h"
#include "fw/parent/logs.h"
#include "fw/parent/parent.h"
#include "fw/parent/run_dir.h"
#include "policy/base/cleanup.h"
#include "policy/base/log.h"

#define CLIENTS_MAX     4096 /* each has a descriptor, of which fences need many more */
#define AGENTFW_VERSION "0.1.0"

struct client {
	struct client *next;
	struct parent *parent;
	struct watch watch;
	struct pfence *fence;
	struct log_dir *log; /* CTL_LOG: for its fence, and for refused files */
};

/* The descriptors of a message. Who takes one leaves -1. */
struct passed {
	int fd[CTL_FDS_MAX];
	size_t n;
};

static void passed_close(struct passed *p)
{
	for (size_t i = 0; i < p->n && !hole("passed"); i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
}

static void client_free(struct client *c)
{
	struct parent *p = c->parent;
	struct client **at = &p->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	p->n_clients--;
	loop_del(p->loop, &c->watch);
	close(c->watch.fd);
	log_close(p, c->log);
	if (c->fence) {
		c->fence->client = NULL;
		pfence_end(c->fence);
	}
	free(c);
	parent_check_idle(p);
}

static void say(int fd, void *msg, size_t bytes, enum ctl_type type)
{
	struct ctl_head *h = msg;

	*h = (struct ctl_head){.version = CTL_VERSION, .type = type, .bytes = (uint32_t)bytes};
	(void)!send(fd, msg, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void reply(struct client *c, void *msg, size_t bytes, enum ctl_type type)
{
	say(c->watch.fd, msg, bytes, type);
}

static void say_error(int fd, const struct err *e)
{
	struct ctl_error m = {.code = e->code};

	snprintf(m.msg, sizeof(m.msg), "%s", e->msg);
	snprintf(m.hint, sizeof(m.hint), "%s", e->hint);
	say(fd, &m, sizeof(m), CTL_ERROR);
}

void client_fence_failed(struct client *c, const struct err *e)
{
	c->fence = NULL;
	say_error(c->watch.fd, e);
}

/* What was asked for fails; a fence that the client holds stays. */
static void client_error(struct client *c, const struct err *e)
{
	say_error(c->watch.fd, e);
}

void client_created(struct client *c, struct pfence *f)
{
	struct ctl_created *m = calloc(1, sizeof(*m));

	if (!m || !c) {
		free(m);
		pfence_end(f);
		return;
	}
	m->fence = f->id;
	snprintf(m->name, sizeof(m->name), "%s", f->name);
	snprintf(m->cgroup, sizeof(m->cgroup), "%s", f->place.path);
	snprintf(m->log_dir, sizeof(m->log_dir), "%s", record_dir(f->log->record));
	reply(c, m, sizeof(*m), CTL_CREATED);
	free(m);
}

void client_summary(struct client *c, const struct ctl_summary *s)
{
	struct ctl_summary m = *s;

	c->fence = NULL;
	reply(c, &m, sizeof(m), CTL_SUMMARY);
}

/* ---- status -------------------------------------------------------------- */

/* A command's words may be the agent's, which calls tools, and JSON takes UTF-8 only. */
static json_t *control_text(const char *s)
{
	json_t *o = json_string(s);
	char escaped[4 * CTL_PATH_MAX];

	return o ? o : json_string(str_escape(escaped, sizeof(escaped), s, strlen(s)));
}

static json_t *fence_json(struct pfence *f)
{
	char since[64];
	time_t s = (time_t)(f->since_ns / 1000000000u);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack(
	    "{s:s, s:s*, s:o, s:o, s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:I}", "name", f->name,
	    "tool", f->tool[0] ? f->tool : NULL, "cgroup", control_text(f->place.path), "policy",
	    control_text(policy_file(f->policy)), "mode", f->audit ? "audit" : "enforce", "command",
	    control_text(f->command), "log_dir", control_text(record_dir(f->log->record)), "since",
	    since, "allowed", (json_int_t)pfence_allowed(f), "refused", (json_int_t)f->refused,
	    "would_deny", (json_int_t)f->would_deny, "lost", (json_int_t)pfence_lost(f));
}

/* to: a memfd, so that the reply has room for any number of fences. */
static void on_status(struct client *c, int to)
{
	struct parent *p = c->parent;
	json_t *fences = json_array(), *root;
	struct ctl_head m;
	struct err e;

	for (struct pfence *f = p->fences; f; f = f->next)
		if (f->state == PFENCE_LIVE)
			json_array_append_new(fences, fence_json(f));
	root = json_pack("{s:s, s:i, s:{s:i, s:i}, s:{s:s, s:b}, s:o}", "version", AGENTFW_VERSION,
			 "pid", (int)getpid(), "engine", "pid",
			 (int)p->processes[PROCESS_ENGINE].pid, "restarts", (int)p->engine_restarts,
			 "kernel", "queue", nft_native_queue(p->nft) ? "native" : "xt", "owner",
			 nft_owned(p->nft), "fences", fences);
	if (fcntl(to, F_GET_SEALS) < 0) {
		err_set(&e, EPROTO, "a malformed request for the state");
		client_error(c, &e);
	} else if (!root || json_dumpfd(root, to, JSON_COMPACT) < 0) {
		err_set(&e, ENOMEM, "cannot write the state of %zu fences",
			json_array_size(fences));
		client_error(c, &e);
	} else {
		reply(c, &m, sizeof(m), CTL_STATUS_TEXT);
	}
	json_decref(root);
}

/* ---- messages ------------------------------------------------------------ */

static bool terminated(const char *s, size_t bytes)
{
	return memchr(s, '\0', bytes) != NULL;
}

static bool is_kind(int fd, mode_t kind, int flags)
{
	struct stat st;
	int f = fcntl(fd, F_GETFL);

	return f >= 0 && (f & flags) == flags && fstat(fd, &st) == 0 &&
	       (st.st_mode & S_IFMT) == kind;
}

static void on_log(struct client *c, const struct ctl_log *m, struct passed *fds)
{
	struct record_files files = {.dir = fds->fd[0],
				     .events = fds->fd[1],
				     .capture = fds->fd[2],
				     .packets = m->packets,
				     .taken = m->flags & CTL_LOG_TAKEN};
	struct log_dir *log;
	struct ctl_head done;
	struct err e;

	if (!terminated(m->path, sizeof(m->path)) || m->path[0] != '/' || fds->n != 3 ||
	    !is_kind(files.dir, S_IFDIR, 0) || !is_kind(files.events, S_IFREG, O_RDWR | O_APPEND) ||
	    !is_kind(files.capture, S_IFREG, O_RDWR | O_APPEND)) {
		err_set(&e, EPROTO, "a malformed request to open a log");
		client_error(c, &e);
		return;
	}
	fds->n = 0;
	if (log_open(c->parent, &files, m->path, m->snaplen, &log, &e) < 0) {
		client_error(c, &e);
	} else {
		log_close(c->parent, c->log);
		c->log = log;
		reply(c, &done, sizeof(done), CTL_LOG_OPEN);
	}
	record_files_close(&files);
}

static void on_create(struct client *c, const struct ctl_create *m, int *fd)
{
	struct err e;

	if (!terminated(m->name, sizeof(m->name)) || !terminated(m->command, sizeof(m->command)) ||
	    !terminated(m->tool, sizeof(m->tool)) || *fd < 0 || c->fence || !c->log) {
		err_set(&e, EPROTO, "a malformed request to make a fence");
		client_error(c, &e);
		return;
	}
	if (c->parent->going) {
		close(steal_fd(fd));
		err_set(&e, ESHUTDOWN, "agentfwd was told to end");
		client_error(c, &e);
		return;
	}
	if (pfence_create(c->parent, c, m, c->log, steal_fd(fd), &e) < 0)
		client_error(c, &e);
	else
		c->fence = c->parent->fences;
}

static bool on_denied_file(const struct client *c, const struct ctl_denied_file *m)
{
	if (!c->log || !file_denial_sane(m))
		return false;
	file_denial_write(c->log, m);
	return true;
}

static void on_denied_end(struct client *c)
{
	struct ctl_head m;
	struct err e;
	int r = c->log ? record_error(c->log->record) : 0;

	if (r) {
		err_set(&e, r, "%s: %s", record_dir(c->log->record), strerror(r));
		client_error(c, &e);
	} else {
		reply(c, &m, sizeof(m), CTL_DENIED_NOTED);
	}
}

static bool handle(struct client *c, const void *buf, size_t n, struct passed *fds)
{
	const struct ctl_head *h = buf;
	int none = -1, *fd = fds->n == 1 ? &fds->fd[0] : &none;
	struct err e;

	if (n < sizeof(*h) || h->bytes != n)
		return false;
	if (h->version != CTL_VERSION) {
		err_set(&e, EPROTO, "agentctl and the running agentfwd are of different versions");
		err_hint(&e, "end the running commands, then try again");
		client_error(c, &e);
		return true;
	}
	if (h->type == CTL_LOG && n == sizeof(struct ctl_log) && !c->fence)
		on_log(c, buf, fds);
	else if (h->type == CTL_CREATE && n == sizeof(struct ctl_create))
		on_create(c, buf, fd);
	else if (h->type == CTL_END && n == sizeof(*h) && c->fence)
		pfence_end(c->fence);
	else if (h->type == CTL_STATUS && n == sizeof(*h))
		on_status(c, *fd);
	else if (h->type == CTL_DENIED_FILE && n == sizeof(struct ctl_denied_file) && !c->fence)
		return on_denied_file(c, buf);
	else if (h->type == CTL_DENIED_END && n == sizeof(*h) && !c->fence)
		on_denied_end(c);
	else
		return false;
	return true;
}

/* There may be one more than we take: the aligned space for three has room for a fourth. */
static void take_passed(struct msghdr *mh, struct passed *ret)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(mh); m; m = CMSG_NXTHDR(mh, m)) {
		size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(fd), sizeof(fd));
			if (ret->n < CTL_FDS_MAX)
				ret->fd[ret->n++] = fd;
			else
				close(fd);
		}
	}
}

static void on_client(struct watch *w, uint32_t events)
{
	static char buf[CTL_MAX_MESSAGE];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(CTL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes)};
	struct client *c = w->arg;
	_cleanup_(passed_close) struct passed fds = {0};
	ssize_t n = recvmsg(w->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		take_passed(&mh, &fds);
	if (n <= 0 || (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !handle(c, buf, (size_t)n, &fds))
		client_free(c);
}

/* Only root outside every fence: a process inside must not get itself a wider fence. */
static bool may_speak(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return hole("speaks") || (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
				  cred.uid == 0 && !host_process_fenced(cred.pid));
}

static void turn_away(int fd)
{
	struct err e;

	err_set(&e, EUSERS, "agentfwd has %d agentctl to serve already, and takes no more",
		CLIENTS_MAX);
	err_hint(&e, "try again when some of them have ended");
	say_error(fd, &e);
	close(fd);
}

static void on_listen(struct watch *w, uint32_t events)
{
	struct parent *p = w->arg;
	_cleanup_close_ int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	if (fd < 0 || !may_speak(fd))
		return;
	if (p->n_clients == CLIENTS_MAX) {
		turn_away(steal_fd(&fd));
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->parent = p;
	c->watch = (struct watch){.fd = steal_fd(&fd), .fn = on_client, .arg = c};
	c->next = p->clients;
	p->clients = c;
	p->n_clients++;
	if (loop_add(p->loop, &c->watch, EPOLLIN) < 0)
		client_free(c);
	parent_check_idle(p);
}

/* ---- the socket ---------------------------------------------------------- */

int control_listen(struct parent *p, struct err *e)
{
	const char *base = getenv("AGENTFW_RUN_DIR");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	int r;

	if (stat("/proc/self/ns/net", &st) < 0)
		return err_set(e, errno, "cannot look at /proc/self/ns/net: %s", strerror(errno));
	if (base && base[0] != '/')
		return err_set(e, EINVAL, "AGENTFW_RUN_DIR '%s' does not begin with '/'", base);
	r = snprintf(a.sun_path, sizeof(a.sun_path), CTL_SOCKET_FORMAT, base ? base : CTL_RUN_DIR,
		     (unsigned long long)st.st_ino);
	if (r < 0 || (size_t)r >= sizeof(a.sun_path))
		return err_set(e, ENAMETOOLONG, "AGENTFW_RUN_DIR is too long for a socket");
	memcpy(p->socket_path, a.sun_path, sizeof(a.sun_path));
	snprintf(p->run_dir, sizeof(p->run_dir), "%.*s",
		 (int)(strrchr(a.sun_path, '/') - a.sun_path), a.sun_path);
	if ((p->lock_fd = run_dir_take(p->run_dir, p->socket_path, e)) < 0)
		return p->lock_fd;
	unlink(a.sun_path);
	p->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->listen_fd < 0 || bind(p->listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(a.sun_path, 0600) < 0 || listen(p->listen_fd, 128) < 0)
		return err_set(e, errno, "cannot listen on %s: %s", a.sun_path, strerror(errno));
	p->listen = (struct watch){.fd = p->listen_fd, .fn = on_listen, .arg = p};
	return loop_add(p->loop, &p->listen, EPOLLIN);
}

void control_stop(struct parent *p)
{
	if (p->listen_fd <= 0)
		return;
	unlink(p->socket_path);
	loop_del(p->loop, &p->listen);
	close(p->listen_fd);
	p->listen_fd = -1;
}

void control_close(struct parent *p)
{
	control_stop(p);
	while (p->clients)
		client_free(p->clients);
}
