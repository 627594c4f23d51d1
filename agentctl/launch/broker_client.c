// SPDX-License-Identifier: GPL-2.0-or-later
/* The fenced side of the broker. */
#include "agentctl/launch/broker_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agentctl/launch/broker.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"

bool broker_needed(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/cgroup", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0)
		if (strncmp(line, "0::", 3) == 0)
			return strstr(line, "/" CTL_CGROUP_DIR "/") != NULL;
	return false;
}

static int reach(struct err *e)
{
	const char *path = getenv(BROKER_ENV);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (!path)
		path = CTL_RUN_DIR "/" BROKER_SOCKET;
	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(e, ENAMETOOLONG, BROKER_ENV " is too long for a socket");
	strcpy(a.sun_path, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return steal_fd(&fd);
	err_set(e, errno,
		"cannot run the tool: the broker outside the fence cannot be reached at '%s': %s",
		path, strerror(errno));
	return err_hint(e, "the policy that the fence was started with must have `tools`; a tool "
			   "cannot call tools");
}

static int send_call(int fd, const char *name, char *const *values, size_t n_values, struct err *e)
{
	static const int streams[3] = {0, 1, 2};
	static char buf[BROKER_MESSAGE_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(streams))];
	} control = {0};
	struct iovec iov = {buf, 0};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	for (size_t i = 0; i <= n_values; i++) {
		const char *word = i ? values[i - 1] : name;
		size_t n = strlen(word) + 1;

		if (n > sizeof(buf) - iov.iov_len || i >= BROKER_ARGS_MAX)
			return err_set(e, E2BIG,
				       "the arguments are too long: hand them over on stdin");
		memcpy(buf + iov.iov_len, word, n);
		iov.iov_len += n;
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(streams));
	memcpy(CMSG_DATA(c), streams, sizeof(streams));
	/* EPIPE: the broker has answered without reading, which is to be received */
	return sendmsg(fd, &mh, MSG_NOSIGNAL) < 0 && errno != EPIPE
		   ? err_set(e, errno, "cannot call the tool: %s", strerror(errno))
		   : 0;
}

/* Where the broker answered without reading the message, ECONNRESET comes before the answer. */
static ssize_t hear(int fd, char *ret, size_t bytes)
{
	bool reset = false;
	ssize_t n;

	while ((n = recv(fd, ret, bytes, 0)) < 0 &&
	       (errno == EINTR || (errno == ECONNRESET && !reset)))
		reset |= errno == ECONNRESET;
	return n;
}

int broker_call(const char *name, char *const *values, size_t n_values, struct err *e)
{
	_cleanup_close_ int fd = reach(e);
	char reply[512];
	ssize_t n;
	int r;

	if (fd < 0)
		return fd;
	if ((r = send_call(fd, name, values, n_values, e)) < 0)
		return r;
	n = hear(fd, reply, sizeof(reply) - 1);
	reply[n > 0 ? n : 0] = '\0';
	reply[strcspn(reply, "\n")] = '\0';
	if (strncmp(reply, "exit ", 5) == 0)
		return atoi(reply + 5);
	return err_set(e, EIO, "%s",
		       strncmp(reply, "error ", 6) == 0 ? reply + 6 : "the fence has gone");
}
