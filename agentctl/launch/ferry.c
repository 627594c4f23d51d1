// SPDX-License-Identifier: GPL-2.0-or-later
/* Carries bytes between a pipe of ours and a caller's descriptor, in a process with the caller's
 * rights and no others. So root does not read or write what the caller may not, and a descriptor
 * that blocks holds up only that process. */
#include "agentctl/launch/ferry.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FERRY_FD 1000 /* and 1001: above all other descriptors */

int ferry_become(const struct ucred *who)
{
	return (geteuid() == 0 && setgroups(0, NULL) < 0) ||
		       setresgid(who->gid, who->gid, who->gid) < 0 ||
		       setresuid(who->uid, who->uid, who->uid) < 0
		   ? -errno
		   : 0;
}

/* After a failed read or write. The caller may have set O_NONBLOCK. */
static bool wait_for(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return errno == EINTR || (errno == EAGAIN && poll(&pfd, 1, -1) >= 0);
}

void ferry_carry(int from, int to)
{
	static char buf[65536];

	for (;;) {
		ssize_t n = read(from, buf, sizeof(buf)), done = 0;

		if (n < 0 && wait_for(from, POLLIN))
			continue;
		if (n <= 0)
			return;
		while (done < n) {
			ssize_t w = write(to, buf + done, (size_t)(n - done));

			if (w < 0 && !wait_for(to, POLLOUT))
				return;
			done += w > 0 ? w : 0;
		}
	}
}

pid_t ferry_start(int from, int to, const struct ucred *who)
{
	pid_t us = getpid(), pid = fork();

	if (pid)
		return pid;
	from = fcntl(from, F_DUPFD, FERRY_FD);
	to = fcntl(to, F_DUPFD, FERRY_FD + 2);
	if (from < 0 || to < 0 || dup2(from, FERRY_FD) < 0 || dup2(to, FERRY_FD + 1) < 0 ||
	    close_range(FERRY_FD + 2, ~0U, 0) < 0 || close_range(0, FERRY_FD - 1, 0) < 0 ||
	    ferry_become(who) < 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user clears it */
	if (getppid() != us)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	ferry_carry(FERRY_FD, FERRY_FD + 1);
	_exit(0);
}
