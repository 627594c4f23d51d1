// SPDX-License-Identifier: GPL-2.0-or-later

#include "agentctl/seen/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agentctl/confine/libraries.h"
#include "agentctl/confine/plan.h"
#include "agentctl/confine/watch_calls.h"
#include "agentctl/launch/launch.h"
#include "agentctl/launch/watched_fd.h"
#include "agentctl/seen/watch_path.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"

#define TURN        64     /* calls per turn, since others must be served, too */
#define NEXT_NS     100000 /* a wait for the next call, which often follows at once */
#define SCRIPTS_MAX 4      /* interpreters of interpreters: binfmt_script's own limit */

/* Linux 6.6: who waits is woken on this processor, at once. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ul
#endif

struct watch {
	struct watch_user user;
	int ends[2]; /* a socket pair over which the listener comes */
	int listener;
	int root; /* of the first process that was seen: the filter forbids to change it */
	bool all; /* every open is watched, and files are looked at */
};

/* One call, while the kernel holds it. */
struct held {
	struct watch *w;
	const struct seccomp_notif *n;
	char path[2][PATH_MAX + 1]; /* of the call */
	struct watch_event event[3 + SCRIPTS_MAX];
	char script[1 + SCRIPTS_MAX][PATH_MAX + 1];
	size_t n_events;
};

/* ---- what a call means ----------------------------------------------------------------------- */

static int open_flags(const struct seccomp_notif *n, const struct watched_call *c, uint64_t *ret)
{
	struct open_how how;
	int r;

	if (c->kind != CALL_OPEN2) {
		*ret = (uint32_t)n->data.args[c->extra];
		return 0;
	}
	r = watch_memory((pid_t)n->pid, n->data.args[c->extra], &how, sizeof(how));
	*ret = how.flags;
	return r;
}

static uint32_t open_rights(uint64_t flags, bool exists)
{
	uint64_t mode = flags & O_ACCMODE;

	if (flags & O_PATH)
		return 0;
	return (mode == O_RDONLY || mode == O_RDWR ? RIGHT_READ : 0) |
	       (mode == O_WRONLY || mode == O_RDWR || flags & O_TRUNC ||
			(flags & O_CREAT && !exists)
		    ? RIGHT_WRITE
		    : 0);
}

/* false: the call will fail of itself, or changes nothing. */
static bool meaning(const struct held *h, const struct watched_call *c, struct watch_event *e)
{
	uint64_t flags;

	switch (c->kind) {
	case CALL_OPEN:
	case CALL_OPEN2:
		if (open_flags(h->n, c, &flags) < 0)
			return false;
		if ((!e->exists && !(flags & O_CREAT)) ||
		    (e->exists && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)))
			return false;
		e->rights = open_rights(flags, e->exists);
		e->directory_changes = !e->exists;
		e->call = e->exists ? "open" : "create";
		return e->rights != 0;
	case CALL_CREATE:
		e->rights = RIGHT_WRITE;
		e->directory_changes = !e->exists;
		return true;
	case CALL_EXEC:
		e->rights = RIGHT_EXEC;
		return e->exists && S_ISREG(e->mode) && e->mode & 0111;
	case CALL_NEW:
		e->rights = RIGHT_WRITE;
		e->directory_changes = true;
		return !e->exists;
	case CALL_REMOVE:
		e->rights = RIGHT_WRITE;
		e->directory_changes = e->goes = true;
		return e->exists;
	case CALL_REPLACE:
		e->rights = RIGHT_WRITE;
		e->directory_changes = true;
		return true;
	case CALL_CHANGE:
		e->rights = RIGHT_WRITE;
		return e->exists;
	case CALL_CONNECT:
		e->rights = RIGHT_READ;
		return e->exists && S_ISSOCK(e->mode);
	}
	return false;
}

