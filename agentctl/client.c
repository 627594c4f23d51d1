#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "agentctl/ctl.h"
#include "policy/base/cleanup.h"

#define DAEMON_SAYS "agentfwd: "
#define START_MS    30000 /* kernel modules may have to be loaded first */

static int try_connect(struct err *e)
{
	const char *base = getenv("AGENTFW_RUN_DIR");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct stat st;
	int fd, n;

	if (stat("/proc/self/ns/net", &st) < 0)
		return err_set(e, errno, "cannot look at /proc/self/ns/net: %s", strerror(errno));
	if (base && base[0] != '/')
		return err_set(e, EINVAL, "AGENTFW_RUN_DIR '%s' does not begin with '/'", base);
	n = snprintf(a.sun_path, sizeof(a.sun_path), CTL_SOCKET_FORMAT, base ? base : CTL_RUN_DIR,
		     (unsigned long long)st.st_ino);
	if (n < 0 || (size_t)n >= sizeof(a.sun_path))
		return err_set(e, ENAMETOOLONG, "AGENTFW_RUN_DIR is too long for a socket");
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		n = errno;
		close(fd);
		if (n == ENOENT || n == ECONNREFUSED)
			return -ENOENT;
		err_set(e, n, "cannot connect to agentfwd at %s: %s", a.sun_path, strerror(n));
		return n == EACCES ? err_hint(e, "only root may: sudo agentctl …") : -n;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != 0) {
		close(fd);
		return err_set(e, EPERM, "what listens at %s does not belong to root", a.sun_path);
	}
	return fd;
}

/* Beside ourselves, else on the way that root's programs are found. */
bool client_find_daemon(char *ret, size_t bytes)
{
	static const char *const dirs[] = {"/usr/local/sbin", "/usr/sbin", "/usr/local/bin",
					   "/usr/bin"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		if ((size_t)snprintf(ret, bytes, "%s/agentfwd", self) < bytes &&
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

/* Its last words: what was wrong, and a line with a hint. */
static int pass_on(char *said, struct err *e)
{
	char *end = said + strcspn(said, "\n"), *hint = strstr(said, "\n" DAEMON_SAYS "hint: ");

	*end = '\0';
	if (strncmp(said, DAEMON_SAYS, strlen(DAEMON_SAYS)) == 0)
		said += strlen(DAEMON_SAYS);
	err_set(e, EIO, "agentfwd did not start: %s",
		said[0] ? said : "it said nothing within thirty seconds");
	if (hint == end) {
		hint += strlen("\n" DAEMON_SAYS "hint: ");
		hint[strcspn(hint, "\n")] = '\0';
		err_hint(e, "%s", hint);
	}
	return -EIO;
}

static int start_daemon(struct err *e)
{
	_cleanup_close_ int complaints = memfd_create("agentfwd-stderr", MFD_CLOEXEC);
	_cleanup_close_ int ready = -1;
	struct pollfd pfd = {.events = POLLIN};
	char said[1200] = "", one;
	int status = 0;
	pid_t pid = spawn(&ready, complaints);

	if (pid < 0)
		return err_set(e, errno, "cannot start agentfwd: %s", strerror(errno));
	pfd.fd = ready;
	if (poll(&pfd, 1, START_MS) > 0 && read(ready, &one, 1) == 1)
		return 0;
	if (waitpid(pid, &status, WNOHANG) == 0) {
		usleep(50 * 1000);
		waitpid(pid, &status, WNOHANG);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL)
		return 0; /* somebody else's start was quicker: it is there now */
	(void)!pread(complaints, said, sizeof(said) - 1, 0);
	return pass_on(said, e);
}

int client_connect(bool start, struct err *e)
{
	int fd = try_connect(e);

	for (int i = 0; i < 3 && fd == -ENOENT && start; i++) {
		int r = start_daemon(e);

		if (r < 0)
			return r;
		fd = try_connect(e);
	}
	if (fd == -ENOENT)
		err_set(e, ENOENT, "no agentfwd runs in this network namespace");
	return fd;
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
	if (sendmsg(fd, &mh, MSG_NOSIGNAL) < 0)
		return err_set(e, errno, "cannot speak to agentfwd: %s", strerror(errno));
	return 0;
}

int client_receive(int fd, void *msg, size_t bytes, enum ctl_type type, struct err *e)
{
	static char buf[CTL_MAX_MESSAGE];
	const struct ctl_head *h = (const void *)buf;
	ssize_t n;

	do
		n = recv(fd, buf, sizeof(buf), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, errno, "cannot hear agentfwd: %s", strerror(errno));
	if (n == 0)
		return err_set(e, ECONNRESET, "agentfwd has gone");
	if ((size_t)n >= sizeof(*h) && h->type == CTL_ERROR &&
	    (size_t)n == sizeof(struct ctl_error)) {
		struct ctl_error *m = (void *)buf;

		m->msg[sizeof(m->msg) - 1] = m->hint[sizeof(m->hint) - 1] = '\0';
		err_set(e, m->code > 0 ? m->code : EIO, "%s", m->msg);
		err_hint(e, "%s", m->hint);
		return -(m->code > 0 ? m->code : EIO);
	}
	if ((size_t)n < sizeof(*h) || h->version != CTL_VERSION || h->type != type ||
	    h->bytes != (size_t)n || (size_t)n != bytes)
		return err_set(e, EPROTO,
			       "agentctl and the running agentfwd are of different versions");
	memcpy(msg, buf, (size_t)n);
	return 0;
}
