// SPDX-License-Identifier: GPL-2.0-or-later
/* Which directories of libraries may hold programs, and the user's groups, for which the C library
 * loads modules, take long to find out, and the box needs them late. So agentctl finds them out
 * while the box's process is busy with its namespaces, and sends them in the order of the steps. */
#include "agentctl/confine/lookup.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agentctl/confine/libraries.h"
#include "agentctl/confine/plan.h"
#include "agentctl/confine/user.h"
#include "policy/base/cleanup.h"

struct head {
	uint32_t bytes;
	int32_t error; /* errno: it could not be found out */
};

static int send_all(int fd, const void *body, size_t bytes, int error)
{
	const struct head h = {error ? 0 : (uint32_t)bytes, error};
	struct iovec iov[] = {{(void *)&h, sizeof(h)}, {(void *)body, h.bytes}};
	int at = 0;

	while (at < 2) {
		ssize_t n = writev(fd, iov + at, 2 - at);

		if (n < 0 && errno != EINTR)
			return -errno; /* the box's process has ended, and has told why */
		for (; n >= 0 && at < 2; at++) {
			size_t done = (size_t)n < iov[at].iov_len ? (size_t)n : iov[at].iov_len;

			iov[at].iov_base = (char *)iov[at].iov_base + done;
			iov[at].iov_len -= done;
			n -= (ssize_t)done;
			if (iov[at].iov_len)
				break;
		}
	}
	return 0;
}

static int read_all(int fd, void *to, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = read(fd, (char *)to + done, bytes - done);

		if (n == 0 || (n < 0 && errno != EINTR))
			return n ? -errno : -EPIPE;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int lookup_receive(int fd, void **ret, size_t *ret_bytes)
{
	struct head h;
	int r = read_all(fd, &h, sizeof(h));

	*ret = NULL;
	if (r < 0 || h.error)
		return r < 0 ? r : -h.error;
	*ret_bytes = h.bytes;
	*ret = malloc(h.bytes + 1u);
	return *ret ? read_all(fd, *ret, h.bytes) : -ENOMEM;
}

static int send_names(const struct plan *p, const char *library, int fd)
{
	_cleanup_free_ char *names = NULL;
	size_t bytes = 0;
	int r = library_program_dirs(p->libraries, library, p->run_dir, &names, &bytes);

	return send_all(fd, names, bytes, -r);
}

static int send_groups(const struct plan *p, int fd)
{
	_cleanup_free_ gid_t *groups = NULL;
	int n = 0, room = 64, r;

	do {
		free(groups);
		n = room;
		room *= 4;
		groups = calloc((size_t)n, sizeof(*groups));
		r = groups ? getgrouplist(p->user, p->gid, groups, &n) : 0;
	} while (r < 0 && room <= 4 * NGROUPS_MAX);
	return send_all(fd, groups, (size_t)n * sizeof(*groups),
			r < 0    ? E2BIG
			: groups ? 0
				 : ENOMEM);
}

int lookup_send(const struct plan *p, enum step_kind kind, int fd)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n; i++)
		if (p->step[i].kind != kind)
			continue;
		else if (kind == STEP_LIBRARY)
			r = send_names(p, p->step[i].path, fd);
		else if (user_changes(p))
			r = send_groups(p, fd);
	return r;
}