static int text_of(const struct seccomp_notif *n, const struct watched_call *c, char *ret)
{
	uint64_t at = n->data.args[c->path], bytes = n->data.args[c->extra];
	struct sockaddr_un a = {0};
	int r;

	if (!at)
		return -EFAULT;
	if (c->kind != CALL_CONNECT)
		return watch_string((pid_t)n->pid, at, ret, PATH_MAX + 1);
	if (bytes <= offsetof(struct sockaddr_un, sun_path) + 1 || bytes > sizeof(a))
		return -EINVAL;
	r = watch_memory((pid_t)n->pid, at, &a, bytes);
	if (r < 0 || a.sun_family != AF_UNIX || !a.sun_path[0])
		return r < 0 ? r : -EINVAL;
	snprintf(ret, PATH_MAX + 1, "%.*s", (int)sizeof(a.sun_path), a.sun_path);
	return 0;
}

/* The interpreter of a script ("#!"), which is run, too. */
static bool interpreter(const struct held *h, const char *script, char *ret)
{
	char head[SHEBANG_MAX + 1], *p, *end;
	_cleanup_close_ int fd = watch_open_file(h->w->root, script);
	ssize_t n;

	n = fd < 0 ? -1 : pread(fd, head, SHEBANG_MAX, 0);
	if (n < 3 || head[0] != '#' || head[1] != '!')
		return false;
	head[n] = '\0';
	p = head + 2 + strspn(head + 2, " \t");
	end = p + strcspn(p, " \t\n");
	*end = '\0';
	return *p && snprintf(ret, PATH_MAX + 1, "%s", p) <= PATH_MAX;
}

static bool add_program(struct held *h, const char *by, const char *text, char *path)
{
	struct watch_event *e = &h->event[h->n_events];

	*e = (struct watch_event){.pid = h->n->pid,
				  .rights = RIGHT_EXEC,
				  .path = path,
				  .exists = true,
				  .mode = S_IFREG | 0755,
				  .by = by,
				  .call = "execve"};
	if (watch_path((pid_t)h->n->pid, h->w->root, AT_FDCWD, text, true, path, NULL) < 0)
		return false;
	h->n_events++;
	return true;
}

/* The interpreters of a script; where all is watched, the loader of the program, too. */
static void add_interpreters(struct held *h, const char *called)
{
	const char *program = called;
	char text[PATH_MAX + 1], self[48];
	_cleanup_close_ int fd = -1;
	int n = 0;

	while (n < SCRIPTS_MAX && interpreter(h, program, text)) {
		if (!add_program(h, called, text, h->script[n]))
			return;
		program = h->script[n++];
	}
	if (!h->w->all)
		return;
	fd = watch_open_file(h->w->root, program);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fd >= 0 && library_loader(self, text, sizeof(text)) == 0 && text[0])
		add_program(h, called, text, h->script[n]);
}

static const char *call_name(enum call_kind kind)
{
	static const char *const names[] = {
	    [CALL_OPEN] = "open",      [CALL_OPEN2] = "open",      [CALL_CREATE] = "create",
	    [CALL_EXEC] = "execve",    [CALL_NEW] = "make",        [CALL_REMOVE] = "remove",
	    [CALL_REPLACE] = "rename", [CALL_CHANGE] = "truncate", [CALL_CONNECT] = "connect"};

	return names[kind];
}

static void look_at_path(struct held *h, const struct watched_call *c, char *path)
{
	const struct seccomp_notif *n = h->n;
	struct watch_event *e = &h->event[h->n_events];
	bool follow = c->kind != CALL_REMOVE && c->kind != CALL_REPLACE && c->kind != CALL_NEW;
	bool looked_at = h->w->all || c->kind == CALL_EXEC || c->kind == CALL_CONNECT;
	struct watch_stat st = {0};
	char text[PATH_MAX + 1];
	int r = text_of(n, c, text);

	*e = (struct watch_event){.pid = n->pid, .path = path, .call = call_name(c->kind)};
	if (r == 0)
		r = watch_path((pid_t)n->pid, h->w->root,
			       c->dirfd == AT_CWD ? AT_FDCWD : (int)n->data.args[c->dirfd], text,
			       follow, path, looked_at ? &st : NULL);
	if (r < 0 && r != -ENOENT)
		return;
	e->exists = r == 0;
	e->mode = st.mode;
	e->born_ns = st.born_ns;
	if (!meaning(h, c, e))
		return;
	h->n_events++;
	if (c->kind == CALL_EXEC)
		add_interpreters(h, path);
}

