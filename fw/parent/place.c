// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fw/parent/host.h"
#include "fw/parent/left.h"

#define SAME_NAME_MAX 1000 /* fences with the same name at a time */

static bool name_ok(const char *s)
{
	size_t n = strnlen(s, CTL_NAME_MAX);

	return n > 0 && n < CTL_NAME_MAX - 12 && s[0] != '.' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static int make_directory(struct place *pl, const char *root, const char *wish, char *name,
			  struct err *e)
{
	for (unsigned i = 0; i < SAME_NAME_MAX; i++) {
		if (i)
			snprintf(name, CTL_NAME_MAX, "%.110s.%u", wish, i);
		else
			snprintf(name, CTL_NAME_MAX, "%s", wish);
		snprintf(pl->path, sizeof(pl->path), "%s/%s", root, name);
		if (mkdir(pl->path, 0755) == 0)
			return 0;
		/* A daemon of another network namespace that ends removes the root while it is
		 * empty. */
		if (errno == ENOENT && (mkdir(root, 0755) == 0 || errno == EEXIST))
			continue;
		if (errno != EEXIST)
			return err_set(e, errno, "cannot make the cgroup %s: %s", pl->path,
				       strerror(errno));
	}
	return err_set(e, EEXIST, "there are %d fences with the name '%s' already", SAME_NAME_MAX,
		       wish);
}

int place_make(struct place *ret, const char *root, const char *run_dir, const char *wish,
	       char *name, struct err *e)
{
	struct stat st, above;
	int r;

	*ret = (struct place){.fd = -1};
	if (!name_ok(wish))
		return err_set(e, EINVAL,
			       "the name of a fence may hold a-z, 0-9, '.', '_' and '-'");
	r = make_directory(ret, root, wish, name, e);
	if (r < 0)
		return r;
	ret->fd = open(ret->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->fd < 0 || fstat(ret->fd, &st) < 0 || fstatat(ret->fd, "..", &above, 0) < 0)
		return err_set(e, errno, "cannot open the cgroup %s: %s", ret->path,
			       strerror(errno));
	left_mark(ret->fd, run_dir);
	ret->scope =
	    (struct scope){.kind = SCOPE_CGROUP, .cgroup_id = st.st_ino, .above_id = above.st_ino};
	return 0;
}

void place_kill(const struct place *pl)
{
	host_cgroup_kill(pl->fd);
}

bool place_populated(const struct place *pl)
{
	return host_cgroup_populated(pl->fd);
}

void place_remove(struct place *pl)
{
	if (pl->fd < 0)
		return;
	close(pl->fd);
	pl->fd = -1;
	rmdir(pl->path);
}
