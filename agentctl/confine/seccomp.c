// SPDX-License-Identifier: GPL-2.0-or-later
/* The system call filters, loaded as they were built (seccomp_gen.c). */
#include "agentctl/confine/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/base/err.h"

#include "seccomp_filters.h" /* programs, watch_programs, text */

#define WAIT_KILLABLE (1u << 5) /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19 */

int seccomp_base(uint64_t bits, struct err *e)
{
	if (bits >= SECCOMP_FILTERS)
		return err_set(e, EINVAL, "there is no such system call filter");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &programs[bits]) < 0)
		return err_set(e, errno, "cannot load the system call filter: %s", strerror(errno));
	return 0;
}

/* The kernel allows one listener: where another filter has one, nothing is watched, and a message
 * without a descriptor says so. */
int seccomp_watch(bool all, int to, struct err *e)
{
	const struct sock_fprog *p = &watch_programs[all];
	const unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	_cleanup_close_ int fd =
	    (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | WAIT_KILLABLE, p);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {"", 1};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd < 0 && errno == EINVAL)
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, p);
	if (fd >= 0) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(to, &mh, MSG_NOSIGNAL) == 1
		   ? 0
		   : err_set(e, errno, "cannot hand over the watch: %s", strerror(errno));
}

void seccomp_print(uint64_t bits, FILE *to)
{
	if (bits & SECCOMP_NO_UNIX)
		fputs("    no unix sockets but socketpair\n", to);
	if (bits & SECCOMP_NO_NETWORK)
		fputs("    no network sockets\n", to);
	if (bits & SECCOMP_NO_MEMFD)
		fputs("    no memfd_create: files without a name could be run\n", to);
	fputs("    sockets: unix, inet, inet6, netlink-route; streams, datagrams and ping only\n"
	      "    no new namespaces, no TIOCSTI, no SO_ZEROCOPY, no execution of unnamed files\n"
	      "    no joining of multicast groups, no binding to a device or a foreign address\n",
	      to);
	fputs(text, to);
}
