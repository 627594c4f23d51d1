// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/daemon/client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"
#include "policy/base/clock.h"
#include "policy/base/err.h"

#define DAEMON_SAYS "agentfwd: "
#define START_MS    30000 /* kernel modules may have to be loaded first */
#define END_MS      3000  /* for one that does not start */
#define AGAIN_MS    20    /* where too many wait to be heard already */

/* ---- waiting --------------------------------------------------------------------------------- */

static void ending_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGHUP);
	sigaddset(ret, SIGQUIT);
}

void patience_anew(struct patience *p)
{
	const struct timespec none = {0};
	sigset_t set;

	ending_signals(&set);
	while (sigtimedwait(&set, NULL, &none) > 0)
		;
	p->signo = 0;
}

static unsigned bound(const struct patience *p)
{
	return p->ms ? p->ms : CLIENT_WAIT_MS;
}

/* Until fd (-1: nothing) can be read: 1; 0: not within ms; -EINTR. A signal that is not blocked
 * ends us by itself. */
static int wait_for(int fd, unsigned ms, struct patience *p, struct err *e)
{
	struct pollfd pfd[2] = {{.fd = fd, .events = POLLIN}, {.events = POLLIN}};
	_cleanup_close_ int signals = -1;
	uint64_t until = clock_mono_ms() + ms, now;
	struct signalfd_siginfo si;
	sigset_t set;

	ending_signals(&set);
	pfd[1].fd = signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	while ((now = clock_mono_ms()) < until || ms == 0) {
		int n = poll(pfd, 2, (int)(until > now ? until - now : 0));

		if (n > 0 && pfd[0].revents)
			return 1;
		if (n > 0 && pfd[1].revents && read(signals, &si, sizeof(si)) == sizeof(si)) {
			p->signo = (int)si.ssi_signo;
			return err_set(e, EINTR, "ended by a signal: %s", strsignal(p->signo));
		}
		if (ms == 0)
			break;
	}
	return 0;
}

/* The state letter of a process; '\0': it cannot be seen. */
static char state_of(pid_t pid)
{
	char path[64], text[512] = "";
	const char *after;
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return '\0';
	after = strrchr(text, ')');
	return after && after[1] == ' ' ? after[2] : '\0';
}

/* pid 0: not known. */
static int no_answer(pid_t pid, unsigned ms, struct err *e)
{
	char state = pid > 0 ? state_of(pid) : '\0';
	bool stopped = state == 'T' || state == 't';
	unsigned s = (ms + 999) / 1000;

	if (pid <= 0) {
		err_set(e, ETIMEDOUT, "agentfwd has not answered for %u second%s", s,
			s == 1 ? "" : "s");
		return err_hint(e, "look at the processes called agentfwd");
	}
	err_set(e, ETIMEDOUT, "agentfwd (pid %d) has not answered for %u second%s%s", (int)pid, s,
		s == 1 ? "" : "s", stopped ? ": it is stopped" : "");
	if (stopped)
		return err_hint(e,
				"let it go on: kill -CONT %d; or end it: kill -9 %d, the next run "
				"starts another and ends what is in its fences",
				(int)pid, (int)pid);
	return err_hint(e,
			"try again; if it stays so, end it: kill -9 %d, the next run starts "
			"another and ends what is in its fences",
			(int)pid);
}

static pid_t peer(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? cred.pid : 0;
}

/* ---- connecting ------------------------------------------------------------------------------ */

const char *client_run_dir(void)
{
	const char *dir = getenv("AGENTFW_RUN_DIR");

	return dir ? dir : CTL_RUN_DIR;
}

static int address(struct sockaddr_un *a, struct err *e)
{
	const char *base = client_run_dir();
	struct stat st;
	int n;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};

	if (stat("/proc/self/ns/net", &st) < 0)
		return err_set(e, errno, "cannot look at /proc/self/ns/net: %s", strerror(errno));
	if (base[0] != '/')
		return err_set(e, EINVAL, "AGENTFW_RUN_DIR '%s' does not begin with '/'", base);
	n = snprintf(a->sun_path, sizeof(a->sun_path), CTL_SOCKET_FORMAT, base,
		     (unsigned long long)st.st_ino);
	if (n < 0 || (size_t)n >= sizeof(a->sun_path))
		return err_set(e, ENAMETOOLONG, "AGENTFW_RUN_DIR is too long for a socket");
	return 0;
}

