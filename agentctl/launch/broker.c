// SPDX-License-Identifier: GPL-2.0-or-later

#include "agentctl/launch/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/launch/exit_status.h"
#include "agentctl/launch/ferry.h"
#include "agentctl/launch/watched_fd.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/path.h"

#define REQUEST_MS 5000
#define STOP_MS    3000
#define LISTENING  BROKER_CALLS_MAX /* the epoll number of the socket; below: a call's */

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* ---- who calls ------------------------------------------------------------------------------- */

/* Is its cgroup the fence's, or below it? */
static bool in_fence(pid_t pid, const char *fence)
{
	char path[64], own[CTL_NAME_MAX + 32];
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	snprintf(own, sizeof(own), "/" CTL_CGROUP_DIR "/%s", fence);
	f = fopen(path, "re");
	while (f && getline(&line, &room, f) > 0)
		if (strncmp(line, "0::", 3) == 0) {
			line[strcspn(line, "\n")] = '\0';
			return path_below(line + 3, own);
		}
	return false;
}

/* A dead caller's pid may be another process's by now, one in the fence; while the caller lives it
 * is not. */
static bool alive(int conn)
{
	_cleanup_close_ int pidfd = -1;
	socklen_t len = sizeof(pidfd);

	if (getsockopt(conn, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0)
		return errno == ENOPROTOOPT; /* before Linux 6.5 */
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

static bool may_call(const struct broker *b, int conn, struct ucred *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(conn, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0 && ret->pid > 0 &&
	       in_fence(ret->pid, b->fence) && alive(conn);
}

/* ---- one call, in its own process ------------------------------------------------------------ */

static _Noreturn void answer_call(int conn, const char *what, const char *text)
{
	char buf[300];
	int n = snprintf(buf, sizeof(buf), "%s %s\n", what, text);

	(void)!send(conn, buf, (size_t)n, MSG_NOSIGNAL);
	_exit(0);
}

/* The first three into fds; returns how many came. */
static int take_descriptors(struct msghdr *mh, int fds[3])
{
	int got = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		int n = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
			    ? (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int))
			    : 0;

		for (int i = 0; i < n; i++, got++)
			if (got < 3)
				memcpy(&fds[got], CMSG_DATA(c) + (size_t)i * sizeof(int),
				       sizeof(int));
	}
	return got;
}

/* Splits the message into words; returns how many, or -1. */
static int split(char *buf, size_t bytes, char **words)
{
	int n = 0;

	if (!bytes || buf[bytes - 1] != '\0')
		return -1;
	for (char *p = buf; p < buf + bytes; p += strlen(p) + 1) {
		if (n == BROKER_ARGS_MAX)
			return -1;
		words[n++] = p;
	}
	return n;
}

static void read_cwd(pid_t pid, char *ret, size_t bytes)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	n = readlink(path, ret, bytes - 1);
	ret[n > 0 ? n : 0] = '\0';
	if (ret[0] != '/')
		snprintf(ret, bytes, "/");
}

/* The caller's streams do not become our own: messages of this process go to a memfd, which is
 * returned, and to the caller at the end. */
static int take_streams(int conn, int fds[3])
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC),
	    said = memfd_create("agentctl-stderr", MFD_CLOEXEC);

	for (int i = 0; i < 3; i++)
		if ((fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10)) < 0)
			answer_call(conn, "error", "the descriptors could not be taken");
	if (said < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(said, 2) < 0)
		answer_call(conn, "error", "the descriptors could not be taken");
	return said;
}

/* Does the caller still wait, and the broker still run? */
static bool wanted(const struct broker_call *c)
{
	struct pollfd pfd[2] = {{.fd = c->caller, .events = POLLIN}, {.fd = c->stop}};

	return poll(pfd, 2, 0) == 0;
}

/* Comes last: it may wait until the caller reads. */
static void pass_on_messages(const struct broker_call *c, int said)
{
	if (lseek(said, 0, SEEK_CUR) == 0 || !wanted(c) || ferry_become(&c->who) < 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	lseek(said, 0, SEEK_SET);
	ferry_carry(said, c->streams[2]);
}

static _Noreturn void serve(const struct broker *b, int conn, const struct ucred *caller)
{
	static char buf[BROKER_MESSAGE_MAX], cwd[CTL_PATH_MAX];
	static char *words[BROKER_ARGS_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes)};
	const struct timeval wait = {.tv_sec = REQUEST_MS / 1000};
	struct broker_call call = {.cwd = cwd, .who = *caller, .caller = conn, .stop = b->stop[0]};
	int n, said;
	ssize_t got;
	char status[16];

	setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	got = recvmsg(conn, &mh, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		_exit(0);
	if (mh.msg_flags & MSG_TRUNC)
		answer_call(conn, "error",
			    "the arguments are longer than 64 KB: hand them over on stdin");
	if ((mh.msg_flags & MSG_CTRUNC) || take_descriptors(&mh, call.streams) != 3)
		answer_call(conn, "error",
			    "a call comes with three descriptors: stdin, stdout, stderr");
	n = split(buf, (size_t)got, words);
	if (n < 1)
		answer_call(conn, "error",
			    "a call is the tool's name and its arguments, each ended by NUL");
	said = take_streams(conn, call.streams);
	read_cwd(caller->pid, cwd, sizeof(cwd));
	call.name = words[0];
	call.values = words + 1;
	call.n_values = (size_t)n - 1;
	snprintf(status, sizeof(status), "%d", b->call(b->arg, &call));
	pass_on_messages(&call, said);
	answer_call(conn, "exit", status);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void start_call(struct broker *b, int slot, int conn, const struct ucred *caller)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)slot};
	pid_t us = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != us)
			_exit(EXIT_CTL);
		close(b->listen);
		close(b->epoll);
		close(b->stop[1]);
		for (int i = 0; i < BROKER_CALLS_MAX; i++)
			if (b->pid[i])
				close(b->pidfd[i]);
		serve(b, conn, caller);
	}
	if (pid < 0)
		return;
	b->pid[slot] = pid;
	b->pidfd[slot] = (int)syscall(SYS_pidfd_open, pid, 0);
	if (b->pidfd[slot] >= 0)
		epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->pidfd[slot], &ev);
}

