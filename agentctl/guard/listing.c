// SPDX-License-Identifier: GPL-2.0-or-later
/* The entries of a directory that matter to the guard. */
#include "agentctl/guard/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/profile.h"

void listing_note(struct listing *l, const char *name)
{
	for (size_t i = 0; i < protected_places_n && i < PLACES_MAX; i++) {
		const char *path = protected_places[i].path;
		size_t n = strcspn(path, "/");

		if (path[0] == name[0] && strncmp(path, name, n) == 0 && !name[n])
			l->any = l->names[i] = true;
	}
}

static bool lists_directory(int dirfd, const struct dirent64 *e)
{
	struct stat st;

	return e->d_type == DT_DIR ||
	       (e->d_type == DT_UNKNOWN &&
		fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
}

/* .git itself has many directories and no repositories that count. */
static bool add_directory(struct listing *l, const char *name)
{
	size_t n = strlen(name) + 1;
	char *more;

	if (strcmp(name, ".git") == 0)
		return true;
	more = realloc(l->dirs, l->bytes + n);
	if (!more)
		return false;
	l->dirs = more;
	memcpy(l->dirs + l->bytes, name, n);
	l->bytes += n;
	return true;
}

/* Not readdir(3): it costs an allocation and three system calls more per directory. */
int listing_read(int fd, struct listing *ret)
{
	static char buf[65536] __attribute__((aligned(__alignof__(struct dirent64))));
	ssize_t n;

	while ((n = getdents64(fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n;) {
			const struct dirent64 *e = (const void *)p;

			p += e->d_reclen;
			if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
				continue;
			listing_note(ret, e->d_name);
			if (lists_directory(fd, e) && !add_directory(ret, e->d_name))
				return -ENOMEM;
		}
	return n < 0 ? -errno : 0;
}