/* One that is stopped takes nobody in: after so many a connect would wait. */
static int connect_within(int fd, const struct sockaddr_un *a, struct patience *p, struct err *e)
{
	uint64_t until = clock_mono_ms() + bound(p);
	int r;

	while (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0) {
		r = errno;
		if (r == ENOENT || r == ECONNREFUSED)
			return -ENOENT;
		if (r != EAGAIN && r != EINTR) {
			err_set(e, r, "cannot connect to agentfwd at %s: %s", a->sun_path,
				strerror(r));
			return r == EACCES ? err_hint(e, "only root may: sudo agentctl …") : -r;
		}
		if (clock_mono_ms() >= until)
			return no_answer(0, bound(p), e);
		if (wait_for(-1, AGAIN_MS, p, e) < 0)
			return -EINTR;
	}
	return 0;
}

static int try_connect(struct patience *p, struct err *e)
{
	const struct timeval limit = {.tv_sec = bound(p) / 1000,
				      .tv_usec = (suseconds_t)(bound(p) % 1000) * 1000};
	struct sockaddr_un a;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	_cleanup_close_ int fd = -1;
	int r = address(&a, e);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, errno, "cannot make a socket: %s", strerror(errno));
	if ((r = connect_within(fd, &a, p, e)) < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != 0)
		return err_set(e, EPERM, "what listens at %s does not belong to root", a.sun_path);
	fcntl(fd, F_SETFL, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return steal_fd(&fd);
}

