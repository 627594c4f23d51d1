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

#include "agentctl/daemon/birth.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"
#include "policy/base/clock.h"
#include "policy/base/err.h"

#define DAEMON_SAYS "agentfwd: "
#define START_MS    30000 /* kernel modules may have to be loaded first */
#define END_MS      3000  /* for one that does not start */
#define AGAIN_MS    20    /* between two looks */
#define LOOK_MS     100   /* for signals, where no descriptor is left to be told by */

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

static unsigned patience_bound(const struct patience *p)
{
	return p->ms ? p->ms : CLIENT_WAIT_MS;
}

/* A pending ending signal, or 0. It stays pending, for whoever acts on it. */
static int signal_waits(void)
{
	sigset_t set, came;

	ending_signals(&set);
	sigpending(&came);
	for (int n = 1; n < NSIG; n++)
		if (sigismember(&set, n) == 1 && sigismember(&came, n) == 1)
			return n;
	return 0;
}

/* Until fd (-1: nothing) is ready: 1; 0: not within ms; -EINTR. A signal that is not blocked ends
 * us by itself. */
static int wait_for(int fd, short events, unsigned ms, struct patience *p, struct err *e)
{
	struct pollfd pfd[2] = {{.fd = fd, .events = events}, {.events = POLLIN}};
	_cleanup_close_ int signals = -1;
	uint64_t until = clock_mono_ms() + ms, now;
	sigset_t set;

	ending_signals(&set);
	pfd[1].fd = signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	do {
		now = clock_mono_ms();
		ms = (unsigned)(until > now ? until - now : 0);
		if (poll(pfd, 2, (int)(signals < 0 && ms > LOOK_MS ? LOOK_MS : ms)) > 0 &&
		    pfd[0].revents)
			return 1;
		if ((p->signo = signal_waits()))
			return err_set(e, EINTR, "ended by a signal: %s", strsignal(p->signo));
	} while (now < until);
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

/* A stopped daemon accepts nobody: with its backlog full connect(2) says EAGAIN. */
static int connect_within(int fd, const struct sockaddr_un *a, struct patience *p, struct err *e)
{
	uint64_t until = clock_mono_ms() + patience_bound(p);
	int r;

	while (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0) {
		r = errno;
		if (r == ENOENT || r == ECONNREFUSED)
			return -ENOENT;
		if (r != EAGAIN && r != EINTR) {
			err_set(e, r, "cannot connect to agentfwd at '%s': %s", a->sun_path,
				strerror(r));
			return r == EACCES ? err_hint(e, "only root may: sudo agentctl …") : -r;
		}
		if (clock_mono_ms() >= until)
			return no_answer(0, patience_bound(p), e);
		if (wait_for(-1, 0, AGAIN_MS, p, e) < 0)
			return -EINTR;
	}
	return 0;
}

static int try_connect(struct patience *p, struct err *e)
{
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
		return err_set(e, EPERM, "the process that listens at '%s' is not root's",
			       a.sun_path);
	return steal_fd(&fd);
}

/* Beside agentctl, or where `make install` puts it from there; else where root's programs are. */
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

/* Passes on lines of the daemon's standard error. */
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

/* The error for a daemon that said nothing. */
static int silent_end(bool in_time, int status, struct err *e)
{
	if (!in_time) {
		err_set(e, ETIMEDOUT,
			"agentfwd did not start: it said nothing within thirty seconds");
		return err_hint(e, "it was ended; what this machine lacks says: agentctl doctor");
	}
	return err_set(e, EIO, "agentfwd did not start: it ended with %s %d and without a word",
		       WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* Its last words: what was wrong, and a line with a hint. false: it had none. */
static bool pass_on(char *said, struct err *e)
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
		return false;
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
	return true;
}

/* What it has said so far; of much the last. */
static void hear(int fd, char *said, size_t bytes)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, said + n, bytes - 1 - n)) > 0) {
		n += (size_t)got;
		if (n == bytes - 1) {
			n /= 2;
			memmove(said, said + bytes - 1 - n, n);
		}
	}
	said[n] = '\0';
}

