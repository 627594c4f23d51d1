// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/ipc/engine_msg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int em_send(int fd, const void *msg, size_t bytes, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * EM_FDS_MAX)];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = bytes};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > EM_FDS_MAX)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int em_send_failed(int fd, const struct err *e)
{
	struct em_failed m = {.type = EM_FAILED, .code = e->code};

	snprintf(m.msg, sizeof(m.msg), "%.*s", (int)sizeof(m.msg) - 1, e->msg);
	snprintf(m.hint, sizeof(m.hint), "%.*s", (int)sizeof(m.hint) - 1, e->hint);
	return em_send(fd, &m, sizeof(m), NULL, 0);
}

int em_failed(int fd, struct err *e)
{
	int r = -e->code;

	if (em_send_failed(fd, e) == 0)
		e->code = 0;
	return r;
}

static size_t type_bytes(uint32_t type)
{
	switch ((enum em_type)type) {
	case EM_FENCE_ADD:
		return sizeof(struct em_fence_add);
	case EM_FENCE_READY:
		return sizeof(struct em_fence_ready);
	case EM_FENCE_DEL:
		return sizeof(struct em_fence_del);
	case EM_LEARN:
		return sizeof(struct em_learn);
	case EM_WANT_SOCKET:
	case EM_SOCKET:
		return sizeof(struct em_socket);
	case EM_GO:
		return sizeof(struct em_go);
	case EM_STATS_ASK:
	case EM_STATS:
		return sizeof(struct em_stats);
	case EM_READY:
		return sizeof(struct em_ready);
	case EM_FAILED:
		return sizeof(struct em_failed);
	case EM_GATE_QUEUE:
		return sizeof(struct em_gate_queue);
	case EM_GATE_FORGET:
		return sizeof(struct em_gate_forget);
	}
	return 0;
}

static void take_fds(struct msghdr *mh, int fds[EM_FDS_MAX], size_t *ret_n)
{
	*ret_n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
			if (*ret_n < EM_FDS_MAX)
				fds[(*ret_n)++] = got;
			else
				close(got);
		}
	}
}

int em_recv(int fd, union em *ret, int fds[EM_FDS_MAX], size_t *ret_n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * EM_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};
	ssize_t n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	*ret_n_fds = 0;
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	take_fds(&mh, fds, ret_n_fds);
	if ((mh.msg_flags & MSG_TRUNC) || (size_t)n < sizeof(ret->type) ||
	    (size_t)n != type_bytes(ret->type)) {
		for (size_t i = 0; i < *ret_n_fds; i++)
			close(fds[i]);
		*ret_n_fds = 0;
		return -EBADMSG;
	}
	return (int)n;
}
