// SPDX-License-Identifier: GPL-2.0-or-later
/* Output of a command that is counted: it comes by a pipe and goes on to the command's stream.
 * Nothing here blocks: a reader that does not read holds up that output alone, not the limit of
 * time. */
#include "agentctl/launch/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

int output_open(struct output *o, int to, int *ret_command)
{
	struct stat st = {0};
	int fds[2];

	*o = (struct output){.from = -1, .to = to};
	o->buf = malloc(OUTPUT_BYTES);
	if (!o->buf || pipe2(fds, O_CLOEXEC) < 0)
		return o->buf ? -errno : -ENOMEM;
	fstat(to, &st);
	o->type = st.st_mode & S_IFMT;
	o->from = fds[0];
	*ret_command = fds[1];
	return 0;
}

static void end(struct output *o)
{
	if (o->from >= 0)
		close(o->from);
	o->from = -1;
}

void output_close(struct output *o)
{
	end(o);
	free(o->buf);
	o->buf = NULL;
	o->have = 0;
}

bool output_over(const struct output *o)
{
	return o->from < 0 && !o->have;
}

void output_poll(const struct output *o, struct pollfd pfd[2])
{
	pfd[0] = (struct pollfd){.fd = o->have ? -1 : o->from, .events = POLLIN};
	pfd[1] = (struct pollfd){.fd = o->have ? o->to : -1, .events = POLLOUT};
}

/* The stream is shared with other processes, which O_NONBLOCK would disturb: so each call asks not
 * to wait. Terminals cannot, nor pipes of old kernels: when writable they take PIPE_BUF bytes. */
static ssize_t write_now(const struct output *o)
{
	struct iovec iov = {o->buf + o->at, o->have};
	ssize_t n = -1;

	if (o->type == S_IFSOCK)
		return send(o->to, iov.iov_base, iov.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	errno = EOPNOTSUPP;
	if (o->type == S_IFIFO)
		n = pwritev2(o->to, &iov, 1, -1, RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP)
		n = write(o->to, iov.iov_base, iov.iov_len < PIPE_BUF ? iov.iov_len : PIPE_BUF);
	return n;
}

static void go_on(struct output *o)
{
	ssize_t n = write_now(o);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* nobody reads any more: the command gets EPIPE */
		o->have = 0;
		end(o);
		return;
	}
	o->at += (size_t)n;
	o->have -= (size_t)n;
}

bool output_step(struct output *o, const struct pollfd pfd[2], uint64_t *left)
{
	ssize_t n;

	if (pfd[1].revents && o->have)
		go_on(o);
	if (!pfd[0].revents || o->have || o->from < 0)
		return true;
	n = read(o->from, o->buf, OUTPUT_BYTES);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		end(o);
		return true;
	}
	o->at = 0;
	o->have = (uint64_t)n < *left ? (size_t)n : (size_t)*left;
	*left -= o->have;
	return o->have == (size_t)n;
}