/* Beside ourselves, or where `make install` puts it from there; else where root's programs are. */
bool client_find_daemon(char *ret, size_t bytes)
{
	static const char *const beside[] = {"agentfwd", "../sbin/agentfwd"}, *const dirs[] = {
										  "/usr/local/sbin",
										  "/usr/sbin",
										  "/usr/local/bin",
										  "/usr/bin"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
			if ((size_t)snprintf(ret, bytes, "%s/%s", self, beside[i]) < bytes &&
			    access(ret, X_OK) == 0)
				return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(ret, bytes, "%s/agentfwd", dirs[i]);
		if (access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

static void exec_daemon(int ready)
{
	char path[PATH_MAX + 16], number[16];

	snprintf(number, sizeof(number), "%d", ready);
	if (client_find_daemon(path, sizeof(path)))
		execl(path, "agentfwd", "--idle-exit", "--ready-fd", number, (char *)NULL);
	dprintf(2, "agentfwd is not installed beside agentctl, nor in /usr/local/sbin or "
		   "/usr/sbin\n" DAEMON_SAYS
		   "hint: install both, with make install, or put it beside agentctl\n");
	_exit(EX_UNAVAILABLE);
}

/* The daemon's standard error goes to a file of no name while it starts, so that its reason can be
 * told. */
static pid_t spawn(int *ret_ready, int complaints)
{
	int pipe_fd[2];
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		/* No session of its own: the kernel shares processors out by session, and the fewer
		 * turns the engine needs the more of them are left to the agent. A background
		 * process group hears nothing of a terminal's end. */
		setpgid(0, 0);
		(void)!chdir("/");
		dup2(null, 0);
		dup2(null, 1);
		dup2(complaints, 2);
		dup2(pipe_fd[1], 3);
		close_range(4, ~0U, 0);
		exec_daemon(3);
	}
	close(pipe_fd[1]);
	*ret_ready = pipe_fd[0];
	return pid;
}

/* What it said while it started, but for the last words of one that did not. */
static void tell_lines(const char *said, size_t bytes)
{
	while (bytes) {
		const char *newline = memchr(said, '\n', bytes);
		size_t n = newline ? (size_t)(newline - said) : bytes;
		char line[1200], clean[4 * sizeof(line)];

		snprintf(line, sizeof(line), "%.*s", (int)n, said);
		fprintf(stderr, "%s\n", str_clean(clean, sizeof(clean), line));
		n += newline != NULL;
		said += n;
		bytes -= n;
	}
}

/* Its last words: what was wrong, and a line with a hint. */
static int pass_on(char *said, struct err *e)
{
	static const char hints[] = DAEMON_SAYS "hint: ";
	char *last = NULL, *hint = NULL;

	for (char *line = said; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, hints, strlen(hints)) == 0)
			hint = line;
		else if (!last || strncmp(line, DAEMON_SAYS, strlen(DAEMON_SAYS)) == 0) {
			last = line;
			hint = NULL;
		}
	if (!last)
		return err_set(e, ETIMEDOUT,
			       "agentfwd did not start: it said nothing within thirty seconds");
	tell_lines(said, (size_t)(last - said));
	last[strcspn(last, "\n")] = '\0';
	if (strncmp(last, DAEMON_SAYS, strlen(DAEMON_SAYS)) == 0)
		last += strlen(DAEMON_SAYS);
	err_set(e, EIO, "agentfwd did not start: %s", last);
	if (hint) {
		hint += strlen(hints);
		hint[strcspn(hint, "\n")] = '\0';
		err_hint(e, "%s", hint);
	}
	return -EIO;
}

/* One that is not ready by now. It has no fence of anybody's. */
static void end_daemon(pid_t pid, int *status)
{
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	for (unsigned ms = 0; ms < END_MS; ms += AGAIN_MS) {
		if (waitpid(pid, status, WNOHANG) != 0)
			return;
		usleep(AGAIN_MS * 1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
}

static int start_daemon(struct patience *p, struct err *e)
{
	_cleanup_close_ int complaints = memfd_create("agentfwd-stderr", MFD_CLOEXEC);
	_cleanup_close_ int ready = -1;
	char said[4096] = "", one;
	int status = 0, r;
	ssize_t n;
	pid_t pid = spawn(&ready, complaints);

	if (pid < 0)
		return err_set(e, errno, "cannot start agentfwd: %s", strerror(errno));
	r = wait_for(ready, START_MS, p, e);
	if (r < 0)
		return r; /* it goes by itself: nobody comes */
	r = r > 0 && read(ready, &one, 1) == 1;
	n = pread(complaints, said, sizeof(said) - 1, 0);
	if (r) {
		tell_lines(said, n > 0 ? (size_t)n : 0);
		return 0;
	}
	end_daemon(pid, &status);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL)
		return 0; /* somebody else's start was quicker: it is there now */
	/* Its last words count. */
	n = lseek(complaints, 0, SEEK_END);
	n = n < (ssize_t)sizeof(said) ? 0 : n - (ssize_t)sizeof(said) + 1;
	memset(said, 0, sizeof(said));
	(void)!pread(complaints, said, sizeof(said) - 1, n);
	return pass_on(said, e);
}

int client_connect(bool start, struct patience *p, struct err *e)
{
	int fd = try_connect(p, e);

	for (int i = 0; i < 3 && fd == -ENOENT && start; i++) {
		int r = start_daemon(p, e);

		if (r < 0)
			return r;
		fd = try_connect(p, e);
	}
	if (fd == -ENOENT)
		err_set(e, ENOENT, "no agentfwd runs in this network namespace");
	return fd;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The daemon's own words for why not; 0: the message is another one. */
static int refusal(void *buf, size_t n, struct err *e)
{
	struct ctl_error *m = buf;

	if (n != sizeof(*m) || m->head.type != CTL_ERROR)
		return 0;
	m->msg[sizeof(m->msg) - 1] = m->hint[sizeof(m->hint) - 1] = '\0';
	err_set(e, m->code > 0 ? m->code : EIO, "%s", m->msg);
	return err_hint(e, "%s", m->hint);
}

/* Who is turned away is told so before the socket is closed. */
static int broken(int fd, struct err *e)
{
	struct ctl_error m;
	ssize_t n = recv(fd, &m, sizeof(m), MSG_DONTWAIT);
	int r = n > 0 ? refusal(&m, (size_t)n, e) : 0;

	return r ? r : err_set(e, EPIPE, "cannot speak to agentfwd: %s", strerror(EPIPE));
}

int client_send(int fd, void *msg, size_t bytes, enum ctl_type type, int pass_fd, struct err *e)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {msg, bytes};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct ctl_head *h = msg;

	*h = (struct ctl_head){.version = CTL_VERSION, .type = type, .bytes = (uint32_t)bytes};
	if (pass_fd >= 0) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(pass_fd));
	}
	if (sendmsg(fd, &mh, MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno == EAGAIN) {
		struct timeval limit = {0};
		socklen_t len = sizeof(limit);

		getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &len);
		return no_answer(peer(fd), (unsigned)limit.tv_sec * 1000, e);
	}
	return errno == EPIPE ? broken(fd, e)
			      : err_set(e, errno, "cannot speak to agentfwd: %s", strerror(errno));
}

int client_receive(int fd, void *msg, size_t bytes, enum ctl_type type, struct patience *p,
		   struct err *e)
{
	static char buf[CTL_MAX_MESSAGE];
	const struct ctl_head *h = (const void *)buf;
	int r = wait_for(fd, bound(p), p, e);
	ssize_t n;

	if (r <= 0)
		return r < 0 ? r : no_answer(peer(fd), bound(p), e);
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && errno == ECONNRESET)
		n = 0;
	if (n < 0)
		return err_set(e, errno, "cannot hear agentfwd: %s", strerror(errno));
	if (n == 0)
		return err_set(e, ECONNRESET, "agentfwd has gone");
	if ((r = refusal(buf, (size_t)n, e)) < 0)
		return r;
	if ((size_t)n < sizeof(*h) || h->version != CTL_VERSION || h->type != type ||
	    h->bytes != (size_t)n || (size_t)n != bytes)
		return err_set(e, EPROTO,
			       "agentctl and the running agentfwd are of different versions");
	memcpy(msg, buf, (size_t)n);
	return 0;
}
