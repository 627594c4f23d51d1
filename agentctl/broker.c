#include "agentctl/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

#define REQUEST_MS 5000
#define LISTENING  BROKER_CALLS_MAX /* the epoll number of the socket; below: a call's */

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* ---- who calls ------------------------------------------------------------------------------- */

/* Its cgroup is the fence's, or below it. */
static bool in_fence(pid_t pid, const char *fence)
{
	char path[64], want[CTL_NAME_MAX + 32];
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0, n;
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	n = (size_t)snprintf(want, sizeof(want), "/" CTL_CGROUP_DIR "/%s", fence);
	f = fopen(path, "re");
	while (f && getline(&line, &room, f) > 0)
		if (strncmp(line, "0::", 3) == 0)
			return (at = strstr(line, want)) && (at[n] == '\n' || at[n] == '/');
	return false;
}

/* A number can be somebody else's by the time it is looked at, unless its process still lives. */
static bool alive(int conn)
{
	_cleanup_close_ int pidfd = -1;
	socklen_t len = sizeof(pidfd);

	if (getsockopt(conn, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0)
		return errno == ENOPROTOOPT; /* before Linux 6.5 */
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

static bool may_call(const struct broker *b, int conn, pid_t *ret_pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid <= 0)
		return false;
	*ret_pid = cred.pid;
	return in_fence(cred.pid, b->fence) && alive(conn);
}

/* ---- one call, in its own process ------------------------------------------------------------ */

static _Noreturn void answer(int conn, const char *what, const char *text)
{
	char buf[300];
	int n = snprintf(buf, sizeof(buf), "%s %s\n", what, text);

	(void)!send(conn, buf, (size_t)n, MSG_NOSIGNAL);
	_exit(0);
}

/* How many there were; the first three into fds. */
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

/* The message as words; how many, or -1. */
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

static void take_streams(int conn, int fds[3])
{
	/* none of the three may stand where another is going to be put */
	for (int i = 0; i < 3; i++)
		if ((fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10)) < 0)
			answer(conn, "error", "the descriptors could not be taken");
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			answer(conn, "error", "the descriptors could not be taken");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static _Noreturn void serve(const struct broker *b, int conn, pid_t caller)
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
	struct tool_call call = {.cwd = cwd, .caller = conn, .agent = b->fence};
	int fds[3], n;
	ssize_t got;
	char status[16];

	setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	got = recvmsg(conn, &mh, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		_exit(0);
	if (mh.msg_flags & MSG_TRUNC)
		answer(conn, "error",
		       "the arguments are longer than 64 KB: hand them over on stdin");
	if ((mh.msg_flags & MSG_CTRUNC) || take_descriptors(&mh, fds) != 3)
		answer(conn, "error", "a call comes with three descriptors: stdin, stdout, stderr");
	n = split(buf, (size_t)got, words);
	if (n < 1)
		answer(conn, "error",
		       "a call is the tool's name and its arguments, each ended by NUL");
	take_streams(conn, fds);
	read_cwd(caller, cwd, sizeof(cwd));
	call.name = words[0];
	call.values = words + 1;
	call.n_values = (size_t)n - 1;
	snprintf(status, sizeof(status), "%d", b->call(b->arg, &call));
	answer(conn, "exit", status);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void start(struct broker *b, int slot, int conn, pid_t caller)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)slot};
	pid_t us = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != us)
			_exit(EXIT_CTL);
		close(b->listen);
		close(b->epoll);
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
	pid_t caller;
	int slot = 0;

	if (conn < 0 || !may_call(b, conn, &caller))
		return;
	while (slot < BROKER_CALLS_MAX && b->pid[slot])
		slot++;
	if (slot == BROKER_CALLS_MAX) {
		static const char busy[] = "error too many tools run at the same time\n";

		(void)!send(conn, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	}
	start(b, slot, conn, caller);
}

/* Closing does not end the watching: a call that was forked meanwhile holds the same pidfd. */
static void forget(struct broker *b, uint32_t slot)
{
	epoll_ctl(b->epoll, EPOLL_CTL_DEL, b->pidfd[slot], NULL);
	close(b->pidfd[slot]);
	b->pid[slot] = 0;
	b->pidfd[slot] = -1;
}

/* A number of 0 would stand for any child, the command itself among them. */
static void reap(struct broker *b, uint32_t slot)
{
	if (b->pid[slot] && waitpid(b->pid[slot], NULL, WNOHANG) != 0)
		forget(b, slot);
}

void broker_serve(struct launch_watch *w)
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

/* Everybody may connect: who calls is known by his cgroup. */
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
		return err_set(e, errno, "cannot listen on %s: %s", b->path, strerror(errno));
	return 0;
}

int broker_open(struct broker *b, const char *run_dir, const char *fence,
		int (*call)(void *arg, const struct tool_call *c), void *arg, struct err *e)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = LISTENING};
	int r;

	*b = (struct broker){.fence = fence, .call = call, .arg = arg, .listen = -1};
	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll < 0)
		return err_set(e, errno, "cannot make an epoll: %s", strerror(errno));
	r = make_socket(b, run_dir, e);
	if (r == 0 && epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->listen, &ev) < 0)
		r = err_set(e, errno, "cannot wait for calls: %s", strerror(errno));
	if (r < 0)
		broker_close(b);
	return r;
}

void broker_close(struct broker *b)
{
	for (int i = 0; i < BROKER_CALLS_MAX; i++)
		if (b->pid[i]) {
			kill(b->pid[i], SIGKILL);
			waitpid(b->pid[i], NULL, 0);
			forget(b, (uint32_t)i);
		}
	if (b->path[0])
		unlink(b->path);
	if (b->listen >= 0)
		close(b->listen);
	close(b->epoll);
}