static void look_at_call(struct held *h)
{
	size_t paths = 0;

	if (h->w->root < 0 && (h->w->root = watch_root((pid_t)h->n->pid)) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(watched_calls); i++)
		if (watched_calls[i].nr == h->n->data.nr)
			look_at_path(h, &watched_calls[i], h->path[paths++]);
}

/* ---- the listener ---------------------------------------------------------------------------- */

/* If the call does not wait any more, its pid may be another process's, whose memory was read. */
static void tell_events(struct held *h)
{
	bool valid = false;

	for (size_t i = 0; i < h->n_events; i++) {
		if (!h->w->user.wanted(h->w->user.arg, &h->event[i]))
			continue;
		if (!valid && ioctl(h->w->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &h->n->id) < 0)
			return;
		valid = true;
		h->w->user.tell(h->w->user.arg, &h->event[i]);
	}
}

static bool refuses_call(const struct held *h)
{
	for (size_t i = 0; i < h->n_events; i++)
		if (h->w->user.refuse(h->w->user.arg, &h->event[i]))
			return true;
	return false;
}

static bool serve_one(struct watch *w)
{
	static struct held h;
	struct seccomp_notif n = {0};
	struct seccomp_notif_resp go = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return errno == EINTR || errno == ENOENT;
	h.w = w;
	h.n = &n;
	h.n_events = 0;
	if (n.pid)
		look_at_call(&h);
	tell_events(&h);
	if (refuses_call(&h))
		go = (struct seccomp_notif_resp){.error = -EPERM};
	go.id = n.id;
	(void)ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &go);
	return true;
}

static void on_call(struct watched_fd *lw)
{
	static const struct timespec now = {0}, next = {.tv_nsec = NEXT_NS};
	struct watch *w = lw->arg;
	struct pollfd pfd = {.fd = w->listener, .events = POLLIN};

	for (int i = 0; i < TURN; i++) {
		if (ppoll(&pfd, 1, i ? &next : &now, NULL) <= 0)
			return;
		/* without a waiting call NOTIF_RECV may block for ever */
		if (!(pfd.revents & POLLIN) || !serve_one(w)) {
			lw->fd = -1; /* no process is left under the filter */
			return;
		}
	}
}

static void on_listener(struct watched_fd *lw)
{
	struct watch *w = lw->arg;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char one;
	struct iovec iov = {&one, 1};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes)};
	const struct cmsghdr *c;

	lw->fd = -1;
	if (recvmsg(w->ends[0], &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) == 1 &&
	    (c = CMSG_FIRSTHDR(&mh)) && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&w->listener, CMSG_DATA(c), sizeof(w->listener));
	if (w->listener < 0)
		return;
	(void)ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	lw->fd = w->listener;
	lw->fn = on_call;
}

int watch_open(struct launch *l, const struct watch_user *user, struct watch **ret, struct err *e)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	*w = (struct watch){.user = *user, .listener = -1, .root = -1};
	for (size_t i = 0; i < l->plan->n; i++)
		w->all |= l->plan->step[i].kind == STEP_WATCH && l->plan->step[i].arg;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->ends) < 0) {
		free(w);
		return err_set(e, errno, "cannot make a socket: %s", strerror(errno));
	}
	l->plan->watcher = w->ends[1];
	launch_watch(l, w->ends[0], on_listener, w);
	*ret = w;
	return 0;
}

bool watch_works(const struct watch *w)
{
	return w->listener >= 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	close(w->ends[0]);
	close(w->ends[1]);
	if (w->listener >= 0)
		close(w->listener);
	if (w->root >= 0)
		close(w->root);
	free(w);
}