static bool is_over(pid_t pid, int *status, unsigned ms, struct patience *p, struct err *e)
{
	for (unsigned waited = 0; waited < ms; waited += AGAIN_MS) {
		if (waitpid(pid, status, WNOHANG) != 0)
			return true;
		if (wait_for(-1, 0, AGAIN_MS, p, e) < 0)
			break;
	}
	return waitpid(pid, status, WNOHANG) != 0;
}

/* A daemon that is not ready in time. It holds no fence yet. */
static void end_daemon(pid_t pid, int *status, struct patience *p, struct err *e)
{
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	if (is_over(pid, status, END_MS, p, e))
		return;
	kill(pid, SIGKILL);
	is_over(pid, status, END_MS, p, e);
}

static int start_daemon(struct patience *p, struct err *e)
{
	_cleanup_close_ int ready = -1, words = -1;
	char said[4096], one;
	int status = 0, r;
	pid_t pid = birth(&ready, &words);

	if (pid < 0)
		return err_set(e, (int)-pid, "cannot start agentfwd: %s", strerror((int)-pid));
	r = wait_for(ready, POLLIN, START_MS, p, e);
	if (r < 0)
		return r; /* without a client it ends by itself */
	if (r > 0 && read(ready, &one, 1) == 1) {
		hear(words, said, sizeof(said));
		tell_lines(said, strlen(said));
		return 0;
	}
	if (r == 0) /* what it says of its end is no reason */
		hear(words, said, sizeof(said));
	end_daemon(pid, &status, p, e);
	if (p->signo)
		return -EINTR;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL)
		return 0; /* another one was started at the same time, and runs */
	if (r > 0)
		hear(words, said, sizeof(said));
	return pass_on(said, e) ? -EIO : silent_end(r > 0, status, e);
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

/* Where the daemon closed the socket without having read all, the kernel says ECONNRESET first, and
 * only then hands out what the daemon had sent before. */
static ssize_t receive(int fd, void *buf, size_t bytes)
{
	ssize_t n = recv(fd, buf, bytes, MSG_DONTWAIT);

	return n < 0 && errno == ECONNRESET ? recv(fd, buf, bytes, MSG_DONTWAIT) : n;
}

/* Who is turned away is told so before the socket is closed. */
static int client_broken(int fd, struct err *e)
{
	struct ctl_error m;
	ssize_t n = receive(fd, &m, sizeof(m));
	int r = n > 0 ? refusal(&m, (size_t)n, e) : 0;

	return r ? r : err_set(e, EPIPE, "cannot speak to agentfwd: %s", strerror(EPIPE));
}

int client_send_fds(int fd, void *msg, size_t bytes, enum ctl_type type, const int *fds,
		    size_t n_fds, struct patience *p, struct err *e)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(CTL_FDS_MAX * sizeof(int))];
	} control = {0};
	struct iovec iov = {msg, bytes};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct ctl_head *h = msg;

	*h = (struct ctl_head){.version = CTL_VERSION, .type = type, .bytes = (uint32_t)bytes};
	if (n_fds) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	while (sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		int r = errno;

		if (r == EPIPE || r == ECONNRESET)
			return client_broken(fd, e);
		if (r != EAGAIN)
			return err_set(e, r, "cannot speak to agentfwd: %s", strerror(r));
		r = wait_for(fd, POLLOUT, patience_bound(p), p, e);
		if (r <= 0)
			return r < 0 ? r : no_answer(peer(fd), patience_bound(p), e);
	}
	return 0;
}

int client_send(int fd, void *msg, size_t bytes, enum ctl_type type, int pass_fd,
		struct patience *p, struct err *e)
{
	return client_send_fds(fd, msg, bytes, type, &pass_fd, pass_fd >= 0, p, e);
}

int client_receive(int fd, void *msg, size_t bytes, enum ctl_type type, struct patience *p,
		   struct err *e)
{
	static char buf[CTL_MAX_MESSAGE];
	const struct ctl_head *h = (const void *)buf;
	int r = wait_for(fd, POLLIN, patience_bound(p), p, e);
	ssize_t n;

	if (r <= 0)
		return r < 0 ? r : no_answer(peer(fd), patience_bound(p), e);
	n = receive(fd, buf, sizeof(buf));
	if (n < 0 && errno == ECONNRESET)
		n = 0;
	if (n < 0)
		return err_set(e, errno, "cannot receive from agentfwd: %s", strerror(errno));
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
