// SPDX-License-Identifier: GPL-2.0-or-later
/* The standard streams that a command gets. */
#include "agentctl/confine/descriptors.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "policy/base/err.h"

/* A network socket from before the fence stays outside it. By a directory from outside the box
 * (openat) the command would reach files that the box's mounts hide. */
int descriptors_check(const int streams[3], struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int fd = streams[i];
		struct stat st = {0};
		int domain;
		socklen_t len = sizeof(domain);

		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
			err_set(e, EPERM,
				"descriptor %d is a directory: files could be reached by it", i);
			return err_hint(e, "redirect it: < /dev/null");
		}
		if (S_ISBLK(st.st_mode))
			return err_set(e, EPERM, "descriptor %d is a disk", i);
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
		    domain != AF_UNIX) {
			err_set(e, EPERM,
				"descriptor %d is a network socket: data could leave by it", i);
			return err_hint(e, "redirect it: < /dev/null, or through a pipe: | cat");
		}
	}
	return 0;
}