static void accept_call(struct broker *b)
{
	_cleanup_close_ int conn = accept4(b->listen, NULL, NULL, SOCK_CLOEXEC);
	struct ucred caller;
	int slot = 0;

	if (conn < 0 || !may_call(b, conn, &caller))
		return;
	while (slot < BROKER_CALLS_MAX && b->pid[slot])
		slot++;
	if (slot == BROKER_CALLS_MAX) {
		static const char busy[] =
		    "error too many tools run at the same time: wait until one has ended\n";

		(void)!send(conn, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	}
	start_call(b, slot, conn, &caller);
}

/* Closing the pidfd does not take it out of the epoll: calls forked meanwhile hold it, too. */
static void forget(struct broker *b, uint32_t slot)
{
	epoll_ctl(b->epoll, EPOLL_CTL_DEL, b->pidfd[slot], NULL);
	close(b->pidfd[slot]);
	b->pid[slot] = 0;
	b->pidfd[slot] = -1;
}

/* waitpid(0) would reap any child, the command itself among them. */
static void reap(struct broker *b, uint32_t slot)
{
	if (b->pid[slot] && waitpid(b->pid[slot], NULL, WNOHANG) != 0)
		forget(b, slot);
}

void broker_serve(struct watched_fd *w)
{
	struct broker *b = w->arg;
	struct epoll_event ev[16];
	int n = epoll_wait(b->epoll, ev, ARRAY_SIZE(ev), 0);

	for (int i = 0; i < n; i++)
		if (ev[i].data.u32 == LISTENING)
			accept_call(b);
		else
			reap(b, ev[i].data.u32);
}

/* ---- the socket ------------------------------------------------------------------------------ */

/* Everybody may connect: callers are known by their cgroup. */
static int make_socket(struct broker *b, const char *run_dir, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	int n;

	if (stat("/proc/self/ns/net", &st) < 0)
		return err_set(e, errno, "cannot look at /proc/self/ns/net: %s", strerror(errno));
	n = snprintf(b->path, sizeof(b->path), "%s/net-%llu/t-%d", run_dir,
		     (unsigned long long)st.st_ino, (int)getpid());
	if (n < 0 || (size_t)n >= sizeof(a.sun_path))
		return err_set(e, ENAMETOOLONG, "AGENTFW_RUN_DIR is too long for a socket");
	memcpy(a.sun_path, b->path, (size_t)n + 1);
	unlink(b->path);
	b->listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (b->listen < 0 || bind(b->listen, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(b->path, 0666) < 0 || listen(b->listen, BROKER_CALLS_MAX) < 0)
		return err_set(e, errno, "cannot listen on '%s': %s", b->path, strerror(errno));
	return 0;
}

int broker_open(struct broker *b, const char *run_dir, const char *fence, broker_fn *call,
		void *arg, struct err *e)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = LISTENING};
	int r;

	*b = (struct broker){
	    .fence = fence, .call = call, .arg = arg, .listen = -1, .stop = {-1, -1}};
	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll < 0 || pipe2(b->stop, O_CLOEXEC) < 0)
		return err_set(e, errno, "cannot make an epoll or a pipe: %s", strerror(errno));
	r = make_socket(b, run_dir, e);
	if (r == 0 && epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->listen, &ev) < 0)
		r = err_set(e, errno, "cannot wait for calls: %s", strerror(errno));
	if (r < 0)
		broker_close(b);
	return r;
}

/* Each call takes down what it has made, within STOP_MS. */
static void wait_for_calls(struct broker *b)
{
	struct pollfd pfd = {.events = POLLIN};

	for (int i = 0; i < BROKER_CALLS_MAX; i++) {
		if (!b->pid[i])
			continue;
		pfd.fd = b->pidfd[i];
		if (poll(&pfd, 1, b->late ? 0 : STOP_MS) <= 0) {
			b->late = true;
			kill(b->pid[i], SIGKILL);
		}
		waitpid(b->pid[i], NULL, 0);
		forget(b, (uint32_t)i);
	}
}

void broker_close(struct broker *b)
{
	if (b->stop[1] >= 0)
		close(b->stop[1]);
	wait_for_calls(b);
	if (b->stop[0] >= 0)
		close(b->stop[0]);
	if (b->path[0])
		unlink(b->path);
	if (b->listen >= 0)
		close(b->listen);
	close(b->epoll);
}
